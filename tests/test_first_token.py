"""Which label an endpoint begins with, by the log-probabilities of its first token."""

from __future__ import annotations

import numpy as np
import pytest

from eyechart.exam.first_token import label_scores

LABELS = ("blur", "noise", "brightness", "compression", "contrast", "clean")


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ({" blur": -1, "Noise": -2, "brig": -3, "compression": -4, " contrast": -5, "clean": -6}, True),
        ({" blur": -1, "Noise": -2, "brig": -3, "co": -4, " contrast": -5, "clean": -6}, False),
        ({"b": -1, "Noise": -2, "brig": -3, "compression": -4, " contrast": -5, "clean": -6}, False),
        ({"The": -0.1}, False),
        (None, False),
    ],
)
def test_a_label_is_told_by_a_beginning_of_its_own(first: dict[str, float] | None, expected: bool) -> None:
    scores = label_scores(tuple(first.items()) if first else None, LABELS)
    assert (scores is not None) == expected
    if scores is not None:
        np.testing.assert_allclose(scores, [-1, -2, -3, -4, -5, -6])


def test_beginnings_of_one_label_add_up() -> None:
    first = [("yes", np.log(0.25)), (" Yes", np.log(0.25)), ("", -0.1), ("n", np.log(0.1))]
    scores = label_scores(first, ("yes", "no"))
    assert scores is not None
    np.testing.assert_allclose(scores, np.log([0.5, 0.1]))
