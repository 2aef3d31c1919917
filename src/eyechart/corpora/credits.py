"""Who made the photographs that ship with the package, and under which licence."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

PHOTOS = Path(__file__).parents[1] / "data" / "photos" / "photos.csv"


def photo_credits(contents: Collection[str]) -> list[dict[str, str]]:
    """Return title, author, licence and source of every packaged photograph among ``contents``."""
    with PHOTOS.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].rpartition(".")[0] in contents]
    return [
        {
            "content": row["file"].rpartition(".")[0],
            "title": row["title"],
            "author": row["author"],
            "licence": row["license"],
            "source": f"{row['package']} {row['version']}",
        }
        for row in rows
    ]
