"""Which parameters are the vision encoder, the projector and the language model: an exact partition."""

from __future__ import annotations

from typing import Any

from eyechart.errors import EyechartError

COMPONENTS = ("vision", "projector", "language")
# What families call the part between encoder and language model (transformers has no common accessor for it).
_PROJECTORS = ("multi_modal_projector", "connector", "mm_projector", "aligner", "projector", "merger")


def components(model: Any) -> dict[str, dict[str, Any]]:
    """Return the parameters of each component by name; every parameter belongs to exactly one.

    Args:
        model: a transformers image-text-to-text model.

    Raises:
        EyechartError: a component has no parameter.
    """
    vision = {id(p) for p in model.get_encoder(modality="image").parameters()}
    parts: dict[str, dict[str, Any]] = {name: {} for name in COMPONENTS}
    for name, parameter in model.named_parameters():
        if any(piece in _PROJECTORS for piece in name.split(".")):
            parts["projector"][name] = parameter
        elif id(parameter) in vision:
            parts["vision"][name] = parameter
        else:
            parts["language"][name] = parameter
    for component, parameters in parts.items():
        if not parameters:
            raise EyechartError(
                f"no parameter of {type(model).__name__} was recognised as {component}",
                "this family needs its own component map",
            )
    return parts


def projector_of(model: Any) -> Any:
    """Return the projector's module: the outermost one with a projector's name."""
    for name, module in model.named_modules():
        if name.rsplit(".", 1)[-1] in _PROJECTORS:
            return module
    raise EyechartError(
        f"no projector was recognised in {type(model).__name__}", "this family needs its own component map"
    )
