"""Signal detection on yes-no questions: how well each label is told from the others, and the bias to yes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.measures.accuracy import GROUP
from eyechart.measures.coding import Ints, choices, headline
from eyechart.measures.statistics import Floats, bootstrap, columns, divide, totals

RATES = ("hit_rate", "false_alarm_rate", "d_prime", "criterion")


def detection(answers: pd.DataFrame, labels: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Return what the questions "is there LABEL?" tell, per arm, template and label; rows of ``yes-no``.

    A log odds above 0 (column ``logp``) is a yes. Rates are counted as (yes + 0.5) / (n + 1), the log-linear
    correction, so that rates of 0 and 1 have a d' (Hautus, Behavior Research Methods, Instruments, &
    Computers 27:46, 1995).

    - d_prime: z(hit rate) - z(false-alarm rate); 0 is no discrimination. NaN where every answer is the same:
      the correction weighs more on the fewer images, and would show a d' that nothing was told by.
    - criterion: -(z(hit rate) + z(false-alarm rate)) / 2; below 0 it leans to yes, above 0 to no.
    - auc: chance that an image of the label has higher log odds than one of another label, ties half.

    Returns:
        The columns of the group, label, present (images of the label), absent, contents, and the measures,
        each with ``_low`` and ``_high`` (95 % over contents). NaN for a label that all images have or none.
    """
    rows = []
    for keys, part in headline(answers).groupby(GROUP, sort=False):
        if keys[-1] != "yes-no":
            continue
        coded, odds = choices(part, labels)
        present = coded.true[:, None] == np.arange(len(labels))
        yes = odds > 0
        rates = bootstrap(_counts(present, yes, coded.content), _rates, seed)
        same = yes.all(axis=0) | ~yes.any(axis=0)
        for found in rates:
            found[same, RATES.index("d_prime")] = np.nan
        for i, label in enumerate(labels):
            rows.append(
                dict(zip(GROUP, keys, strict=True))
                | {"label": label, "present": int(present[:, i].sum()), "absent": int((~present[:, i]).sum())}
                | {"contents": coded.contents}
                | columns(RATES, (rates[0][i], rates[1][i], rates[2][i]))
                | columns(("auc",), _auc(present[:, i], odds[:, i], coded.content, seed))
            )
    names = [name + end for name in (*RATES, "auc") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=[*GROUP, "label", "present", "absent", "contents", *names])


def _counts(present: NDArray[np.bool_], yes: NDArray[np.bool_], content: Ints) -> Floats:
    """Return, per content and label, hits, images with the label, false alarms, images without: [G, K, 4]."""
    return totals(np.stack([present & yes, present, ~present & yes, ~present], axis=-1), content)


def _rates(counts: Floats) -> Floats:
    """Return hit rate, false-alarm rate, d' and criterion: [m, K, 4] to [m, K, 4]."""
    from scipy.stats import norm

    hits, present, alarms, absent = np.moveaxis(counts, -1, 0)
    known = (present > 0) & (absent > 0)
    hit, alarm = (
        np.where(known, (yes + 0.5) / (n + 1), np.nan) for yes, n in ((hits, present), (alarms, absent))
    )
    z_hit, z_alarm = norm.ppf(hit), norm.ppf(alarm)
    return np.stack([hit, alarm, z_hit - z_alarm, -(z_hit + z_alarm) / 2], axis=-1)


def _auc(present: NDArray[np.bool_], odds: Floats, content: Ints, seed: int) -> tuple[Floats, Floats, Floats]:
    """Return the area under the ROC curve and its interval, [1] each.

    The interval resamples contents in the area's first-order form: each image counts by its placement among
    the images of the other side (DeLong, Biometrics 44:837, 1988; by cluster Obuchowski, Biometrics 53:567,
    1997), which needs one sort in place of one for every resample.
    """
    inside, outside = np.sort(odds[present]), np.sort(odds[~present])
    if not len(inside) or not len(outside):
        nothing = np.array([np.nan])
        return nothing, nothing, nothing
    below = _placement(outside, odds)  # share of the images without the label that lie below
    above = 1 - _placement(inside, odds)
    area = float(below[present].mean())
    sums = totals(np.stack([below * present, present, above * ~present, ~present], axis=1), content)

    def linear(drawn: Floats) -> Floats:
        return np.clip(divide(drawn[:, :1], drawn[:, 1:2]) + divide(drawn[:, 2:3], drawn[:, 3:]) - area, 0, 1)

    return bootstrap(sums, linear, seed)


def _placement(others: Floats, values: Floats) -> Floats:
    """Return the share of ``others`` (sorted) below each value, ties half."""
    left, right = np.searchsorted(others, values, "left"), np.searchsorted(others, values, "right")
    return (left + right) / (2 * len(others))
