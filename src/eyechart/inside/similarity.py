"""How alike two representations hold the same images, and what an image's neighbours have in common with it.

Linear CKA (Kornblith et al., ICML 2019) with the unbiased estimate of HSIC (Song et al., JMLR 13:1393, 2012,
eq. 5): the plain one nears 1 for any two representations with more dimensions than images, alike or not
(Murphy et al., arXiv 2405.01012). And the overlap of nearest neighbours.

Intervals leave out one content after the other (a jackknife with Student's t). The bootstrap is wrong here: a
content drawn twice is its own nearest neighbour, and its copies are alike in every representation, so that
each resample overstates how alike two of them are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyechart.measures.statistics import Interval, divide
from eyechart.seeds import rng

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]
Texts = NDArray[np.object_]


def standardised(values: Floats) -> NDArray[np.float64]:
    """Return features with mean 0 and deviation 1 over the images, [n, d]; constant ones become 0.

    Language models have a few features of huge variance; without this nothing else would count in a distance
    or an inner product (Timkey and van Schijndel, EMNLP 2021).
    """
    values = values.astype(np.float64)
    spread = values.std(axis=0)
    return divide(values - values.mean(axis=0), np.where(spread > 1e-12, spread, np.inf))


def samples(contents: Texts, most: int, seed: int) -> Mask:
    """Return all images, then all but those of one content after the other.

    Args:
        contents: [n].
        most: contents to leave out one by one; where there are more, several are left out together.
        seed: of which are left out together.

    Returns:
        bool [n, 1 + groups], the images of each sample.
    """
    names, of = np.unique(contents, return_inverse=True)
    group = rng(seed, "contents left out").permutation(len(names)) % min(most, len(names))
    everything = np.ones((len(contents), 1), bool)
    return np.hstack([everything, group[of][:, None] != np.arange(group.max() + 1)])


def jackknife(found: Floats, bounds: tuple[float, float], level: float = 0.95) -> Interval:
    """Return a statistic and its interval from its values without each content.

    Args:
        found: [1 + G], of all images, then without each content (see :func:`samples`); fewer than two
            contents give no interval.
        bounds: what the statistic cannot be below or above; the interval ends there.
        level: of the interval.
    """
    from scipy.stats import t

    value, without = float(found[0]), found[1:]
    groups = len(without)
    if groups < 2 or not np.isfinite(without).all():
        return Interval(value, np.nan, np.nan)
    error = np.sqrt((groups - 1) * np.var(without))
    reach = float(t.ppf((1 + level) / 2, groups - 1) * error)
    return Interval(value, max(value - reach, bounds[0]), min(value + reach, bounds[1]))


def gram(values: Floats) -> NDArray[np.float64]:
    """Return the inner products of the images, float64 [n, n]."""
    product: NDArray[np.float64] = values.astype(np.float64) @ values.T.astype(np.float64)
    return product


def cka(one: Floats, other: Floats, left: Mask, *, debiased: bool = True) -> NDArray[np.float64]:
    """Return the linear CKA of two representations of the same images.

    1 where one is the other turned, moved and scaled; the debiased one is 0 on average, and so may be below
    0, where they have nothing in common.

    Args:
        one, other: the inner products of the images in each, [n, n].
        left: [n, m], the images of each of m samples.
        debiased: HSIC without bias, for at least four images; otherwise Kornblith et al., eq. 5.

    Returns:
        float64 [m].
    """
    if debiased:  # a diagonal of zeros
        one, other = (matrix * (1.0 - np.eye(len(matrix))) for matrix in (one, other))
    cross, own, others = (_hsic(a, b, left, debiased) for a, b in ((one, other), (one, one), (other, other)))
    return divide(cross, np.sqrt(np.maximum(own * others, 0)))


def _hsic(one: Floats, other: Floats, left: Mask, debiased: bool) -> NDArray[np.float64]:
    """Return HSIC up to a factor that cancels in CKA: without bias that of Song et al., eq. 5.

    Sums over the images of a sample are products with its column of ``left``, so that nothing is cut out.
    """
    count, member = left.sum(axis=0).astype(float), left.astype(float)
    trace = (((one * other) @ member) * member).sum(axis=0)
    rows = [(matrix @ member) * member for matrix in (one, other)]
    sums, crossed = rows[0].sum(axis=0) * rows[1].sum(axis=0), (rows[0] * rows[1]).sum(axis=0)
    if not debiased:  # tr(K H L H) with H = I - 1/n
        plain: NDArray[np.float64] = trace + divide(sums, count**2) - divide(2 * crossed, count)
        return plain
    unbiased: NDArray[np.float64] = (
        trace + divide(sums, (count - 1) * (count - 2)) - divide(2 * crossed, count - 2)
    )
    unbiased[count < 4] = np.nan
    return unbiased


def nearest(values: Floats, count: int) -> Ints:
    """Return the nearest other images of each, by Euclidean distance, the nearest first: [n, count]."""
    from sklearn.neighbors import NearestNeighbors

    found: Ints = NearestNeighbors(n_neighbors=count).fit(values).kneighbors(return_distance=False)
    return found


def overlap(one: Ints, other: Ints, left: Mask, k: int) -> NDArray[np.float64]:
    """Return the mean share of an image's k nearest neighbours that two representations have in common.

    Args:
        one, other: :func:`nearest` of each, long enough that k of an image's are in every sample.
        left: [n, m], the images of each of m samples; neighbours are looked for in the sample.
        k: neighbours.

    Returns:
        float64 [m].
    """
    shares = []
    for sample in left.T:
        ours, theirs = (_first(ranked, sample[ranked], k)[sample] for ranked in (one, other))
        shares.append((ours[:, :, None] == theirs[:, None, :]).sum() / theirs.size)
    return np.array(shares)


def purity(ranked: Ints, labels: Texts, contents: Texts, left: Mask, k: int) -> NDArray[np.float64]:
    """Return the mean share of an image's k nearest neighbours of other contents that have its label.

    Args:
        ranked: :func:`nearest`, long enough that k of an image's are of other contents in every sample.
        labels, contents: [n].
        left: [n, m], the images of each of m samples.
        k: neighbours.

    Returns:
        float64 [m].
    """
    foreign = contents[ranked] != contents[:, None]
    same = []
    for sample in left.T:
        ours = _first(ranked, sample[ranked] & foreign, k)[sample]
        same.append((labels[ours] == labels[sample][:, None]).mean())
    return np.array(same)


def _first(ranked: Ints, allowed: Mask, k: int) -> Ints:
    """Return the first k allowed ones of each row."""
    return np.take_along_axis(ranked, np.argsort(~allowed, axis=1, kind="stable")[:, :k], axis=1)
