"""Before training: what will train, what it takes, and what cannot train although it was chosen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import pandas as pd

from eyechart.report.numbers import count
from eyechart.subjects.components import components, tied
from eyechart.subjects.memory import gigabytes
from eyechart.tune.reach import ADAPTER, last_logits, original, whole_modules

if TYPE_CHECKING:
    import torch
    from rich.console import RenderableType

TOTAL = "total"
_STEP = 4  # bytes of AdamW's count of steps, one a tensor


def before_table(model: Any, unreachable: Collection[str] = ()) -> pd.DataFrame:
    """Return what is about to be trained, by component, read from the tensors themselves.

    Call it when everything is in place: gradients on where they shall be, adapters on.

    Args:
        model: a transformers image-text-to-text model, with adapters or without.
        unreachable: what :func:`eyechart.tune.reach.unreachable` found, before adapters came.

    Returns:
        One row a component and one for all (``total``):

        - ``tensors``, ``parameters``: how many there are, adapters included;
        - ``trained_tensors``, ``trained``, ``frozen``: tensors that train, parameters that do and do not;
        - ``adapter``: trained parameters that are an adapter's (LoRA);
        - ``no_gradient``: tensors that train, yet cannot receive a gradient;
        - ``weights``, ``gradients``, ``optimiser``: bytes; AdamW keeps two numbers a trained parameter.
    """
    dead = set(unreachable)
    rows = [_row(name, part, dead) for name, part in components(model).items()]
    table = pd.DataFrame(rows)
    total = {"component": TOTAL} | table.drop(columns="component").sum().to_dict()
    return pd.concat([table, pd.DataFrame([total])], ignore_index=True)


def activation_bytes(model: Any, inputs: Mapping[str, Any]) -> int:
    """Return the bytes that a batch's forward pass keeps for the backward pass, weights not counted.

    It is measured, with gradients on where they are: what the computation graph holds when the last
    position's prediction is made. Per image it is nearly the same for any batch. Not in it are what an
    operation needs for the moment, and what gradient checkpointing computes again.

    Args:
        model: a transformers image-text-to-text model, with adapters or without.
        inputs: what its processor returned for a batch (``subject.inputs``).
    """
    import torch

    held: WeakSet[_Held] = WeakSet()  # forgets what belongs to a part of the graph that is dropped

    def keep(tensor: torch.Tensor) -> _Held:
        kept = _Held(tensor.detach())  # itself, it would keep the graph that keeps it
        held.add(kept)
        return kept

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept.tensor):
        end = last_logits(model, inputs).logsumexp(-1).sum()
    storages = [kept.tensor.untyped_storage() for kept in held]
    sizes = {storage.data_ptr(): storage.nbytes() for storage in storages}
    for weight in (*model.parameters(), *model.buffers()):
        sizes.pop(weight.untyped_storage().data_ptr(), None)
    del end  # the graph had to live until here
    return sum(sizes.values())


@dataclass(eq=False)
class _Held:
    """A tensor that the computation graph keeps."""

    tensor: torch.Tensor


def before_summary(
    model: Any,
    table: pd.DataFrame,
    unreachable: Sequence[str] = (),
    activations: tuple[int, int] | None = None,
) -> list[RenderableType]:
    """Return what :func:`eyechart.exam.console.rendered` shows of :func:`before_table`, with its warnings.

    Args:
        model: the model of the table.
        table: what :func:`before_table` returned.
        unreachable: tensors that cannot receive a gradient; those that are to train are named.
        activations: bytes that activations take, and the images of such a batch; None says nothing of them.
    """
    parts: list[RenderableType] = [_shown(table)]
    total = table[table["component"] == TOTAL].iloc[0]
    kinds = [f"{name} {gigabytes(total[name])}" for name in ("weights", "gradients", "optimiser")]
    need = int(total[["weights", "gradients", "optimiser"]].sum())
    if activations is not None:
        size, images = activations
        kinds.append(f"activations {gigabytes(size)} (a batch of {images})")
        need += size
    parts.append(f"Memory: {gigabytes(need)} at least = {' + '.join(kinds)}.")
    parts += [f"One tensor under several names: {' = '.join(names)}." for names in tied(model)]
    trained = {original(name) for name, p in model.named_parameters() if p.requires_grad}
    if dead := trained & set(unreachable):
        short = ", ".join(
            f"{name} ({number} tensors)" if number > 1 else name
            for name, number in whole_modules(model, dead)
        )
        parts.append(
            f"Warning: {len(dead)} chosen tensors cannot receive a gradient, as the answer does not "
            f"depend on them; they will stay as they are: {short}."
        )
    return parts


def _row(component: str, part: Mapping[str, Any], dead: Collection[str]) -> dict[str, Any]:
    trained = {name: p for name, p in part.items() if p.requires_grad}
    gradients = sum(p.numel() * p.element_size() for p in trained.values())
    every, training = (sum(p.numel() for p in some.values()) for some in (part, trained))
    return {
        "component": component,
        "tensors": len(part),
        "parameters": every,
        "trained_tensors": len(trained),
        "trained": training,
        "frozen": every - training,
        "adapter": sum(p.numel() for name, p in trained.items() if ADAPTER in name),
        "no_gradient": sum(original(name) in dead for name in trained),
        "weights": sum(p.numel() * p.element_size() for p in part.values()),
        "gradients": gradients,
        "optimiser": 2 * gradients + _STEP * len(trained),
    }


def _shown(table: pd.DataFrame) -> RenderableType:
    from rich.table import Table

    shown = Table(title="Before training", title_justify="left", box=None, pad_edge=False)
    shown.add_column("")
    for name in ("tensors", "parameters", "frozen", "trained", "as LoRA", "without gradient"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in table.to_dict("records"):
        sizes = (count(row[name]) for name in ("parameters", "frozen", "trained", "adapter"))
        shown.add_row(str(row["component"]), str(row["tensors"]), *sizes, str(row["no_gradient"]))
    return shown
