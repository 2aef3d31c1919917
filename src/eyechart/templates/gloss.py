"""Write Chinese and Japanese answers word by word in English, so that one reader serves all languages."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

from eyechart.templates.files import read_yaml, refuse_unknown
from eyechart.templates.words import load_words

FOLDER = Path(__file__).with_name("gloss")
CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff]")


def gloss(text: str) -> str:
    """Return a normalised text with its Chinese and Japanese words in English; others stay.

    Words are replaced in their own order, the longest phrase first, since neither language puts blanks
    between them. Japanese denies behind the noun, and the gloss does as well: "noise is absent".
    """
    if not CJK.search(text):
        return text
    whole, words, pattern = _phrases()
    if (meaning := whole.get(text.strip(" .。!\n\"'"))) is not None:
        return meaning
    return re.sub(r" +", " ", pattern.sub(lambda found: f" {words[found[0]]} ", text)).strip()


@cache
def _phrases() -> tuple[dict[str, str], dict[str, str], re.Pattern[str]]:
    """Return what whole answers mean, what words mean, and the pattern that finds the words."""
    whole: dict[str, str] = {}
    words: dict[str, str] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        found = read_yaml(path)
        refuse_unknown(found, ("whole", "words"), str(path))
        whole |= {phrase: meaning for meaning, phrases in found["whole"].items() for phrase in phrases}
        words |= {_plain(word): label for label, word in load_words(path.stem).labels.items()}
        words |= {
            _plain(phrase): meaning for meaning, phrases in found["words"].items() for phrase in phrases
        }
    longest_first = sorted(words, key=len, reverse=True)
    return whole, words, re.compile("|".join(re.escape(phrase) for phrase in longest_first))


def _plain(phrase: str) -> str:
    return unicodedata.normalize("NFKC", phrase).casefold()
