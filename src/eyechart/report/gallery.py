"""A few dozen images of the exam with every answer they were given."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.report.inputs import Inputs
from eyechart.report.tables import records
from eyechart.runs import Run
from eyechart.seeds import rng

WIDTH = 256  # small images are enlarged by a whole factor up to about this many pixels


def keep_gallery(
    run: Run,
    table: pd.DataFrame,
    read: Callable[[list[str]], Sequence[NDArray[np.uint8]]],
    seed: int = 0,
) -> None:
    """Keep one image per label and level in ``gallery.parquet``, so that the report needs no dataset.

    Args:
        run: the run folder.
        table: rows of the examined images with image_id, label and level.
        read: given image ids in the table's order, returns their pixels, uint8 RGB [height, width, 3] each.
        seed: of the choice.
    """
    from PIL import Image

    drawn = table.iloc[rng(seed, "gallery").permutation(len(table))]
    chosen = table.loc[drawn.groupby(["label", "level"]).head(1).index.sort_values()]
    ids = [str(one) for one in chosen["image_id"]]
    rows = []
    for image_id, pixels in zip(ids, read(ids), strict=True):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
        rows.append({"image_id": image_id, "image": buffer.getvalue()})
    run.write_table(pd.DataFrame(rows), "gallery.parquet")


@dataclass(frozen=True)
class Said:
    """What one arm answered about one image with the train template."""

    arm: str
    chosen: str | None
    chosen_right: bool
    text: str | None
    status: str
    text_right: bool
    bars: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Card:
    """One image with its truth and its answers; width and height are those on the page, in pixels."""

    uri: str
    width: int
    height: int
    zoom: int
    image_id: str
    label: str
    distortion: str
    level: int
    content: str
    said: tuple[Said, ...]
    prompts: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str, str, str, bool], ...]


def gallery_cards(inputs: Inputs) -> list[Card]:
    """Return a card for every kept image that has answers, in the order of the labels and levels."""
    if inputs.gallery is None or inputs.answers is None:
        return []
    answers = inputs.answers[inputs.answers["image_id"].isin(inputs.gallery["image_id"])]
    by_image = dict(iter(answers.groupby("image_id", sort=False)))
    prompts = _prompts(inputs)
    cards = [
        _card(image, by_image[image_id], inputs.labels, prompts)
        for image_id, image in zip(inputs.gallery["image_id"], inputs.gallery["image"], strict=True)
        if image_id in by_image
    ]
    return sorted(cards, key=lambda card: (inputs.labels.index(card.label), card.level, card.image_id))


def _prompts(inputs: Inputs) -> dict[str, str]:
    """Return the exact string behind each name of a prompt; several that share a name below each other."""
    if inputs.prompts is None:
        return {}
    once = inputs.prompts.drop_duplicates(["prompt", "text"])
    return dict(once.groupby("prompt")["text"].agg("\n".join))


def _card(png: bytes, answers: pd.DataFrame, labels: tuple[str, ...], prompts: Mapping[str, str]) -> Card:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        width, height = image.size
    zoom = max(1, WIDTH // width)
    train = answers[answers["template_split"] == "train"]
    template = (train if len(train) else answers)["template"].iloc[0]
    asked, others = answers[answers["template"] == template], answers[answers["template"] != template]
    first = answers.iloc[0]
    return Card(
        uri=f"data:image/png;base64,{base64.b64encode(png).decode()}",
        width=width * zoom,
        height=height * zoom,
        zoom=zoom,
        image_id=str(first["image_id"]),
        label=str(first["label"]),
        distortion=str(first["distortion"]),
        level=int(first["level"]),
        content=str(first["content"]),
        said=tuple(_said(str(arm), part, labels) for arm, part in asked.groupby("arm", sort=False)),
        prompts=tuple(
            (str(row["template"]), prompts[row["prompt"]])
            for row in records(answers.drop_duplicates("prompt"))
            if row["prompt"] in prompts
        ),
        others=tuple(
            (str(row["arm"]), str(row["template"]), str(row["readout"]), _words(row), bool(row["correct"]))
            for row in records(others)
        ),
    )


def _said(arm: str, part: pd.DataFrame, labels: tuple[str, ...]) -> Said:
    rows = {str(row["readout"]): row for row in records(part)}
    choose, generate = rows.get("choose"), rows.get("generate")
    return Said(
        arm=arm,
        chosen=str(choose["predicted"]) if choose else None,
        chosen_right=bool(choose and choose["correct"]),
        text=str(generate["text"]) if generate else None,
        status=str(generate["status"]) if generate else "",
        text_right=bool(generate and generate["correct"]),
        bars=tuple(zip(labels, _softmax(choose["logp"]), strict=True)) if choose else (),
    )


def _words(row: dict[str, Any]) -> str:
    return str(row["text"] if row["readout"] == "generate" else row["predicted"])


def _softmax(logp: Any) -> list[float]:
    values = np.asarray(logp, dtype=np.float64)
    weights = np.exp(values - values.max())
    return [float(one) for one in weights / weights.sum()]
