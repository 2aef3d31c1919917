"""The proof of what tuning changed, component by component."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from eyechart.errors import EyechartError
from eyechart.subjects.components import COMPONENTS, assigned, components

_TOLD = 3  # names of tensors in a message


@dataclass(frozen=True)
class Snapshot:
    """A model before tuning.

    Attributes:
        hashes: sha256 of every parameter's bytes, by component and name.
        buffers: sha256 of everything else that a checkpoint holds, such as running means, by component and
            name.
        values: copies, on the CPU, of the parameters of components that are to be trained, by name.
        assign: groups that count to another component.
    """

    hashes: dict[str, dict[str, str]]
    buffers: dict[str, dict[str, str]]
    values: dict[str, Any]
    assign: dict[str, str]


def snapshot(model: Any, train: Collection[str] = COMPONENTS) -> Snapshot:
    """Return what is needed to tell later what changed; it takes the memory of the trained components.

    Args:
        model: a transformers image-text-to-text model, without adapters.
        train: the components that are to be trained.
    """
    parts = components(model)
    return Snapshot(
        {part: {name: _digest(p) for name, p in found.items()} for part, found in parts.items()},
        _buffers(model, parts),
        {name: p.detach().cpu().clone() for part in train for name, p in parts[part].items()},
        assigned(model),
    )


def prove(
    before: Snapshot,
    model: Any,
    asked: tuple[str, ...],
    *,
    adapted: Mapping[str, Collection[str]] | None = None,
    unreachable: Collection[str] = (),
) -> dict[str, Any]:
    """Compare a model with its snapshot and check that exactly what was asked for changed.

    Args:
        before: what :func:`snapshot` returned, with the values of the components asked for.
        model: the tuned model (adapters merged).
        asked: the components that were to be trained.
        adapted: of each component that was trained by adapters (LoRA), the parameters that carried one; the
            rest of it must not change. Components that are not named were trained in full.
        unreachable: parameters that cannot receive a gradient (see :mod:`eyechart.tune.reach`); it is no
            fault of theirs that they stay.

    Returns:
        ``asked``, ``assign``, ``ok`` and a table ``components``: per component whether it was ``asked`` for,
        ``method`` (full, adapter or frozen), its ``parameters``, ``tensors``, ``chosen_tensors``,
        ``changed_tensors``, the names of chosen tensors that stayed (``unmoved``; ``no_gradient`` where they
        could not move), ``relative_change`` (the norm of the difference over the norm before, over the whole
        component), and the sha256 over all its tensors before and after.

    Raises:
        EyechartError: something outside the choice moved, nothing inside it did, or a weight is not finite.
    """
    table, parts = {}, components(model, before.assign)
    buffers = _buffers(model, parts)
    for component, parameters in parts.items():
        old = before.hashes[component]
        _same_names(component, old, parameters)
        new = {name: _digest(p) for name, p in parameters.items()}
        changed = {name for name in new if new[name] != old[name]}
        chosen = set((adapted or {}).get(component, parameters)) if component in asked else set()
        _finite(component, parameters)
        _nothing_outside(component, changed - chosen, component in asked)
        if component not in asked:
            now, then = buffers[component], before.buffers[component]
            _nothing_outside(component, {name for name in now if now[name] != then.get(name)}, False)
        stayed = [name for name in parameters if name in chosen - changed]
        if component in asked and not changed:
            raise EyechartError(
                f"no tensor of {component} changed although it was to be trained",
                "the answer does not depend on it, or not in this way: choose another component"
                if chosen <= set(unreachable)
                else "raise its learning rate or the number of steps",
            )
        table[component] = {
            "asked": component in asked,
            "method": _method(component, asked, adapted or {}),
            "parameters": sum(p.numel() for p in parameters.values()),
            "tensors": len(parameters),
            "chosen_tensors": len(chosen),
            "changed_tensors": len(changed),
            "unmoved": [name for name in stayed if name not in unreachable],
            "no_gradient": [name for name in stayed if name in unreachable],
            "relative_change": _relative(before, parameters, changed),
            "sha256_before": _together(old),
            "sha256_after": _together(new),
        }
    return {"asked": list(asked), "assign": before.assign, "components": table, "ok": True}


def held_buffers(model: Any, parts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the buffers that a checkpoint holds, each with the component that it lies beside.

    Args:
        model: a transformers image-text-to-text model.
        parts: its parameters by component and name (see :func:`eyechart.subjects.components.components`).
    """
    homes = {prefix: part for part, found in parts.items() for name in found for prefix in _prefixes(name)}
    kept = set(model.state_dict())
    found: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for name, buffer in model.named_buffers():
        if name in kept:
            home = next(homes[prefix] for prefix in reversed(_prefixes(name)) if prefix in homes)
            found[home][name] = buffer
    return found


def _buffers(model: Any, parts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the hashes of the buffers that a checkpoint holds, by component and name."""
    return {
        part: {name: _digest(buffer) for name, buffer in found.items()}
        for part, found in held_buffers(model, parts).items()
    }


def _prefixes(name: str) -> list[str]:
    """Return the modules that a tensor lies in, the outermost first."""
    steps = name.split(".")
    return [".".join(steps[:i]) for i in range(len(steps))]


def _method(component: str, asked: Collection[str], adapted: Collection[str]) -> str:
    if component not in asked:
        return "frozen"
    return "adapter" if component in adapted else "full"


def _same_names(component: str, old: Collection[str], new: Collection[str]) -> None:
    if unlike := set(old) ^ set(new):
        raise EyechartError(
            f"{component} has other tensors than before tuning: {_some(unlike)}",
            "merge adapters into the weights before the proof",
        )


def _finite(component: str, parameters: Mapping[str, Any]) -> None:
    if bad := {name for name, p in parameters.items() if not bool(p.detach().isfinite().all())}:
        raise EyechartError(
            f"the weights of {component} are not finite after tuning: {_some(bad)}",
            "lower the learning rates",
        )


def _nothing_outside(component: str, outside: Collection[str], asked: bool) -> None:
    if outside:
        why = "which carried no adapter" if asked else "which was not to be trained"
        raise EyechartError(
            f"{len(outside)} tensors of {component} changed, {why}: {_some(outside)}",
            "this is a fault of the tuning code: please report it with the run's configuration",
        )


def _relative(before: Snapshot, parameters: Mapping[str, Any], changed: Collection[str]) -> float:
    """Return the norm of the difference over the norm before, over all of a component; 0 if none changed."""
    import torch

    if not changed:
        return 0.0
    difference = norm = 0.0
    for name, parameter in parameters.items():
        old, new = before.values[name].float(), parameter.detach().cpu().float()
        difference += float((new - old).norm(dtype=torch.float64)) ** 2
        norm += float(old.norm(dtype=torch.float64)) ** 2
    return float((difference / norm) ** 0.5)


def _digest(parameter: Any) -> str:
    """Return the sha256 of a tensor's bytes."""
    import torch

    values = parameter.detach().cpu().contiguous().flatten()
    # Read as bytes, since NumPy has no bfloat16.
    return hashlib.sha256(values.view(torch.uint8).numpy()).hexdigest()


def _together(hashes: Mapping[str, str]) -> str:
    """Return the sha256 over names and hashes in the order of names."""
    return hashlib.sha256("".join(f"{n}:{hashes[n]};" for n in sorted(hashes)).encode()).hexdigest()


def _some(names: Collection[str]) -> str:
    """Return a few names for a message."""
    told = ", ".join(sorted(names)[:_TOLD])
    return f"{told} and {len(names) - _TOLD} more" if len(names) > _TOLD else told
