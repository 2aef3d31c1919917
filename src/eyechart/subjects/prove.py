"""Prove that a model's components are what they are called, by changing them and looking what follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eyechart.subjects.change import changed, equal
from eyechart.subjects.components import (
    MERGER,
    OTHER,
    assigned,
    components,
    families,
    model_type,
    necks,
    nested_parts,
    seeing_groups,
    tied,
)
from eyechart.subjects.entering import entering, image_token_id, visual_tokens
from eyechart.subjects.neck import behind_the_last_layer

if TYPE_CHECKING:
    import torch

# What follows from the change of one tensor if anything does, one of these ways; all else stays bit for bit.
# The image has one way only: what leaves the encoder, then what enters the language model, then the answer.
_WAYS: dict[str, tuple[set[str], ...]] = {
    "vision": ({"encoder"}, {"encoder", "visual"}, {"encoder", "visual", "answer"}),
    "projector": ({"visual"}, {"visual", "answer"}),
    "language": ({"text"}, {"answer"}, {"text", "answer"}),
    OTHER: (),
}
# Weights inside the language model that see the image, where the user counts them to another component.
_INSIDE = ({"answer"},)
_TARGET = {"vision": "visual", "projector": "visual", "language": "answer"}
_WORDS = {"visual": "the visual tokens", "answer": "the answer"}


@dataclass(frozen=True)
class Claim:
    """One statement about a model, whether it holds, and the numbers that carry it."""

    claim: str
    holds: bool
    evidence: str


def prove(
    model: Any, inputs: Mapping[str, Any], other: Mapping[str, Any], tensors: int | None = 4
) -> list[Claim]:
    """Return what holds of a model's components.

    Args:
        model: a transformers image-text-to-text model in evaluation mode.
        inputs: what its processor returned for one prompt with one image an example.
        other: the same prompt with other images of the same size.
        tensors: how many parameters of each component to change, one after the other, spread evenly, beside
            one of each of its modules; None changes every one.

    Raises:
        EyechartError: the parameters cannot be partitioned (see :func:`components`).
    """
    import torch

    with torch.no_grad():
        claims = [_partition(model), _positions(model, inputs, other)]
        claims += _same_as_features(model, inputs)
        claims += _neck(model, inputs)
        looking = _Looking(model, inputs)
        for component, parameters in components(model).items():
            if parameters:
                claims += _downstream(looking, component, parameters, tensors)
        claims += _text_alone(looking)
    return claims


def _partition(model: Any) -> Claim:
    parts = components(model)
    counted = sum(len(parameters) for parameters in parts.values())
    total = sum(1 for _ in model.parameters())
    sizes = ", ".join(
        f"{name} {len(found)} ({sum(p.numel() for p in found.values()) / 1e6:.1f} M)"
        for name, found in parts.items()
    )
    shared = "; ".join(" = ".join(names) for names in tied(model))
    known = "" if model_type(model) in families() else "; by the general rule, as this type is not listed"
    known += "".join(f"; {what} counts to {where}, as told" for what, where in assigned(model).items())
    return Claim(
        "every parameter belongs to exactly one component",
        counted == total,
        f"{total} parameters: {sizes}{f'; tied: {shared}' if shared else ''}{known}",
    )


def _positions(model: Any, inputs: Mapping[str, Any], other: Mapping[str, Any]) -> Claim:
    """Another image changes what enters at image positions and nowhere else (newlines stay as they are)."""
    one, two = entering(model, inputs), entering(model, other)
    claim = "another image changes image positions and no others"
    if one.embeds is None or two.embeds is None:
        moved = any(not equal(one.beside[name], two.beside[name]) for name in one.beside)
        return Claim(claim, moved, f"no image positions; it enters by {', '.join(one.beside) or 'no way'}")
    changed = (one.embeds != two.embeds).any(-1)
    at = inputs["input_ids"] == image_token_id(model)
    holds = bool(changed.any()) and not bool((changed & ~at).any())
    return Claim(claim, holds, f"{int(at.sum())} image positions, {int(changed.sum())} changed")


def _same_as_features(model: Any, inputs: Mapping[str, Any]) -> list[Claim]:
    """What the model's own get_image_features returns is what enters, bit for bit (where it has one)."""
    import torch

    try:
        found = image_features(model, inputs)
    except (AttributeError, TypeError):
        return []
    entered = visual_tokens(model, inputs)
    same = found.shape == entered.shape and torch.equal(found, entered)
    return [
        Claim(
            "visual tokens are what get_image_features returns, bit for bit", same, f"{tuple(entered.shape)}"
        )
    ]


def image_features(model: Any, inputs: Mapping[str, Any]) -> torch.Tensor:
    """Return the model's own image features, one row a visual token, [rows, width].

    Raises:
        AttributeError, TypeError: the family has no ``get_image_features``, or it wants other arguments.
    """
    import inspect

    import torch

    method = getattr(model, "get_image_features", None) or model.model.get_image_features
    inner = getattr(getattr(model, "model", None), "get_image_features", method)
    known = set(inspect.signature(method).parameters) | set(inspect.signature(inner).parameters)
    found: Any = method(**{name: value for name, value in inputs.items() if name in known - {"input_ids"}})
    tokens = getattr(found, "pooler_output", found)
    parts = tokens if isinstance(tokens, (list, tuple)) else [tokens]
    return torch.cat([part.reshape(-1, part.shape[-1]) for part in parts])


def _neck(model: Any, inputs: Mapping[str, Any]) -> list[Claim]:
    """Nothing of the vision encoder maps or merges its states behind its last layer, as a projector does."""
    if MERGER in assigned(model):  # the user has said where the encoder ends
        return []
    known = {*necks(model), *assigned(model)}
    found = [name for name in behind_the_last_layer(model, inputs) if name not in known]
    told = "; ".join(f"{name} does (--assign {name}=projector if it is one)" for name in found)
    claim = "nothing behind the vision encoder's last layer changes the number or the width of its states"
    return [Claim(claim, not found, told or "it ends with its layers")]


class _Looking:
    """Changes tensors of a model and tells what of all that can be seen differs then."""

    def __init__(self, model: Any, inputs: Mapping[str, Any]) -> None:
        self.model, self.inputs = model, inputs
        self._ends = _ends(model)
        self._before = self._look()
        self._known: dict[str, set[str]] = {}

    def differs(self, name: str, parameter: torch.Tensor) -> set[str]:
        """Return the places that differ when a parameter is changed."""
        if name not in self._known:
            with changed(parameter):
                after = self._look()
            self._known[name] = {p for p in after if not equal(self._before[p], after[p])}
        return self._known[name]

    def _look(self) -> dict[str, list[torch.Tensor]]:
        """Return what can be seen at each place."""
        model, inputs = self.model, self.inputs
        door = entering(model, inputs)
        at = inputs["input_ids"] == image_token_id(model)
        embeds = door.embeds if door.embeds is not None else model.get_input_embeddings()(inputs["input_ids"])
        beside = [tensor for name in sorted(door.beside) for tensor in door.beside[name]]
        return {
            "encoder": _encoded(model, inputs, self._ends),
            "visual": [embeds[at], *beside] if door.embeds is not None else beside,
            "text": [embeds[~at]],
            "answer": [model(**inputs).logits],
        }


def _downstream(
    looking: _Looking, component: str, parameters: Mapping[str, Any], tensors: int | None
) -> list[Claim]:
    """Change parameters one by one and compare everything with before."""
    real = {name: p for name, p in parameters.items() if p.is_floating_point() and not p.is_meta}
    inside = {name for members in seeing_groups(looking.model).values() for name in members}
    idle = _idle(looking, real, tensors)
    chosen = dict(_spread(list(real.items()), tensors)) | {n: real[n] for n in looking._known if n in real}
    wrong, moved, without, target = [], 0, 0, _TARGET.get(component)
    for name, parameter in chosen.items():
        differs = looking.differs(name, parameter)
        late = name in inside and component in ("vision", "projector")
        if differs and differs not in (_INSIDE if late else _WAYS[component]):
            wrong.append(f"{name} changed {' and '.join(sorted(differs))} alone")
        moved += ("answer" if late else target) in differs
        without += not differs
    told = f"{len(chosen)} tensors changed one by one; {without} without any effect"
    claim = f"changing {component} changes only what lies downstream, and by its own way"
    claims = [Claim(claim, not wrong, "; ".join(wrong[:3]) or told)]
    if target is not None:
        claims.append(
            Claim(f"changing {component} changes {_WORDS[target]}", moved > 0, f"by {moved} of {told}")
        )
        told = "; ".join(f"{name} has no effect (--assign {name}=other if it is not used)" for name in idle)
        claims.append(Claim(f"every module of {component} has an effect", not idle, told or "all have"))
    return claims


def _idle(looking: _Looking, parameters: Mapping[str, Any], tensors: int | None) -> list[str]:
    """Return the outermost modules of a component of which no tensor that was tried has any effect."""
    idle, seen = [], ""
    for name, module in looking.model.named_modules():
        held = [f"{name}.{inner}" for inner, _ in module.named_parameters()]
        if not held or not set(held) <= set(parameters) or (seen and name.startswith(seen)):
            continue
        seen = f"{name}."
        few = _spread([(one, parameters[one]) for one in held], tensors)
        if not any(looking.differs(one, parameter) for one, parameter in few):
            idle.append(name)
    return idle


def _text_alone(looking: _Looking) -> list[Claim]:
    """Weights inside the language model that see the image are not used where there is none."""
    import torch

    model, inputs, claims = looking.model, looking.inputs, []
    ids = inputs["input_ids"][:1]
    ids = ids[:, ids[0] != image_token_id(model)]
    for group, members in seeing_groups(model).items():
        if group not in assigned(model):
            continue
        text = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        before, wrong = model(**text).logits, []
        for name in members:
            with changed(model.get_parameter(name)):
                if not torch.equal(before, model(**text).logits):
                    wrong.append(name)
        told = "; ".join(wrong[:3]) or f"{len(members)} tensors changed one by one"
        claims.append(Claim(f"changing {group} leaves a text without an image as it is", not wrong, told))
    return claims


def _ends(model: Any) -> list[Any]:
    """Return the modules whose input is the vision encoder's output; none: what it returns."""
    import torch

    nested = nested_parts(model)
    if not nested:
        return []
    first = model.get_submodule(nested[0])
    return list(first) if isinstance(first, torch.nn.ModuleList) else [first]


def _encoded(model: Any, inputs: Mapping[str, Any], ends: list[Any]) -> list[torch.Tensor]:
    """Return what leaves the vision encoder: its output, or the input of a projector nested in it."""
    caught: list[torch.Tensor] = []  # taken at once: some families write into the encoder's output later
    hooks = [
        end.register_forward_pre_hook(lambda _, args: caught.extend(t.clone() for t in _hidden(args[0])))
        for end in ends
    ] or [
        model.get_encoder(modality="image").register_forward_hook(
            lambda _, args, out: caught.extend(t.clone() for t in _hidden(out))
        )
    ]
    try:
        entering(model, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return caught


def _hidden(out: Any) -> list[torch.Tensor]:
    import torch

    if isinstance(out, torch.Tensor):
        return [out]
    values = out.values() if hasattr(out, "values") else out if isinstance(out, (list, tuple)) else []
    return [tensor for value in values for tensor in _hidden(value)]


def _spread(found: list[tuple[str, Any]], count: int | None) -> list[tuple[str, Any]]:
    if count is None or len(found) <= count:
        return found
    return [found[i * len(found) // count] for i in range(count)]
