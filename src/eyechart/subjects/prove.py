"""Prove that a model's components are what they are called, by changing them and looking what follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eyechart.subjects.components import COMPONENTS, OTHER, components, families, model_type, tied
from eyechart.subjects.entering import entering, image_token_id, visual_tokens

if TYPE_CHECKING:
    import torch

# What may follow from a change of a component. All else must stay bit for bit.
_MAY_CHANGE = {
    "vision": {"encoder", "visual", "answer"},
    "projector": {"visual", "answer"},
    "language": {"text", "answer"},
    OTHER: set[str](),
}
_MUST_CHANGE = {"vision": "visual", "projector": "visual", "language": "answer"}


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
        tensors: how many parameters of each component to change, one after the other, spread evenly; None
            changes every one.

    Raises:
        EyechartError: the parameters cannot be partitioned (see :func:`components`).
    """
    import torch

    with torch.no_grad():
        claims = [_partition(model), _positions(model, inputs, other)]
        claims += _same_as_features(model, inputs)
        before = _look(model, inputs)
        for component, parameters in components(model).items():
            chosen = _spread(list(parameters.items()), tensors)
            claims += _downstream(model, inputs, component, chosen, before)
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
        moved = any(not _equal(one.beside[name], two.beside[name]) for name in one.beside)
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


def _downstream(
    model: Any,
    inputs: Mapping[str, Any],
    component: str,
    parameters: list[tuple[str, Any]],
    before: dict[str, list[torch.Tensor]],
) -> list[Claim]:
    """Change parameters one by one and compare everything with before."""
    wrong, moved, without = [], 0, 0
    for name, parameter in parameters:
        with _changed(parameter):
            after = _look(model, inputs)
        differs = {place for place in before if not _equal(before[place], after[place])}
        wrong += [f"{name} changed {place}" for place in sorted(differs - _MAY_CHANGE[component])]
        moved += _MUST_CHANGE.get(component) in differs
        without += not differs
    told = f"{len(parameters)} tensors changed one by one; {without} without any effect"
    claims = [
        Claim(
            f"changing {component} changes only what lies downstream", not wrong, "; ".join(wrong[:3]) or told
        )
    ]
    if component in COMPONENTS:
        target = "the answer" if component == "language" else "the visual tokens"
        claims.append(Claim(f"changing {component} changes {target}", moved > 0, f"by {moved} of {told}"))
    return claims


def _look(model: Any, inputs: Mapping[str, Any]) -> dict[str, list[torch.Tensor]]:
    """Return what can be seen at each place for one batch."""
    door = entering(model, inputs)
    at = inputs["input_ids"] == image_token_id(model)
    embeds = door.embeds if door.embeds is not None else model.get_input_embeddings()(inputs["input_ids"])
    beside = [tensor for name in sorted(door.beside) for tensor in door.beside[name]]
    return {
        "encoder": _encoded(model, inputs),
        "visual": [embeds[at], *beside] if door.embeds is not None else beside,
        "text": [embeds[~at]],
        "answer": [model(**inputs).logits[:, -1]],
    }


def _encoded(model: Any, inputs: Mapping[str, Any]) -> list[torch.Tensor]:
    """Return what leaves the vision encoder: its output, or the input of a projector nested in it."""
    import torch

    caught: list[torch.Tensor] = []  # taken at once: some families write into the encoder's output later
    encoder = model.get_encoder(modality="image")
    family = families().get(model_type(model))
    if family and family.nested:
        first = encoder.get_submodule(family.nested[0])
        modules = list(first) if isinstance(first, torch.nn.ModuleList) else [first]
        hooks = [
            m.register_forward_pre_hook(lambda _, args: caught.extend(_hidden(args[0]))) for m in modules
        ]
    else:
        hooks = [encoder.register_forward_hook(lambda _, args, out: caught.extend(_hidden(out)))]
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


@contextmanager
def _changed(parameter: torch.Tensor) -> Iterator[None]:
    """Change a parameter and put it back, bit for bit."""
    import torch

    kept = parameter.detach().clone()
    noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(
        parameter
    )
    parameter.data.add_(noise * (0.1 + kept.abs().mean()))
    try:
        yield
    finally:
        parameter.data.copy_(kept)


def _equal(one: list[torch.Tensor], two: list[torch.Tensor]) -> bool:
    import torch

    return len(one) == len(two) and all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def _spread(found: list[tuple[str, Any]], count: int | None) -> list[tuple[str, Any]]:
    if count is None or len(found) <= count:
        return found
    return [found[i * len(found) // count] for i in range(count)]
