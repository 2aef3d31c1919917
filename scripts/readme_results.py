"""Write the README's results from a finished study, so that no figure in it is typed by hand.

python scripts/readme_results.py runs/nano    keeps the run's tables in benchmarks/results/nano, then writes
python scripts/readme_results.py              writes from the kept tables
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "benchmarks" / "results" / "nano"
TABLES = (
    "arms",
    "baselines",
    "stages",
    "confusion",
    "distance",
    "content",
    "levels",
    "recalls",
    "gap",
    "exam",
)
BEGIN, END = "<!-- results: scripts/readme_results.py -->", "<!-- end of results -->"


def keep(run: Path) -> None:
    """Copy a run's tables, configuration, timings and provenance."""
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in (
        *(f"tables/{table}.csv" for table in TABLES),
        "config.yaml",
        "timings.json",
        "provenance.json",
    ):
        shutil.copyfile(run / name, KEPT / Path(name).name)


def results() -> str:
    """Return the README's results in Markdown."""
    arms, baselines = pd.read_csv(KEPT / "arms.csv"), pd.read_csv(KEPT / "baselines.csv")
    lines = [
        "| arm | chooses | own words | chooses, held-out wordings | content | tuning |",
        "|" + "---|" * 6,
    ]
    for row in arms.to_dict("records"):
        seconds = f"{row['seconds']:.0f} s" if row["seconds"] == row["seconds"] else "–"
        columns = ("train_choose", "train_generate", "held-out_choose", "content")
        lines.append(
            " | ".join(["", f"**{row['arm']}**", *(interval(row, c) for c in columns), seconds, ""]).strip()
        )
    lines += [
        f"| {r['arm']} | {interval(r, 'accuracy')} | – | – | – | – |" for r in baselines.to_dict("records")
    ]
    first = baselines.iloc[0]
    lines.append("")
    lines.append(
        f"Balanced accuracy in per cent over eight labels with 95 % intervals; {first['n']} images of "
        f"{first['contents']} photographs that no arm was tuned on; chance is {100 * first['chance']:.1f}. "
        "Content: accuracy on colour, shape, place and object of drawn scenes. Seed 0, two CPU cores; the "
        "tables, configuration and timings lie in [`benchmarks/results/nano`](benchmarks/results/nano)."
    )
    return "\n".join(lines)


def interval(row: Mapping[Any, Any], name: str) -> str:
    """Return an estimate with its interval, in per cent."""
    low, high = row.get(f"{name}_low", row.get("low")), row.get(f"{name}_high", row.get("high"))
    return f"{100 * row[name]:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def written(readme: str) -> str:
    """Return the README with its results replaced."""
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{results()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        keep(Path(sys.argv[1]))
    readme = ROOT / "README.md"
    readme.write_text(written(readme.read_text()))
