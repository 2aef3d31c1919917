"""The rungs from pixels to words: which label each names for each image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.measures.coding import code, has_scores, headline, scores
from eyechart.subjects.stages import ENCODED, LAST, PROJECTED

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.intp]

# In the order in which an image passes them.
PIXELS = "pixel statistics"
ENCODER = "encoder"
LANGUAGE = "language at image positions"
RENAMED = "choose, relabelled"
CHOSEN = "choose"
CORRECTED = "choose, prior-corrected"
WRITTEN = "generate"
OTHERS_CHOSEN = "choose, held-out"
OTHERS_WRITTEN = "generate, held-out"
RUNGS = (
    *(PIXELS, ENCODER, ENCODED, PROJECTED, LANGUAGE, LAST),
    *(RENAMED, CHOSEN, CORRECTED, WRITTEN, OTHERS_CHOSEN, OTHERS_WRITTEN),
)
AVERAGED = (
    OTHERS_CHOSEN,
    OTHERS_WRITTEN,
)  # what held-out wordings give on average; elsewhere the best counts


@dataclass(frozen=True)
class Sheet:
    """What each rung names for the same images.

    Attributes:
        labels: the labels, K of them.
        true: [n], place of the true label.
        content: [n], number of the content.
        named: rung to its ways (the layers of the encoder, the held-out wordings), in the order of ``RUNGS``;
            of each way the place of the named label, [n], K where none was named.
    """

    labels: tuple[str, ...]
    true: Ints
    content: Ints
    named: dict[str, dict[str, Ints]]

    def of(self, rows: NDArray[np.bool_]) -> Sheet:
        """Return the sheet of some images."""
        content = np.unique(self.content[rows], return_inverse=True)[1]
        named = {rung: {way: one[rows] for way, one in ways.items()} for rung, ways in self.named.items()}
        return Sheet(self.labels, self.true[rows], content, named)


def sheet(probes: pd.DataFrame, answers: pd.DataFrame, template: str, labels: Sequence[str]) -> Sheet:
    """Gather the rungs of one arm, on the images that all of them have.

    Args:
        probes: probes.parquet: image_id, content, label, stage, order, kind, predicted.
        answers: the arm's answers.
        template: id of the template whose question the states were read with.
        labels: the labels in the order of the likelihoods.

    Raises:
        EyechartError: no image is in both.
    """
    import pandas as pd

    asked = headline(answers)
    asked = asked[asked["readout"].isin(["choose", "generate"])]
    kept = probes[probes["kind"].isin(["probe", "pixels"])].sort_values("order", kind="stable")
    images = kept.drop_duplicates("image_id")
    images = images[images["image_id"].isin(asked["image_id"])]
    if images.empty:
        raise EyechartError("no image was both probed and asked about", "examine and look at one dataset")
    coded = code(images, labels)
    ids = pd.Index(images["image_id"])
    named: dict[str, dict[str, Ints]] = {}
    for rung, way, found in (*_probed(kept, labels), *_answered(asked, template, labels)):
        order = pd.Index(found["image_id"]).get_indexer(ids)
        if (order >= 0).all():
            named.setdefault(rung, {})[way] = found["named"].to_numpy()[order]
    whole = Sheet(tuple(labels), coded.true, coded.content, named)
    if CHOSEN in named:
        (chosen,) = named[CHOSEN].values()
        named[RENAMED] = {RENAMED: relabelled(chosen, whole)}
    return Sheet(whole.labels, whole.true, whole.content, {r: named[r] for r in RUNGS if r in named})


def rung_of(stage: str) -> str:
    """Return the rung of a stage (see :func:`eyechart.subjects.stages.stage_names`)."""
    if stage in (ENCODED, PROJECTED, LAST):
        return stage
    return ENCODER if stage.startswith("encoder") else LANGUAGE


Named = tuple[str, str, "pd.DataFrame"]


def _probed(probes: pd.DataFrame, labels: Sequence[str]) -> Iterator[Named]:
    for (kind, stage), part in probes.groupby(["kind", "stage"], sort=False):
        rung = PIXELS if kind == "pixels" else rung_of(str(stage))
        yield rung, str(stage), part[["image_id"]].assign(named=code(part, labels).predicted)


def _answered(answers: pd.DataFrame, template: str, labels: Sequence[str]) -> Iterator[Named]:
    """Yield what the subject answers: to the question itself, prior-corrected, and to held-out wordings."""
    ours = {"choose": CHOSEN, "generate": WRITTEN}
    others = {"choose": OTHERS_CHOSEN, "generate": OTHERS_WRITTEN}
    for (wording, split, readout), part in answers.groupby(
        ["template", "template_split", "readout"], sort=False
    ):
        found = part[["image_id"]].assign(named=code(part, labels).predicted)
        if wording != template:
            if split == "held-out":
                yield others[str(readout)], str(wording), found
            continue
        yield ours[str(readout)], str(wording), found
        if readout == "choose" and has_scores(part, "logp"):
            logp = scores(part, "logp")
            if has_scores(part, "logp_prior"):
                best = (logp - scores(part, "logp_prior")).argmax(1)
                yield CORRECTED, "less the prior on a blank image", found.assign(named=best)
            best = (logp - _elsewhere(logp, part["content"])).argmax(1)
            yield CORRECTED, "less the mean over other contents", found.assign(named=best)


def _elsewhere(logp: NDArray[np.float64], contents: pd.Series[str]) -> NDArray[np.float64]:
    """Return each label's mean log-likelihood over the images of all other contents, [n, K].

    Like the prior on a blank image it is what the subject says whatever it sees; a blank image may have a
    look of its own, being blurred and grey (Zhou et al., Batch Calibration, ICLR 2024).
    """
    names, content = np.unique(contents.to_numpy(dtype=object).astype(str), return_inverse=True)
    sums = np.zeros((len(names), logp.shape[1] + 1))
    np.add.at(sums, content, np.column_stack([logp, np.ones(len(logp))]))
    others = (sums.sum(0) - sums)[content]
    mean: NDArray[np.float64] = others[:, :-1] / np.maximum(others[:, -1:], 1)
    return mean


def relabelled(named: Ints, images: Sheet) -> Ints:
    """Return names exchanged one for one so that they fit best, fitted for each content on all others.

    What this mends was never lost: the subject tells the labels apart and calls them by each other's names.

    Args:
        named: [n], places of the named labels, K where none was named.
        images: their true labels and contents.
    """
    from scipy.optimize import linear_sum_assignment

    k, contents = len(images.labels), int(images.content.max()) + 1
    counts = np.zeros((contents, k, k + 1))
    np.add.at(counts, (images.content, images.true, named), 1.0)
    result = named.copy()
    for content in range(contents):
        left = counts.sum(0) - counts[content]
        shares = left[:, :k] / np.maximum(left.sum(1, keepdims=True), 1)
        exchange = np.append(linear_sum_assignment(-shares.T)[1], k)
        mine = images.content == content
        result[mine] = exchange[named[mine]]
    return result
