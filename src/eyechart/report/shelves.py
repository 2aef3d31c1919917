"""The gallery of the page: every kept image that fits, by label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eyechart.report.cards import Card, all_cards
from eyechart.report.inputs import Inputs
from eyechart.report.series import Series, all_series
from eyechart.report.tables import records

if TYPE_CHECKING:
    from markupsafe import Markup

BUDGET = 24_000_000  # bytes of all cards on a page, which is to stay under 30 MB


@dataclass(frozen=True)
class Shelf:
    """The images of one label: plates, which show at once, and the rest. Cards are HTML by now."""

    label: str
    place: int
    plates: tuple[Markup, ...]
    rest: tuple[Markup, ...]


@dataclass(frozen=True)
class Gallery:
    """The gallery: its shelves, and what it can be filtered by.

    Attributes:
        shelves: one per label with images.
        series: arms and readouts, in the order of the codes.
        levels, distortions: of the images.
        prompts: (wording, exact string) of every prompt that was used.
        shown, kept: how many images are on the page, and how many the run keeps.
    """

    shelves: tuple[Shelf, ...]
    series: tuple[Series, ...]
    levels: tuple[int, ...]
    distortions: tuple[str, ...]
    prompts: tuple[tuple[str, str], ...]
    shown: int
    kept: int


def gallery(inputs: Inputs, render: Any, before: Mapping[str, str] | None = None) -> Gallery | None:
    """Return the gallery, or None where no kept image has answers.

    Args:
        inputs: the run.
        render: the template of a card.
        before: see :func:`eyechart.report.series.all_series`.
    """
    if inputs.gallery is None or inputs.answers is None:
        return None
    series = all_series(inputs, before)
    cards = all_cards(inputs, series)
    if not cards:
        return None
    html, room = [], BUDGET
    distortions = sorted({card.distortion for card in cards})
    for card in cards:
        one = _rendered(card, distortions, render)
        room -= len(one)
        if room < 0:
            break
        html.append((card, one))
    html.sort(key=lambda pair: (pair[0].place, pair[0].level, pair[0].image_id))
    return Gallery(
        shelves=_shelves(html, inputs.labels),
        series=series,
        levels=tuple(sorted({card.level for card, _ in html})),
        distortions=tuple(distortions),
        prompts=_prompts(inputs),
        shown=len(html),
        kept=len(inputs.gallery),
    )


def _rendered(card: Card, distortions: Sequence[str], render: Any) -> Markup:
    from markupsafe import Markup

    # Markup is for what a template with autoescape made.
    return Markup(render.render(card=card, type=distortions.index(card.distortion)).strip())  # noqa: S704


def _shelves(html: Sequence[tuple[Card, Markup]], labels: Sequence[str]) -> tuple[Shelf, ...]:
    found = []
    for place, label in enumerate(labels):
        mine = [(card.plate, one) for card, one in html if card.place == place]
        plates, rest = (tuple(one for plate, one in mine if plate is wanted) for wanted in (True, False))
        if mine:
            found.append(Shelf(label, place, plates, rest))
    return tuple(found)


def _prompts(inputs: Inputs) -> tuple[tuple[str, str], ...]:
    """Return the exact strings, each once, under the name of its wording."""
    if inputs.prompts is None or inputs.answers is None:
        return ()
    used = inputs.answers[["template", "prompt"]].drop_duplicates()
    both = used.merge(inputs.prompts[["prompt", "text"]], on="prompt").drop_duplicates(["template", "text"])
    return tuple((str(row["template"]), str(row["text"])) for row in records(both))
