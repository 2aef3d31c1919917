"""The dataset card: a README.md that Hugging Face reads, with the terms of everything that is inside."""

from __future__ import annotations

from typing import Any

from eyechart.corpora.credits import photo_credits
from eyechart.dataset.dataset import Dataset
from eyechart.dataset.plan import SPLITS, UNTYPED

# Bounds of the hub's size categories and their names.
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))

_COLUMNS = {
    "image_id": "unique name",
    "image": "the picture: corpora as their own bytes (PNG, BMP or JPEG), all else as PNG",
    "content": "the scene; no scene is in two splits, in whichever corpora it occurs",
    "corpus": "where the picture is from; photos and dead_leaves are distorted by Eyechart",
    "reference": "image_id of the undistorted picture, empty where there is none",
    "distortion": "fine type; none for clean pictures",
    "code": "the corpus' own name or number of the type",
    "level": "the corpus' own level; 0 for clean pictures, -1 where the corpus has no levels",
    "severity": "the type's physical parameter, where it is known",
    "psnr": "in dB against the reference over RGB; infinite for clean pictures, NaN without reference",
    "score": "opinion score from 0 to 1, higher is better; NaN where there is none",
    "score_raw": "the score as published",
    "score_std": "its published spread",
    "label": "what the exam asks for, by the label map",
    "split": "train, validation or test; untyped: pictures without a label, for quality scores alone",
    "width": "in pixels",
    "height": "in pixels",
    "pixels_sha256": "hash of size and decoded pixels",
}


def write_card(dataset: Dataset) -> None:
    """Write the dataset's README.md from its record and tables."""
    import yaml

    record = dataset.record()
    head = yaml.safe_dump(_front_matter(record), sort_keys=False, allow_unicode=True)
    text = "\n\n".join(part for part in _parts(dataset, record) if part)
    (dataset.path / "README.md").write_text(f"---\n{head}---\n\n{text}\n", encoding="utf-8")


def not_to_be_given_on(record: dict[str, Any]) -> list[str]:
    """Return the titles of the corpora whose pictures may not be redistributed."""
    return [one["title"] for one in record.get("corpora", []) if not one["licence"]["redistribute"]]


def _front_matter(record: dict[str, Any]) -> dict[str, Any]:
    number = sum(record["images"].values())
    size = next((name for most, name in _SIZES if number < most), "1M<n<10M")
    closed = bool(not_to_be_given_on(record))
    there = [split for split in _splits(record) if record["images"][split]]
    files = [{"split": split, "path": f"{split}-*.parquet"} for split in there]
    return {
        "pretty_name": f"Eyechart {record['name']}",
        "license": "other",
        "license_name": "research-only-not-to-be-redistributed" if closed else "see-this-card",
        "task_categories": ["image-classification", "visual-question-answering"],
        "size_categories": [size],
        "tags": ["image-quality-assessment", "image-distortion", "eyechart"],
        "configs": [{"config_name": "default", "data_files": files}],
    }


def _splits(record: dict[str, Any]) -> tuple[str, ...]:
    return (*SPLITS, UNTYPED) if UNTYPED in record["images"] else SPLITS


def _parts(dataset: Dataset, record: dict[str, Any]) -> list[str]:
    images, labels = record["images"], record["label_map"]
    corpora = [one["title"] for one in record["corpora"]]
    made = ["pictures that Eyechart distorted"] if record["photos"] else []
    columns = "\n".join(f"| `{name}` | {text} |" for name, text in _COLUMNS.items())
    return [
        f"# {record['name']}",
        f"Pictures and the distortion in each, from {_and(corpora + made)}, split by content: "
        + ", ".join(f"{images[split]} {split}" for split in _splits(record))
        + f"; {record['set_aside']} set aside with the reason in `set_aside.csv`. Labels are those of the "
        f"label map {labels['name']}, version {labels['version']}: {', '.join(labels['labels'])}.",
        f"Hash over the recipe and every row: `{record['hash']}`. The recipe is in `dataset.json`.",
        leaks_told(record),
        _giving_on(record),
        '```python\nimport datasets\n\ndatasets.load_dataset("path/to/this/folder")\n```',
        f"| column | meaning |\n|---|---|\n{columns}",
        "## Terms",
        *(_terms(one) for one in record["corpora"]),
        _photo_terms(dataset, record),
    ]


def leaks_told(record: dict[str, Any]) -> str:
    """Return what was wrong with the published split that a dataset follows; empty where nothing was."""
    leaks = (record.get("published_split") or {}).get("leaks", [])
    if not leaks:
        return ""
    lines = "\n".join(f"- {leak}" for leak in leaks)
    return f"The published split leaks across corpora, so {len(leaks)} contents were moved:\n\n{lines}"


def _giving_on(record: dict[str, Any]) -> str:
    closed = not_to_be_given_on(record)
    if closed:
        return (
            f"> **Not to be redistributed.** The terms of {_and(closed)} do not allow giving these pictures "
            "to others. Keep this folder to yourself: do not upload it, not even to a private repository "
            "that you share. Others build the same dataset from their own copies; its hash will be the same."
        )
    own = record["photos"] and not record["packaged_photos"]
    may = (
        "If you may give your own photographs on" if own else "The terms below allow giving these pictures on"
    )
    return f"{may}, with their notices:\n\n```\nhf upload OWNER/NAME . --repo-type dataset\n```"


def _terms(corpus: dict[str, Any]) -> str:
    may = (
        "may be given on under these terms"
        if corpus["licence"]["redistribute"]
        else "not to be redistributed"
    )
    notice = "\n".join(f"> {line}".rstrip() for line in corpus["licence"]["notice"].strip().splitlines())
    return f"**{corpus['title']}** ({may})\n\n{notice}"


def _photo_terms(dataset: Dataset, record: dict[str, Any]) -> str:
    if not record["photos"]:
        return ""
    contents = {name for split in _splits(record) for name in dataset.table(split)["content"].unique()}
    credits = photo_credits(contents) if record["packaged_photos"] else []
    if not credits:
        return "**Photographs of your own**: whether they may be given on is for you to say."
    rows = "\n".join(
        "| " + " | ".join(entry[key].replace("|", "/") for key in ("title", "author", "licence")) + " |"
        for entry in credits
    )
    return f"**Photographs that ship with Eyechart**\n\n| title | author | licence |\n|---|---|---|\n{rows}"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
