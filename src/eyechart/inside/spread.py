"""Order images so that every beginning of the order is spread over labels and contents."""

from __future__ import annotations

from math import gcd

import numpy as np
import pandas as pd


def spread(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in an order whose every beginning has all labels and all contents about equally often.

    Labels take turns, and contents take turns over these. Of one label and content, the row that comes first
    in ``table`` comes first.

    Args:
        table: rows with the columns label and content.
    """
    label, labels = pd.factorize(table["label"], sort=True)
    content, contents = pd.factorize(table["content"], sort=True)
    count = max(len(contents), 1)
    rounds = np.arange(count)
    # The content of the first label in each round; the next label has the next content. Where the labels
    # divide the contents, each full cycle begins one content later, so that every pair gets its turn.
    first = (rounds * len(labels) + rounds // (count // gcd(max(len(labels), 1), count))) % count
    turn = np.argsort(first)[(content - label) % count]
    again = table.groupby(["label", "content"]).cumcount()
    return table.iloc[np.lexsort([label, turn, again])]
