"""Faults of the language model, and of how it answers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from eyechart.inside.plants import ANY, Hook, Known, Plant, changed
from eyechart.inside.verdict import IN_LANGUAGE, IN_WORDS, NOT_READ, PERCEIVED
from eyechart.subjects.entering import image_token_id
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.stages import language_layers

if TYPE_CHECKING:
    import torch

_PAIRS = (("blur", "noise"), ("brightness", "contrast"), ("compression", "jitter"))
_PARROTS = ("clean", "blur", "jitter")
_LOUD = 30.0  # what is added to a logit, in nats: more than any that was seen leads by


def language_plants(labels: tuple[str, ...]) -> tuple[Plant, ...]:
    """Return the faults of the language model and of the answers."""
    everywhere = dict.fromkeys(labels, (IN_WORDS,))
    return (
        Plant(
            "language model that ignores the image",
            "language",
            (IN_LANGUAGE,),
            "every layer reads zeros at the image's positions: what stands there never reaches the answer",
            partial(_ignore, 0),
            others=(IN_LANGUAGE,),
        ),
        Plant(
            "language model that ignores the image in its upper half",
            "language",
            (IN_LANGUAGE, NOT_READ),
            "the upper half of the layers reads zeros at the image's positions; what the lower half has "
            "taken from them stands at the position that answers, and no layer is left to make it a word. "
            "Which of the two it is called depends on how much the lower half has taken; of which labels it "
            "has taken enough for another wording to get them is not known beforehand",
            partial(_ignore, 2),
            others=ANY,
        ),
        Plant(
            "all label rows permuted",
            "answers",
            (NOT_READ,),
            "each label is said by the name of the next: all is there, under wrong names",
            partial(_rename, [*range(1, len(labels)), 0]),
            others=(NOT_READ,),
        ),
        *(
            Plant(
                f"label rows of {one} and {other} exchanged",
                "answers",
                (PERCEIVED,),
                "two labels are told apart and called by each other's names, the others by their own",
                partial(_rename, _exchanged(labels, one, other)),
                {one: (NOT_READ,), other: (NOT_READ,)},
            )
            for one, other in _PAIRS
        ),
        *(
            Plant(
                f"parrot of {label}",
                "answers",
                (IN_WORDS,),
                "the answer's logit is raised for every image, also for one that shows nothing: less that, "
                "the choice is as before",
                partial(_say, label),
                everywhere,
            )
            for label in _PARROTS
        ),
        Plant(
            "answers off the list",
            "answers",
            (IN_WORDS,),
            "a word that is no label is always a little likelier than all others together; among the "
            "labels the choice is as before",
            _off,
            everywhere,
        ),
        Plant(
            "one template only",
            "answers",
            (IN_WORDS,),
            "each word that stands in the held-out question alone is read as the word noise; the trained "
            "question has none of them and is answered as before",
            _one_template,
            everywhere,
        ),
    )


def _exchanged(labels: tuple[str, ...], one: str, other: str) -> list[int]:
    order = list(range(len(labels)))
    i, j = labels.index(one), labels.index(other)
    order[i], order[j] = j, i
    return order


def _rename(order: list[int], subject: ModelSubject, known: Known) -> list[Hook]:
    """Give each label's first token the logit of another label's."""

    def rename(logits: torch.Tensor) -> torch.Tensor:
        found = logits.clone()
        found[..., list(known.first)] = logits[..., [known.first[i] for i in order]]
        return found

    return [changed(subject.model.get_output_embeddings(), rename)]


def _say(label: str, subject: ModelSubject, known: Known) -> list[Hook]:
    """Raise the logit of one label's first token."""
    token = known.first[known.labels.index(label)]

    def say(logits: torch.Tensor) -> torch.Tensor:
        found = logits.float().clone()
        found[..., token] += _LOUD
        return found

    return [changed(subject.model.get_output_embeddings(), say)]


def _off(subject: ModelSubject, known: Known) -> list[Hook]:
    """Make a token that begins no label a little likelier than all others together."""

    def mutter(logits: torch.Tensor) -> torch.Tensor:
        found = logits.float().clone()
        found[..., known.off] = float("-inf")
        found[..., known.off] = found.logsumexp(-1) + 1.0
        return found

    return [changed(subject.model.get_output_embeddings(), mutter)]


def _ignore(share: int, subject: ModelSubject, known: Known) -> list[Hook]:
    """Let layers read zeros at the image's positions: all, or those above one over ``share``."""
    token, at = image_token_id(subject.model), {}

    def look(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        ids = kwargs.get("input_ids", args[0] if args else None)
        at["image"] = None if ids is None else (ids == token)[..., None]

    def ignore(values: torch.Tensor) -> torch.Tensor:
        mask = at.get("image")
        if mask is None or mask.shape[:2] != values.shape[:2]:
            return values
        return values.masked_fill(mask.to(values.device), 0)

    layers = [layer for layer, _ in language_layers(subject.model)]
    deaf = layers[len(layers) // share if share else 0 :]
    # Keys as well: by them alone the image would still move how much the other positions are read.
    hooks = [changed(part, ignore) for one in deaf for part in (one.self_attn.k_proj, one.self_attn.v_proj)]
    return [subject.model.register_forward_pre_hook(look, with_kwargs=True), *hooks]


def _one_template(subject: ModelSubject, known: Known) -> list[Hook]:
    """Read every word that stands in the held-out questions alone as the word noise."""
    import torch

    table, token = subject.model.get_input_embeddings(), known.first[known.labels.index("noise")]

    def misread(_: Any, args: tuple[Any, ...], embedded: torch.Tensor) -> torch.Tensor:
        strange = torch.isin(args[0], torch.tensor(known.words, device=args[0].device))
        return torch.where(strange[..., None], table.weight[token].to(embedded.dtype), embedded)

    hook: Hook = table.register_forward_hook(misread)
    return [hook]
