"""Parts of a model that need not compute twice: what they handed out once is handed out again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any


class Remembered:
    """What modules hand out while a model answers, call by call; from the second time on it is given back.

    The second time must call the modules with the same inputs, as often and in the same order: the same
    questions on the same images, with the same weights up to and in these modules. Nothing is compared.

    Args:
        modules: modules, none of which lies inside another.
    """

    def __init__(self, modules: list[Any]) -> None:
        self._modules, self._kept = modules, [list[Any]() for _ in modules]
        self._whole = False

    @contextmanager
    def used(self) -> Iterator[None]:
        """Return the context in which the modules' outputs are kept or, if they are known, given back."""
        before = [module.__dict__.get("forward") for module in self._modules]
        for module, kept in zip(self._modules, self._kept, strict=True):
            if self._whole:
                module.forward = _giving(list(kept))
            else:
                kept.clear()
                module.forward = _keeping(module.forward, kept)
        try:
            yield
            self._whole = True
        finally:
            for module, own in zip(self._modules, before, strict=True):
                del module.forward
                if own is not None:
                    module.forward = own


def _keeping(forward: Any, kept: list[Any]) -> Any:
    def compute(*args: Any, **kwargs: Any) -> Any:
        out = forward(*args, **kwargs)
        kept.append(copy(out))  # models write further fields into a record that they were handed
        return out

    return compute


def _giving(kept: list[Any]) -> Any:
    waiting = iter(kept)
    return lambda *args, **kwargs: copy(next(waiting))


def modules_of(model: Any, parameters: Mapping[str, Any]) -> list[Any]:
    """Return the outermost modules all of whose parameters are among the given ones.

    Lists of modules, which compute nothing themselves, are replaced by what is in them. Parameters beside
    sub-modules (a newline's vector) are in none of them.

    Args:
        model: a model.
        parameters: some of its parameters by name, for example of one component.
    """
    import torch

    mine = {id(parameter) for parameter in parameters.values()}
    found: list[Any] = []
    inside: set[int] = set()
    for module in model.modules():
        held = {id(parameter) for parameter in module.parameters()}
        container = isinstance(module, (torch.nn.ModuleList, torch.nn.ModuleDict))
        if container or id(module) in inside or not held or not held <= mine:
            continue
        inside |= {id(part) for part in module.modules()}
        found.append(module)
    return found
