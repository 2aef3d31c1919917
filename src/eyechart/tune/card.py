"""The model card of a tuned subject: a README.md that Hugging Face reads, beside the weights."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import pandas as pd

from eyechart.dataset.card import not_to_be_given_on
from eyechart.report.numbers import Number, decimal, interval, percent
from eyechart.runs import flatten, writing
from eyechart.subjects.names import BUILT_IN, resolve

_SPECIAL = re.compile(r"([\\`*_\[\]|~#])")  # what Markdown reads as more than a letter
_METHODS = {"full": "trained in full", "adapter": "trained by LoRA, merged", "frozen": "frozen"}


@dataclass(frozen=True)
class Result:
    """One line of results: the share of right answers (0 to 1) in ``what``, with its 95 % interval."""

    what: str
    accuracy: Number


@dataclass(frozen=True)
class Card:
    """What a model card tells.

    Attributes:
        subject: the base as it was named: nano, a preset, a folder, or an id on the hub.
        revision: of the base on the hub; None if none was named.
        arm: what was trained.
        dataset: the dataset's record (``Dataset.record()``).
        templates: the train templates' questions as they were asked, by template id.
        settings: how it was tuned, with the constraints and their weights (``TuneConfig.model_dump()``).
        seed: the run's seed.
        proof: what :func:`eyechart.tune.proof.prove` returned.
        results: accuracies, where there are any.
        losses: what :func:`eyechart.tune.train.tune` returned, one row a step; None leaves them out.
        side_effects: what :func:`eyechart.tune.side_effects.side_effects` returned; None if not looked for.
    """

    subject: str
    revision: str | None
    arm: str
    dataset: Mapping[str, Any]
    templates: Mapping[str, str]
    settings: Mapping[str, Any]
    seed: int
    proof: Mapping[str, Any]
    results: Sequence[Result] = ()
    losses: pd.DataFrame | None = None
    side_effects: pd.DataFrame | None = None


def write_card(card: Card, folder: Path) -> None:
    """Write the README.md of a tuned subject into its folder.

    No path of this machine is in it: of a base in a folder, or a setting that is a path, the last name.

    Raises:
        EyechartError: the file system refused.
    """
    text = f"---\n{_front_matter(card)}\n---\n\n" + "\n\n".join(_parts(card)) + "\n"
    with writing(folder / "README.md") as partial:
        partial.write_text(text, encoding="utf-8")


def _front_matter(card: Card) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    found = [
        EvalResult(
            task_type="image-text-to-text",
            dataset_type="eyechart",
            dataset_name=str(card.dataset["name"]),
            dataset_revision=str(card.dataset["hash"]),
            metric_type="accuracy",
            metric_name=result.what,
            metric_value=round(result.accuracy.value, 6),
        )
        for result in card.results
    ]
    hub = _hub_id(card.subject)
    data = ModelCardData(
        base_model=hub,
        model_name=_name(card),
        library_name="transformers",
        pipeline_tag="image-text-to-text",
        license="other",
        license_name="see-this-card",
        tags=["eyechart", "image-quality-assessment", "image-distortion"],
        eval_results=found or None,
    )
    if hub:
        data["base_model_relation"] = "finetune"
    return str(data.to_yaml())


def _parts(card: Card) -> list[str]:
    proof = card.proof["components"]
    done = ", ".join(f"{part} {_METHODS[row['method']]}" for part, row in proof.items())
    constraints = {k: v for k, v in dict(card.settings.get("constraints") or {}).items() if v}
    held = ", ".join(f"{name} (weight {weight})" for name, weight in constraints.items())
    return [
        f"# {_text(_name(card))}",
        f"{_base(card)}, tuned by Eyechart to name the distortion in a picture. Arm {_text(card.arm)}: "
        f"{done}. Constraints on the visual tokens: {_text(held) or 'none'}. Seed {card.seed}.",
        "```\neyechart exam path/to/this/folder path/to/a/dataset --out run\n```",
        "## Data",
        _data(card.dataset),
        "## Questions it was trained on",
        "\n\n".join(f"{_text(name)}:\n\n{_quoted(text)}" for name, text in card.templates.items()),
        "## Proof of what changed",
        "Every tensor was hashed before and after. Nothing outside the choice changed.",
        _proof(proof),
        *_stayed(proof),
        *_losses(card.losses),
        "## Results",
        *_results(card),
        "## Settings",
        _table(
            ("setting", "value"), [(key, _no_folder(value)) for key, value in flatten(card.settings).items()]
        ),
        "## Terms",
        _terms(card),
    ]


def _base(card: Card) -> str:
    hub = _hub_id(card.subject)
    if hub:
        revision = f", revision {_text(card.revision)}" if card.revision else ""
        return f"[{_text(hub)}](https://huggingface.co/{hub}){revision}"
    if card.subject in BUILT_IN:
        return f"{_text(card.subject)}, Eyechart's built-in subject"
    return f"The model in the folder {_text(_no_folder(card.subject))}"


def _hub_id(subject: str) -> str | None:
    """Return a base's id on the hub; None for the built-in subject and for a folder."""
    found = resolve(subject)
    return None if found in BUILT_IN or Path(found).is_dir() else found


def _name(card: Card) -> str:
    base = _hub_id(card.subject) or str(_no_folder(card.subject))
    return f"{base.rpartition('/')[2]}-eyechart-{card.arm}"


def _data(record: Mapping[str, Any]) -> str:
    labels, images = record["label_map"], record["images"]
    return (
        f"Dataset {_text(record['name'])}, hash `{_text(record['hash'])}`: trained on the {images['train']} "
        f"pictures of its train split. Label map {_text(labels['name'])}, version "
        f"{_text(labels['version'])}: {_text(', '.join(labels['labels']))}."
    )


def _proof(proof: Mapping[str, Any]) -> str:
    rows = [
        (
            part,
            row["method"],
            f"{row['changed_tensors']} of {row['tensors']}",
            f"{row['relative_change']:.3g}",
            row["sha256_before"][:16],
            row["sha256_after"][:16],
        )
        for part, row in proof.items()
    ]
    head = ("component", "method", "tensors changed", "norm of the difference / norm", "before", "after")
    return _table(head, rows)


def _stayed(proof: Mapping[str, Any]) -> list[str]:
    names = [name for row in proof.values() for name in row["no_gradient"]]
    told = f"{len(names)} chosen tensors cannot receive a gradient and stayed: {_text(', '.join(names))}."
    return [told] if names else []


def _losses(losses: pd.DataFrame | None) -> list[str]:
    """Return each phase's loss at its beginning and its end: the mean over a tenth of its steps."""
    if losses is None:
        return []
    rows = []
    for phase, part in losses.groupby("phase", sort=False):
        few = -(-len(part) // 10)
        first, last = part["loss"].head(few).mean(), part["loss"].tail(few).mean()
        rows.append((phase, len(part), decimal(first), decimal(last)))
    return ["## Losses", _table(("phase", "steps", "first tenth", "last tenth"), rows)]


def _results(card: Card) -> list[str]:
    parts = []
    if card.results:
        found = [(r.what, *_number(r.accuracy)) for r in card.results]
        parts.append(_table(("exam", "accuracy", "95 %, over contents"), found))
    if card.side_effects is not None:
        rows = [
            (
                row["prompt"],
                *_number(Number.of(row, "agreement", "agreement_low", "agreement_high")),
                decimal(row["kl"]),
                f"{decimal(row['kl_low'])} to {decimal(row['kl_high'])}",
            )
            for row in card.side_effects.to_dict("records")
        ]
        parts.append("Next tokens on neutral prompts over clean images, against the base:")
        parts.append(_table(("prompt", "same likeliest token", "95 %", "KL in nats", "95 %"), rows))
    return parts or ["Not examined yet."]


def _number(number: Number) -> tuple[str, str]:
    return percent(number.value), interval(number.low, number.high)


def _terms(card: Card) -> str:
    closed = not_to_be_given_on(dict(card.dataset))
    pictures = (
        f" It was trained on pictures of {_text(', '.join(closed))}, whose terms do not allow giving the "
        "pictures on; whether they reach further is for you to read there."
        if closed
        else ""
    )
    return f"The weights are under the terms of the base model.{pictures}"


def _quoted(text: str) -> str:
    return "\n".join(f"> {_text(line)}  " for line in text.splitlines())


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *([_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: object) -> str:
    """Return a value as text that Markdown and HTML show as it is, on one line."""
    line = re.sub(r"[^\S\u00a0]+", " ", str(value)).strip(" ")  # 50 % keeps its space that does not break
    return _SPECIAL.sub(r"\\\1", html.escape(line, quote=False))


def _no_folder(value: object) -> object:
    """Return a value as it is, and of a path its last name."""
    return PureWindowsPath(value).name or value if isinstance(value, str) else value
