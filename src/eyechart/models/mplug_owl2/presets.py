"""How Q-Align and Q-Instruct ask for quality: the exact prompts, and how pictures become square.

Q-Align (Wu et al., arXiv 2312.17090; https://github.com/Q-Future/Q-Align), Q-Instruct (Wu et al., arXiv
2311.06783; https://github.com/Q-Future/Q-Instruct). The words of the levels and what each is worth stand in
the scoring templates that name a preset (:mod:`eyechart.quality.template`).

The prompt of Q-Align is the one of its training, its evaluation and its scorer classes. The ``score`` method
in its repository swaps two words ("The image of the quality is"): ``q-align-score-method`` reproduces that.

Q-Instruct was trained on padded pictures, and its local demo pads; its scorer and its evaluation crop.
"""

from __future__ import annotations

from dataclasses import dataclass

from eyechart.models.mplug_owl2.images import Squaring

_ALIGN = (
    "USER: How would you rate the {what} of this image?\n<|image|>\nASSISTANT: The {first} of the {second} is"
)
_INSTRUCT = "USER: <|image|>Rate the quality of the image."


@dataclass(frozen=True)
class QualityPreset:
    """A published way to ask for quality.

    Attributes:
        prompt: the exact text with one image placeholder.
        squaring: how an image that is not square becomes so.
    """

    prompt: str
    squaring: Squaring


def _align(what: str, first: str, second: str) -> QualityPreset:
    return QualityPreset(_ALIGN.format(what=what, first=first, second=second), "pad")


PRESETS = {
    "q-align-quality": _align("quality", "quality", "image"),
    "q-align-aesthetics": _align("aesthetics", "aesthetics", "image"),
    "q-align-score-method": _align("quality", "image", "quality"),
    # Its scorer class, plain and with three words a level.
    "q-instruct": QualityPreset(f"{_INSTRUCT}\nASSISTANT: ", "crop"),
    "q-instruct-evaluation": QualityPreset(f"{_INSTRUCT} ASSISTANT:", "crop"),
    # Its local demo; no space after "ASSISTANT:".
    "q-instruct-demo": QualityPreset(f"{_INSTRUCT} ASSISTANT:The quality of the image is", "pad"),
}
