"""The gap between visual tokens and words, and the cone in which each of the two lies.

Liang et al. ("Mind the Gap", NeurIPS 2022): the gap is the distance between the centroids of the normalised
embeddings of two modalities; the cone effect is the mean cosine of two embeddings of one modality. Here the
modalities are the visual tokens that enter the language model and its input embeddings of words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eyechart.measures.statistics import divide

if TYPE_CHECKING:
    import torch

Doubles = NDArray[np.float64]
_ROWS = 8192  # of a vocabulary that are normalised at a time


@dataclass(frozen=True)
class Bundle:
    """Sums of normalised embeddings, by image (or by word): all that gap and cone depend on.

    Attributes:
        sums: [n, width].
        counts: [n], embeddings in each sum; those that are zero have no direction and count not.
    """

    sums: Doubles
    counts: Doubles

    @classmethod
    def of(cls, embeddings: Iterable[torch.Tensor]) -> Bundle:
        """Sum what each tensor [embeddings, width] holds."""
        import torch.nn.functional as F

        found = [F.normalize(one.detach().double(), dim=-1).cpu() for one in embeddings]
        counts = [float(one.any(dim=-1).sum()) for one in found]
        return cls(np.stack([one.sum(0).numpy() for one in found]), np.array(counts))

    @classmethod
    def of_vocabulary(cls, table: torch.Tensor) -> Bundle:
        """Sum every embedding of a vocabulary, [words, width]; of a cone only the whole sum is needed."""
        import torch

        parts = cls.of(torch.split(table, _ROWS))
        return cls(parts.sums.sum(0, keepdims=True), parts.counts.sum(keepdims=True))


def gap(visual: Bundle, words: Bundle, left: NDArray[np.bool_]) -> Doubles:
    """Return the distance between the centroids of visual tokens and of words, 0 to 2.

    Args:
        visual: by image.
        words: all of them count.
        left: [n, m], the images of each of m samples.

    Returns:
        float64 [m].
    """
    centroids = divide(left.T.astype(float) @ visual.sums, (left.T @ visual.counts)[:, None])
    return np.linalg.norm(centroids - words.sums.sum(0) / words.counts.sum(), axis=1)  # type: ignore[no-any-return]


def cone(bundle: Bundle, left: NDArray[np.bool_]) -> Doubles:
    """Return the mean cosine of two embeddings of different images (or words), [m]; NaN where there is one.

    Args:
        bundle: by image; or of words, each a sum of its own.
        left: [n, m], the images of each of m samples.
    """
    member = left.T.astype(float)
    whole, own = member @ bundle.sums, member @ np.square(bundle.sums).sum(1)
    pairs = (member @ bundle.counts) ** 2 - member @ np.square(bundle.counts)
    return divide(np.square(whole).sum(1) - own, pairs)


def vocabulary_cone(words: Bundle) -> float:
    """Return the mean cosine of two different words of a vocabulary (see :meth:`Bundle.of_vocabulary`)."""
    count = words.counts.sum()
    return float((np.square(words.sums.sum(0)).sum() - count) / (count * (count - 1)))
