"""The proof of what tuning changed, component by component."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from eyechart.errors import EyechartError
from eyechart.subjects.components import components


def snapshot(model: Any) -> dict[str, dict[str, Any]]:
    """Return a copy of every parameter, by component and name, on the CPU."""
    return {
        component: {name: p.detach().cpu().clone() for name, p in parameters.items()}
        for component, parameters in components(model).items()
    }


def prove(before: dict[str, dict[str, Any]], model: Any, asked: tuple[str, ...]) -> dict[str, Any]:
    """Compare a model with its snapshot and check that exactly the components asked for changed.

    Args:
        before: what :func:`snapshot` returned.
        model: the tuned model (adapters merged).
        asked: the components that were to be trained.

    Returns:
        A table: per component its parameters, tensors, changed tensors, the norm of the difference relative
        to the norm before, and the sha256 of its values before and after.

    Raises:
        EyechartError: something outside the choice moved, nothing inside it did, or a weight is not finite.
    """
    table = {}
    for component, parameters in components(model).items():
        old = before[component]
        changed, difference, norm = 0, 0.0, 0.0
        for name, parameter in parameters.items():
            new = parameter.detach().cpu()
            delta = (new - old[name]).double().norm().item()
            changed += delta > 0
            difference += delta**2
            norm += old[name].double().norm().item() ** 2
        if not math.isfinite(difference):  # would pass every comparison below
            raise EyechartError(
                f"the weights of {component} are not finite after tuning", "lower the learning rates"
            )
        table[component] = {
            "asked": component in asked,
            "parameters": sum(p.numel() for p in parameters.values()),
            "tensors": len(parameters),
            "changed_tensors": changed,
            "relative_change": (difference / norm) ** 0.5,
            "sha256_before": _digest(old),
            "sha256_after": _digest(parameters),
        }
    for component, row in table.items():
        if row["changed_tensors"] and component not in asked:
            raise EyechartError(
                f"{row['changed_tensors']} tensors of {component} changed, which was not to be trained",
                "this is a fault of the tuning code: please report it with the run's configuration",
            )
        if component in asked and not row["changed_tensors"]:
            raise EyechartError(
                f"no tensor of {component} changed although it was to be trained",
                "raise its learning rate or the number of steps",
            )
    return {"asked": list(asked), "components": table, "ok": True}


def _digest(parameters: dict[str, Any]) -> str:
    """Return the sha256 over names and values in the order of names."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(parameters):
        digest.update(name.encode())
        values = parameters[name].detach().cpu().contiguous().flatten()
        digest.update(values.view(torch.uint8).numpy().tobytes())  # bytes: NumPy has no bfloat16
    return digest.hexdigest()
