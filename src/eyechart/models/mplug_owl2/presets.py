"""How Q-Align and Q-Instruct ask for quality: prompts, preprocessing, level words and weights.

Q-Align (Wu et al., arXiv 2312.17090; https://github.com/Q-Future/Q-Align), Q-Instruct (Wu et al., arXiv
2311.06783; https://github.com/Q-Future/Q-Instruct). Each preset is one entry of ``PRESETS``.

The prompt of Q-Align is the one of its training, its evaluation and its scorer classes. The ``score`` method
in its repository swaps two words ("The image of the quality is"): ``q-align-score-method`` reproduces that.
"""

from __future__ import annotations

from dataclasses import dataclass

from eyechart.models.mplug_owl2.images import Squaring

_LEVELS = (("excellent",), ("good",), ("fair",), ("poor",), ("bad",))
_FALLING = (1.0, 0.75, 0.5, 0.25, 0.0)
_FIVE = (5.0, 4.0, 3.0, 2.0, 1.0)
_ALIGN = (
    "USER: How would you rate the {what} of this {medium}?\n<|image|>\n"
    "ASSISTANT: The {first} of the {second} is"
)
_INSTRUCT = "USER: <|image|>Rate the quality of the image."
_THREE = (("good",), ("average",), ("poor",))
_NINE = (("good", "high", "fine"), ("average", "medium", "acceptable"), ("poor", "low", "bad"))


@dataclass(frozen=True)
class QualityPreset:
    """A published way to a quality score.

    The score is the mean of ``weights`` under the softmax of the levels' logits at the last position.

    Attributes:
        prompt: the exact text with one image placeholder.
        squaring: how an image that is not square becomes so.
        levels: the words of each level, best first; a level's logit is the mean over its words. A word that
            is several tokens counts by its first, as in the original code.
        weights: what each level is worth.
    """

    prompt: str
    squaring: Squaring
    levels: tuple[tuple[str, ...], ...]
    weights: tuple[float, ...]


def _align(
    what: str, medium: str, weights: tuple[float, ...] = _FALLING, swapped: bool = False
) -> QualityPreset:
    first, second = (medium, what) if swapped else (what, medium)
    prompt = _ALIGN.format(what=what, medium=medium, first=first, second=second)
    return QualityPreset(prompt, "pad", _LEVELS, weights)


PRESETS = {
    # Q-Align's scorer classes, 0 to 1. A video's frames (one a second) all stand at the placeholder.
    "q-align-quality": _align("quality", "image"),
    "q-align-aesthetics": _align("aesthetics", "image"),
    "q-align-video": _align("quality", "video"),
    # The score method that came with the weights, 1 to 5, with its swapped sentence.
    "q-align-score-method": _align("quality", "image", _FIVE, swapped=True),
    # Q-Instruct's scorer class, 0 to 1, plain and with three words a level.
    "q-instruct": QualityPreset(f"{_INSTRUCT}\nASSISTANT: ", "crop", _THREE, (1.0, 0.5, 0.0)),
    "q-instruct-boost": QualityPreset(f"{_INSTRUCT}\nASSISTANT: ", "crop", _NINE, (1.0, 0.5, 0.0)),
    # Q-Instruct's evaluation script: good against poor.
    "q-instruct-evaluation": QualityPreset(
        f"{_INSTRUCT} ASSISTANT:", "crop", (("good",), ("poor",)), (1.0, 0.0)
    ),
    # Q-Instruct's local demo; no space after "ASSISTANT:", and padded images.
    "q-instruct-demo": QualityPreset(
        f"{_INSTRUCT} ASSISTANT:The quality of the image is", "pad", _THREE, (1.0, 0.5, 0.0)
    ),
}
