"""Does the place of an option draw answers, and does the answer change when the options change places?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from eyechart.errors import EyechartError
from eyechart.measures.accuracy import GROUP
from eyechart.measures.changes import changes
from eyechart.measures.coding import Ints, code
from eyechart.measures.statistics import (
    CHUNK,
    Floats,
    bootstrap,
    cluster_means,
    columns,
    divide,
    holm,
    totals,
)
from eyechart.seeds import rng

CHANGES = ("changed", "pair_changed")


def option_order(answers: pd.DataFrame, labels: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Return how far answers depend on the order of the options, per arm, template and readout.

    Of images that were asked with every order, without samples. Where each label stands at each place equally
    often, answers that do not depend on the order are spread evenly over the places, whatever they are; with
    fewer orders than labels the places that the same answers would have had on average are expected instead.

    - kl: divergence of the chosen places from the expected (even) ones in nats, 0 to ln K. Never below 0, so
      that few images raise it.
    - chi_square: of the same counts; p by a permutation test: the answers of each content, all together, are
      handed round among the orders by a random number of steps. Images of one content stay together, so that
      they do not pass for independent ones. Holm's correction runs over the table.
    - changed: share of images that are not answered alike by all orders; pair_changed: by two orders, mean
      over all pairs. Naming no label counts as an answer of its own.

    Returns:
        The columns of the group, orders, images, contents; kl, changed, pair_changed, each with ``_low`` and
        ``_high`` (95 % over contents); chi_square, p, p_holm. No row where there are not two orders.

    Raises:
        EyechartError: the orders are no cyclic shifts of the labels.
    """
    rows = []
    for keys, asked in _asked(answers, labels):
        answered = totals(_observed(asked), asked.content)
        expected = totals(_expected(asked), asked.content)
        shares = np.stack([answered, expected], axis=1)
        chi_square, p = _test(asked, seed)
        rows.append(
            dict(zip(GROUP, keys, strict=True))
            | {"orders": len(asked.shift), "images": len(asked.content)}
            | {"contents": len(np.unique(asked.content))}
            | columns(("kl",), bootstrap(shares, _divergence, seed))
            | columns(CHANGES, cluster_means(changes(asked.predicted), asked.content, seed))
            | {"chi_square": chi_square, "p": p}
        )
    ends = [name + end for name in ("kl", *CHANGES) for end in ("", "_low", "_high")]
    table = pd.DataFrame(rows, columns=[*GROUP, "orders", "images", "contents", *ends, "chi_square", "p"])
    return table.assign(p_holm=holm(table["p"]))


def chosen_positions(answers: pd.DataFrame, labels: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Return how often each place among the options is chosen, see :func:`option_order`.

    Returns:
        One row per arm, template, readout and position (0 is the first): n, share, low, high (95 % over
        contents), expected (share of answers that do not depend on the order).
    """
    rows = []
    for keys, asked in _asked(answers, labels):
        counts = totals(_observed(asked), asked.content)
        value, low, high = bootstrap(
            counts, lambda drawn: divide(drawn, drawn.sum(axis=1, keepdims=True)), seed
        )
        expected = _expected(asked).sum(axis=0)
        rows += [
            (*keys, i, int(counts[:, i].sum()), value[i], low[i], high[i], expected[i] / expected.sum())
            for i in range(len(labels))
        ]
    return pd.DataFrame(rows, columns=[*GROUP, "position", "n", "share", "low", "high", "expected"])


@dataclass(frozen=True)
class _Asked:
    """Answers to one question with O orders.

    Attributes:
        predicted: [images, O], position of the answer among the K labels, K for none.
        content: [images], number of the content.
        shift: [O], how many places the labels are moved on by each order.
        labels: K.
    """

    predicted: Ints
    content: Ints
    shift: Ints
    labels: int


def _asked(answers: pd.DataFrame, labels: Sequence[str]) -> Iterator[tuple[Any, _Asked]]:
    for keys, part in answers[answers["repeat"] == 0].groupby(GROUP, sort=False):
        if part["order"].nunique() < 2 or not part["position"].notna().any():
            continue
        orders, place = np.unique(part["order"].to_numpy(), return_inverse=True)
        images, at = np.unique(part["image_id"].to_numpy(dtype=str), return_inverse=True)
        coded = code(part, labels)
        shift = _shifts(part, coded.predicted, place, len(orders), " / ".join(map(str, keys)), len(labels))
        predicted = np.full((len(images), len(orders)), -1)
        predicted[at, place] = coded.predicted
        content = np.zeros(len(images), dtype=np.intp)
        content[at] = coded.content
        known = shift >= 0  # an order without a single parsed answer tells nothing of places
        whole = (predicted[:, known] >= 0).all(axis=1)
        if known.sum() > 1 and whole.any():
            yield keys, _Asked(predicted[whole][:, known], content[whole], shift[known], len(labels))


def _shifts(part: pd.DataFrame, predicted: Ints, place: Ints, orders: int, where: str, k: int) -> Ints:
    """Return by how many places each order moves the labels on, -1 where no answer tells."""
    told = part["position"].notna().to_numpy(dtype=bool) & (predicted < k)
    moved = (
        part["position"].to_numpy(dtype=float, na_value=np.nan)[told].astype(np.intp) - predicted[told]
    ) % k
    shift = np.full(orders, -1)
    shift[place[told]] = moved
    if (shift[place[told]] != moved).any():
        raise EyechartError(
            f"{where}: the options of one order do not stand in a shifted order of the labels",
            "ask with the orders that eyechart makes",
        )
    return shift


def _observed(asked: _Asked) -> Floats:
    """Return how often each image's answers stand at each place: [images, K]."""
    found = np.zeros((len(asked.predicted), asked.labels))
    for predicted, move in zip(asked.predicted.T, asked.shift, strict=True):
        named = np.flatnonzero(predicted < asked.labels)
        found[named, (predicted[named] + move) % asked.labels] += 1
    return found


def _expected(asked: _Asked) -> Floats:
    """Return the same if each answer had been given to any of the orders alike: [images, K]."""
    found: Floats = np.mean([_observed(turned) for turned in _turned(asked)], axis=0)
    return found


def _turned(asked: _Asked) -> Iterator[_Asked]:
    """Yield the answers handed round among the orders by 0, 1, ... steps."""
    for step in range(len(asked.shift)):
        yield _Asked(np.roll(asked.predicted, step, axis=1), asked.content, asked.shift, asked.labels)


def _test(asked: _Asked, seed: int, n: int = 10_000) -> tuple[float, float]:
    """Return chi-square of the places against the expected ones, and its permutation p."""
    ways = np.stack([totals(_observed(turned), asked.content) for turned in _turned(asked)], axis=1)
    expected = ways.mean(axis=1).sum(axis=0)
    groups, steps, k = ways.shape
    observed = float(_chi_square(ways[:, 0].sum(axis=0), expected))
    generator = rng(seed, "option order")
    extreme, chunk = 0, max(1, CHUNK // (groups * steps))
    for start in range(0, n, chunk):
        drawn = generator.integers(0, steps, size=(min(chunk, n - start), groups))
        chosen = np.eye(steps)[drawn].reshape(len(drawn), -1)
        counts = chosen @ ways.reshape(-1, k)
        extreme += int(np.sum(_chi_square(counts, expected) >= observed - 1e-9 * (1 + observed)))
    return observed, (1 + extreme) / (1 + n)


def _chi_square(counts: Floats, expected: Floats) -> Floats:
    found: Floats = np.nansum(
        divide((counts - expected) ** 2, np.broadcast_to(expected, counts.shape)), axis=-1
    )
    return found


def _divergence(sums: Floats) -> Floats:
    """Return the Kullback-Leibler divergence of observed from expected places: [m, 2, K] to [m, 1]."""
    p, q = np.moveaxis(divide(sums, sums.sum(axis=2, keepdims=True)), 1, 0)
    logs = np.log(divide(np.where(p > 0, p, 1.0), np.where(p > 0, q, 1.0)))
    divergence: Floats = (p * logs).sum(axis=1, keepdims=True)
    return divergence
