"""The contrast constraint: one distortion lies together, apart from others of the same content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eyechart.errors import EyechartError

if TYPE_CHECKING:
    import torch

    from eyechart.tune.constraints import Tokens

TEMPERATURE = 0.1  # the value that Khosla et al. found best


class Contrast:
    """Supervised contrastive loss over labels (Khosla et al., arXiv 2004.11362, eq. 2), within contents.

    An image's place is its mean token, at unit length; nearness is the cosine over ``TEMPERATURE``. For each
    image, positives are all other images of the batch with its label, whatever their content; negatives are
    the images of its content with another label. Pairs that differ in both do not count: content alone tells
    them apart. Images without a positive or without a negative in the batch are left out of the mean;
    :mod:`eyechart.tune.grouping` makes batches that have few of them. A batch is what one forward pass has:
    parts of a step, and processes, do not see one another's images.

    Args:
        contents: the content of every image that is trained on, [N].

    Raises:
        EyechartError: no content occurs twice.
    """

    name = "contrast"

    def __init__(self, contents: ArrayLike) -> None:
        import torch

        known, codes = np.unique(np.asarray(contents), return_inverse=True)
        if len(known) == len(codes):
            raise EyechartError(
                "contrast compares distortions of one content, and no content occurs twice",
                "train on a dataset with several distortions of each photograph",
            )
        self.contents = torch.from_numpy(codes.astype(np.int64))

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return nothing: the temperature is fixed."""
        return []

    def loss(self, tokens: Tokens, targets: torch.Tensor, rows: NDArray[np.int64]) -> torch.Tensor | None:
        """Return the mean loss of a batch; see :class:`Constraint`."""
        import torch
        import torch.nn.functional as F

        places = F.normalize(torch.stack([image.float().mean(0) for image in tokens]), dim=-1)
        contents, shown = self.contents[rows].to(places.device), torch.from_numpy(rows).to(places.device)
        alike = targets[:, None] == targets
        positive = alike & (shown[:, None] != shown)  # balancing may show an image twice
        negative = ~alike & (contents[:, None] == contents)
        counted = positive.any(1) & negative.any(1)
        if not counted.any():
            return None
        positive, negative = positive[counted], negative[counted]
        near = places[counted] @ places.T / TEMPERATURE
        among = near.masked_fill(~(positive | negative), -torch.inf)
        share = near - among.logsumexp(1, keepdim=True)
        each: torch.Tensor = -(share * positive).sum(1) / positive.sum(1)
        return each.mean()
