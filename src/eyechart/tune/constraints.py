"""Constraints on the vision path: what tuning asks of visual tokens beside the right answer (METHODS).

- ``alignment``: the tokens of an image lie near the word of its label.
- ``contrast``: images with one distortion lie together, apart from other distortions of the same content.
- ``preserve``: the tokens of clean images stay where they were before tuning.

Each is a loss of a batch's projected visual tokens alone; the language model is not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eyechart.errors import EyechartError
from eyechart.subjects.model import ModelSubject, Pixels
from eyechart.tune.alignment import Alignment
from eyechart.tune.contrast import Contrast
from eyechart.tune.preserve import Preserve

if TYPE_CHECKING:
    import torch

    # [n, tokens, width], or one [tokens, width] an image where images have different numbers of tokens
    Tokens = torch.Tensor | Sequence[torch.Tensor]

NAMES = ("alignment", "contrast", "preserve")


class Constraint(Protocol):
    """A loss of visual tokens."""

    name: str

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return what the constraint learns itself, which belongs into the optimiser."""

    def loss(self, tokens: Tokens, targets: torch.Tensor, rows: NDArray[np.int64]) -> torch.Tensor | None:
        """Return the mean loss of a batch; None where it holds nothing that the constraint is about.

        Args:
            tokens: projected visual tokens with gradient, [n, tokens, width] or n times [tokens, width].
            targets: index of each image's label, int64 [n].
            rows: place of each image among all that are trained on, int64 [n].
        """


def constraints(
    names: Sequence[str],
    subject: ModelSubject,
    labels: Sequence[str],
    images: Sequence[Pixels],
    contents: ArrayLike,
    clean: ArrayLike,
) -> dict[str, Constraint]:
    """Return the named constraints, made for one untuned subject and the images it is to be trained on.

    Args:
        names: some of ``NAMES``.
        subject: the subject before tuning.
        labels: the labels, in the order of the targets.
        images: uint8 HWC RGB, of any sizes; only the clean ones are looked at, for ``preserve``.
        contents: the content of each image, [n].
        clean: whether each image is undistorted, bool [n].

    Raises:
        EyechartError: there is no such constraint, or the images give it nothing to work on.
    """
    found: dict[str, Constraint] = {}
    for name in names:
        if name == "alignment":
            found[name] = Alignment(subject, labels)
        elif name == "contrast":
            found[name] = Contrast(contents)
        elif name == "preserve":
            found[name] = Preserve.of(subject, images, clean)
        else:
            raise EyechartError(f"there is no constraint {name!r}", f"one of {', '.join(NAMES)}")
    return found
