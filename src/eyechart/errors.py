"""The one exception that Eyechart raises for a user's mistake or a fault outside the program."""

from __future__ import annotations


class EyechartError(Exception):
    """Something went wrong that a person can mend.

    Args:
        what: what was wrong, and where (file, key, value).
        remedy: what to do about it.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}\n  {remedy}" if remedy else what)
        self.what = what
        self.remedy = remedy
