"""What the words of an answer mean: synonyms and inflections of every label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from eyechart.errors import EyechartError
from eyechart.templates.files import read_yaml, refuse_unknown

OFF_LIST = "off-list"
Phrase = tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """Phrases and what they mean; a phrase is a tuple of lower-case words.

    Attributes:
        words: (phrase, label) that hold wherever they stand.
        alone: (phrase, label) that hold only where a clause says nothing else.
        instead: (label, the labels that stand in for it where an exam does not have it).
        off_list: phrases that name a distortion which is no label.
        nouns: words for any distortion ("artifacts").
        adjectives: words for an image that has one ("distorted").
        no_distortion: the label of an answer that says that there is none.
    """

    words: tuple[tuple[Phrase, str], ...]
    alone: tuple[tuple[Phrase, str], ...]
    instead: tuple[tuple[str, tuple[str, ...]], ...]
    off_list: tuple[Phrase, ...]
    nouns: frozenset[Phrase]
    adjectives: frozenset[Phrase]
    no_distortion: str


@dataclass(frozen=True)
class Meanings:
    """A lexicon as seen by an exam with certain labels: phrase to label, or to ``off-list``."""

    words: MappingProxyType[Phrase, str]
    alone: MappingProxyType[Phrase, str]
    longest: int


def load_lexicon(path: Path | None = None) -> Lexicon:
    """Return the lexicon in a YAML file.

    Args:
        path: the file; ``None`` reads the one that comes with Eyechart.

    Raises:
        EyechartError: an unknown or missing key, or a phrase with two meanings.
    """
    return _shipped() if path is None else _read(path)


@cache
def _shipped() -> Lexicon:
    return _read(Path(__file__).with_name("lexicon.yaml"))


def _read(path: Path) -> Lexicon:
    found = read_yaml(path)
    refuse_unknown(found, ("no distortion", "labels", "instead", "alone", "off-list", "generic"), str(path))
    refuse_unknown(found["generic"], ("nouns", "adjectives"), f"{path}, generic")
    lexicon = Lexicon(
        words=_pairs(found["labels"]),
        alone=_pairs(found["alone"]),
        instead=tuple((label, tuple(others)) for label, others in found["instead"].items()),
        off_list=_phrases(found["off-list"]),
        nouns=frozenset(_phrases(found["generic"]["nouns"])),
        adjectives=frozenset(_phrases(found["generic"]["adjectives"])),
        no_distortion=str(found["no distortion"]),
    )
    _refuse_two_meanings(lexicon, path)
    return lexicon


def words_of(text: str) -> Phrase:
    """Return the lower-case words of a phrase; hyphens and underscores separate words."""
    return tuple(text.casefold().replace("-", " ").replace("_", " ").split())


@lru_cache(maxsize=16)
def meanings(lexicon: Lexicon, labels: tuple[str, ...]) -> Meanings:
    """Return what each phrase means in an exam with ``labels``.

    A lexicon label that the exam does not have, nor one instead of it, is off-list; a label's own name always
    means that label.
    """
    instead = dict(lexicon.instead)

    def meaning(label: str) -> str:
        return next((name for name in (label, *instead.get(label, ())) if name in labels), OFF_LIST)

    own = {words_of(label): label for label in labels}
    words: dict[Phrase, str] = dict.fromkeys(lexicon.off_list, OFF_LIST)
    words |= {phrase: meaning(label) for phrase, label in lexicon.words} | own
    alone = {phrase: meaning(label) for phrase, label in lexicon.alone} | own
    longest = max(len(phrase) for phrase in words)
    return Meanings(MappingProxyType(words), MappingProxyType(alone), longest)


def _phrases(texts: Iterable[Any]) -> tuple[Phrase, ...]:
    return tuple(words_of(str(text)) for text in texts)


def _pairs(by_label: dict[str, Sequence[Any]]) -> tuple[tuple[Phrase, str], ...]:
    return tuple((phrase, label) for label, texts in by_label.items() for phrase in _phrases(texts))


def _refuse_two_meanings(lexicon: Lexicon, path: Path) -> None:
    phrases = [phrase for phrase, _ in (*lexicon.words, *lexicon.alone)] + list(lexicon.off_list)
    seen: set[Phrase] = set()
    for phrase in phrases:
        if phrase in seen:
            raise EyechartError(f"{path}: {' '.join(phrase)!r} stands twice.", "Keep it in one place.")
        seen.add(phrase)
