"""Which parameters are the vision encoder, the projector and the language model: an exact partition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from eyechart.errors import EyechartError

COMPONENTS = ("vision", "projector", "language")
OTHER = "other"  # parts that neither see an image nor write text
MERGER = "merger"  # the group of what lies nested in the vision encoder
_ASSIGNED = "eyechart_assign"  # in a model's configuration, which copies of the model share
_TABLE = Path(__file__).parent / "families.yaml"


@dataclass(frozen=True)
class Family:
    """How one model type departs from the rule; see families.yaml, which explains the fields."""

    nested: tuple[str, ...] = ()
    projector: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    neck: tuple[str, ...] = ()
    head: str = ""
    proved: bool = False


@cache
def families() -> Mapping[str, Family]:
    """Return the known model types."""
    table = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return {
        name: Family(
            tuple(entry.get("nested", ())),
            tuple(entry.get("projector", ())),
            tuple(entry.get("other", ())),
            {group: tuple(patterns) for group, patterns in entry.get("groups", {}).items()},
            tuple(entry.get("neck", ())),
            entry.get("head", ""),
            entry.get("proved", False),
        )
        for name, entry in table.items()
    }


def components(model: Any, assign: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """Return the parameters of each component by name; every parameter belongs to exactly one.

    A tied parameter (an output head that is the word embedding) is listed once, under its first name.

    Args:
        model: a transformers image-text-to-text model.
        assign: what counts to another component than by the table, e.g. ``{"cross_attention": "projector"}``:
            a named group (see :func:`groups`) or the name of a module; None: as :func:`assign_groups` said.

    Returns:
        ``vision``, ``projector`` and ``language``, and ``other`` where there is more. One of the three is
        empty only if ``assign`` took all of it.

    Raises:
        EyechartError: the model has no vision encoder of its own, a component has no parameter, or ``assign``
            names a group or a component that does not exist.
    """
    family = families().get(model_type(model), Family())
    encoder, language = _encoder(model), _language(model, family)
    inside = _nested(model, family)
    moved = _moved(model, assigned(model) if assign is None else assign)
    seeing = {id(parameter) for parameter in encoder.parameters()}
    writing = {id(parameter) for module in language for parameter in module.parameters()}
    parts: dict[str, dict[str, Any]] = {name: {} for name in (*COMPONENTS, OTHER)}
    found = set()
    for name, parameter in model.named_parameters():
        if _below(name, inside) or _below(name, family.projector):
            home = "projector"
        elif _below(name, family.other):
            home = OTHER
        elif id(parameter) in seeing:
            home = "vision"
        else:
            home = "language" if id(parameter) in writing else "projector"
        found.add(home)
        parts[moved.get(name, home)][name] = parameter
    for component in COMPONENTS:
        if not parts[component] and component not in found:
            raise EyechartError(
                f"no parameter of {type(model).__name__} was recognised as {component}",
                f"say which module is it, e.g. --assign {_name(model, encoder)}.NAME={component}, or add "
                f"{model_type(model) or 'its model_type'} to subjects/families.yaml",
            )
    if not parts[OTHER]:
        del parts[OTHER]
    return parts


def groups(model: Any) -> dict[str, tuple[str, ...]]:
    """Return named groups of parameters that lie in one component and may be counted to another.

    ``merger`` is what lies nested in the vision encoder and counts to the projector (Qwen's merger). Mllama's
    cross-attention and mPLUG-Owl2's visual weights lie inside the language model, yet see the image.
    """
    family = families().get(model_type(model), Family())
    names = [name for name, _ in model.named_parameters()]
    found = {MERGER: tuple(name for name in names if _below(name, _nested(model, family)))}
    found |= seeing_groups(model)
    return {group: members for group, members in found.items() if members}


def seeing_groups(model: Any) -> dict[str, tuple[str, ...]]:
    """Return the groups of parameters inside the language model that see the image."""
    family = families().get(model_type(model), Family())
    names = [name for name, _ in model.named_parameters()]
    return {
        group: tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))
        for group, patterns in family.groups.items()
    }


def assign_groups(model: Any, to: Mapping[str, str]) -> None:
    """Count groups or modules of a model to other components, wherever its components are asked for.

    Args:
        model: a transformers image-text-to-text model.
        to: a group (see :func:`groups`) or a module's name, to a component; it takes the place of what was
            assigned before.

    Raises:
        EyechartError: there is no such group, module or component.
    """
    _moved(model, to)
    if to:
        setattr(model.config, _ASSIGNED, dict(to))
    elif assigned(model):
        delattr(model.config, _ASSIGNED)


def assigned(model: Any) -> dict[str, str]:
    """Return what :func:`assign_groups` said of a model."""
    return dict(getattr(getattr(model, "config", None), _ASSIGNED, {}))


def nested_parts(model: Any) -> list[str]:
    """Return the modules inside the vision encoder that count to the projector, by name, in their order.

    Where there are any, the encoder's output is what the first of them is given.
    """
    family, tower = families().get(model_type(model), Family()), _name(model, _encoder(model))
    told = [*_nested(model, family), *(name for name in assigned(model) if name.startswith(f"{tower}."))]
    mine = components(model)["projector"]
    return [part for part in told if any(_below(name, [part]) for name in mine)]


def tied(model: Any) -> list[tuple[str, ...]]:
    """Return the names of parameters that are one and the same, a tuple for each."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return [tuple(found) for found in names.values() if len(found) > 1]


def projector_of(model: Any) -> Any:
    """Return the projector's module, the outermost one that holds the projector's parameters and no others.

    Raises:
        EyechartError: there is no such single module.
    """
    mine = {id(parameter) for parameter in components(model)["projector"].values()}
    for _, module in model.named_modules():
        held = {id(parameter) for parameter in module.parameters()}
        if held and held <= mine:
            left = mine - held
            loose = {id(p) for _, p in _loose(model)}
            if left <= loose:  # single vectors beside it, such as LLaVA-NeXT's newline
                return module
    raise EyechartError(
        f"the projector of {type(model).__name__} is not one module",
        "work with components(model)['projector'], its parameters",
    )


def model_type(model: Any) -> str:
    """Return transformers' name of the model's family; empty if it has none."""
    return str(getattr(getattr(model, "config", None), "model_type", ""))


def _encoder(model: Any) -> Any:
    found = model.get_encoder(modality="image")
    if found is None or found is model or not any(True for _ in found.parameters()):
        raise EyechartError(
            f"{type(model).__name__} has no vision encoder of its own",
            "the study is about vision encoder, projector and language model; examine it as a whole",
        )
    return found


def _language(model: Any, family: Family) -> list[Any]:
    """Return the modules of the language model: the decoder, and the output head."""
    if family.head:
        return [model.get_submodule(family.head)]
    head = model.get_output_embeddings()
    return [model.get_decoder(), *([] if head is None else [head])]


def taken_in(model: Any) -> list[str]:
    """Return the modules nested in the vision encoder that are counted to it, by name, in their order.

    Where there are any, the encoder's output is what the last of them hands out.
    """
    mine = components(model)["vision"]
    nested = _nested(model, families().get(model_type(model), Family()))
    return [part for part in nested if any(_below(name, [part]) for name in mine)]


def necks(model: Any) -> list[str]:
    """Return the vision encoder's own modules that map the states of its last layer, by name."""
    family = families().get(model_type(model), Family())
    return [f"{_name(model, _encoder(model))}.{part}" for part in family.neck]


def _nested(model: Any, family: Family) -> list[str]:
    return [f"{_name(model, _encoder(model))}.{part}" for part in family.nested]


def _name(model: Any, module: Any) -> str:
    return str(next(name for name, found in model.named_modules() if found is module))


def _below(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _loose(model: Any) -> list[tuple[str, Any]]:
    """Return parameters that a module holds beside sub-modules, such as a newline's vector."""
    return [
        (name, parameter)
        for module in model.modules()
        if any(True for _ in module.children())
        for name, parameter in module.named_parameters(recurse=False)
    ]


def _moved(model: Any, assign: Mapping[str, str]) -> dict[str, str]:
    """Return the component of each parameter that is assigned to one."""
    moved: dict[str, str] = {}
    known = groups(model) if assign else {}
    for told, component in assign.items():
        members = known.get(told) or [name for name, _ in model.named_parameters() if _below(name, [told])]
        if not members:
            raise EyechartError(
                f"{type(model).__name__} has no group and no module {told!r}",
                f"its groups: {', '.join(known) or 'none'}; or name one of its modules",
            )
        if component not in (*COMPONENTS, OTHER):
            raise EyechartError(
                f"there is no component {component!r}", f"one of {', '.join((*COMPONENTS, OTHER))}"
            )
        moved |= dict.fromkeys(members, component)
    return moved
