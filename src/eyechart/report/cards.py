"""What the gallery shows of one image: its truth and what each arm answered."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eyechart.report.inputs import Inputs
from eyechart.report.series import Series
from eyechart.report.tables import records

if TYPE_CHECKING:
    from markupsafe import Markup

ZOOMED = 256  # small plates are enlarged by a whole factor up to about this many pixels
LONGEST = 160  # characters of an answer on a card
_PNG = b"\x89PNG"
Row = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What one arm answered about one image; ``None`` where it was not asked so."""

    arm: str
    chosen: str | None
    chosen_right: bool
    bars: Markup | None
    text: str | None
    status: str
    text_right: bool


@dataclass(frozen=True)
class Other:
    """An answer to another wording than the first."""

    arm: str
    template: str
    readout: str
    words: str
    right: bool


@dataclass(frozen=True)
class Card:
    """One image; width and height are those on the page, ``codes`` what all series answered, see _code."""

    uri: Markup
    width: int
    height: int
    plate: bool
    note: str
    image_id: str
    place: int
    label: str
    distortion: str
    level: int
    content: str
    codes: str
    said: tuple[Said, ...]
    others: tuple[Other, ...]


def all_cards(inputs: Inputs, series: Sequence[Series]) -> list[Card]:
    """Return a card for every kept image that has answers, in the order in which they were kept."""
    kept, answers = inputs.gallery, inputs.answers
    if kept is None or answers is None:
        return []
    mine = answers[answers["image_id"].isin(kept["image_id"])]
    wanted = ["image_id", "content", "label", "distortion", "level", "arm", "template", "readout"]
    wanted += ["predicted", "text", "status", "correct", "logp"]
    given: dict[str, list[Row]] = defaultdict(list)
    for row in records(mine[[name for name in wanted if name in mine]]):
        given[str(row["image_id"])].append(row)
    return [
        _card(image, given[str(image["image_id"])], inputs.labels, series)
        for image in records(kept)
        if str(image["image_id"]) in given
    ]


def _card(image: Row, rows: Sequence[Row], labels: tuple[str, ...], series: Sequence[Series]) -> Card:
    from markupsafe import Markup

    data, first = bytes(image["image"]), rows[0]
    plate = data.startswith(_PNG)
    width, height, zoom = _size(data, plate)
    found = {(row["arm"], row["readout"], row["template"]): row for row in rows}
    asked = [found.get((one.arm, one.readout, one.template)) for one in series]
    kind = "png" if plate else "webp"
    label = str(first["label"])
    return Card(
        uri=Markup(f"data:image/{kind};base64,{base64.b64encode(data).decode()}"),  # noqa: S704  base64
        width=width * zoom,
        height=height * zoom,
        plate=plate,
        note=_note(image, width, height, zoom) if plate else "",
        image_id=str(first["image_id"]),
        place=labels.index(label),
        label=label,
        distortion=str(first["distortion"]),
        level=int(first["level"]),
        content=str(first["content"]),
        codes=" ".join(_code(row, labels) for row in asked),
        said=_said(list(zip(series, asked, strict=True)), labels, label),
        others=_others(rows, series) if plate else (),
    )


def _size(data: bytes, plate: bool) -> tuple[int, int, int]:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    return width, height, max(1, ZOOMED // width) if plate else 1


def _note(image: Row, width: int, height: int, zoom: int) -> str:
    """Say how a plate shows its image; runs of before kept no sizes, and whole images."""
    whole = (int(image.get("width", width)), int(image.get("height", height)))
    if whole != (width, height):
        return f"its middle, {width} × {height} of {whole[0]} × {whole[1]} pixels"
    return f"shown {zoom}×" if zoom > 1 else ""


def _code(row: Row | None, labels: tuple[str, ...]) -> str:
    """Return an answer as the number of its column in the confusion matrix; "x" where nothing was asked."""
    if row is None:
        return "x"
    return str(labels.index(row["predicted"]) if row["predicted"] in labels else len(labels))


def _said(asked: Sequence[tuple[Series, Row | None]], labels: tuple[str, ...], own: str) -> tuple[Said, ...]:
    """Return what every arm said; a yes-or-no answer stands for a choice where nothing else was chosen."""
    arms: dict[str, dict[str, Row]] = {}
    for series, row in asked:
        if row is not None:
            arms.setdefault(series.arm, {})[series.readout] = row
    found = []
    for arm, rows in arms.items():
        choose, generate = rows.get("choose", rows.get("yes-no")), rows.get("generate")
        found.append(
            Said(
                arm=arm,
                chosen=str(choose["predicted"]) if choose else None,
                chosen_right=bool(choose and choose["correct"]),
                bars=_bars(labels, choose["logp"], labels.index(own)) if choose else None,
                text=_cut(str(generate["text"])) if generate else None,
                status=str(generate["status"]) if generate else "",
                text_right=bool(generate and generate["correct"]),
            )
        )
    return tuple(found)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text)} characters)"


def _bars(labels: tuple[str, ...], logp: Any, own: int) -> Markup | None:
    """Draw the probabilities of the labels among themselves, the true one in a path of its own."""
    from markupsafe import Markup

    if logp is None or len(logp) != len(labels):
        return None
    shares = _softmax(logp)
    told = ", ".join(
        f"{label} {100 * share:.0f} %"
        for label, share in zip(labels, shares, strict=True)
        if round(100 * share)
    )
    bars = [f"M{4 * i} 20v-{max(0.5, 20 * share):.1f}h3v20z" for i, share in enumerate(shares)]
    true, rest = bars[own], "".join(bars[:own] + bars[own + 1 :])
    return Markup(
        '<svg class="bars" role="img" viewBox="0 0 {} 20" width="{}"><title>{}</title>'
        '<path d="{}"/><path class="own" d="{}"/></svg>'
    ).format(4 * len(labels), 4 * len(labels), told, rest, true)


def _softmax(logp: Any) -> Sequence[float]:
    values = np.asarray(logp, dtype=np.float64)
    weights = np.exp(values - values.max())
    return [float(one) for one in weights / weights.sum()]


def _others(rows: Sequence[Row], series: Sequence[Series]) -> tuple[Other, ...]:
    first: Mapping[tuple[str, str], str] = {(one.arm, one.readout): one.template for one in series}
    return tuple(
        Other(
            str(row["arm"]),
            str(row["template"]),
            str(row["readout"]),
            _cut(str(row["text"] if row["readout"] == "generate" else row["predicted"])),
            bool(row["correct"]),
        )
        for row in rows
        if first.get((row["arm"], row["readout"])) != row["template"]
    )
