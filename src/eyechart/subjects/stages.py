"""The states of a model at each stage of its way from an image to an answer, read by hooks, an image each.

A stage is a layer of the vision encoder, the encoder's output, the projector's output (what enters the
language model), or a layer of the language model at the image positions. Layers are found by a rule: the
outermost lists of modules all of whose parameters belong to the component (see
:func:`eyechart.subjects.components.components`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

from eyechart.errors import EyechartError
from eyechart.subjects.components import assigned, components, groups, nested_parts, taken_in
from eyechart.subjects.entering import Entering, at_image_positions, entering, image_token_id

if TYPE_CHECKING:
    import torch

ENCODED, PROJECTED, LAST = "encoder output", "projector output", "language last position"


def stage_names(model: Any) -> tuple[str, ...]:
    """Return the stages of a model in the order in which an image passes them.

    ``encoder 1`` ... ``encoder N``, ``encoder output``, ``projector output``, ``language 1`` ... ``language
    M``, ``language last position``. A model that looks at the image by cross-attention (Mllama) has no image
    positions, and so no ``language 1`` ... ``language M``.

    Raises:
        EyechartError: the parts of the model cannot be told apart.
    """
    encoder = [f"encoder {i}" for i, _ in enumerate(_layers(model, "vision"), 1)]
    language = [f"language {i}" for i, _ in enumerate(_layers(model, "language"), 1)]
    return (*encoder, ENCODED, PROJECTED, *([] if _crosses(model) else language), LAST)


def stages(
    model: Any, inputs: Mapping[str, Any], names: Sequence[str] | None = None
) -> dict[str, list[torch.Tensor]]:
    """Return the states at each stage, one tensor [tokens, width] an image.

    Of the encoder: every token of the image as the layer hands it out, in its own order, class and register
    tokens included, all tiles of an image together; patches that only pad a batch or a tile are left out.
    ``encoder output`` is what the encoder returns, or what its nested merger is given. ``projector output``
    is what enters the language model, bit for bit (:func:`eyechart.subjects.entering.visual_tokens`).
    ``language 1`` ... are the states at the image positions; the last one, and ``language last position``
    [1, width], are behind the final normalisation, as in transformers' ``hidden_states``.

    Args:
        model: a transformers image-text-to-text model in evaluation mode.
        inputs: what its processor returned for one conversation and one image a row, all images of one size
            unless the processor gives their grids (``image_grid_thw``).
        names: some of :func:`stage_names`; None gives all. The language model computes only if needed.

    Raises:
        EyechartError: there is no such stage, with the reason.
    """
    wanted = stage_names(model) if names is None else tuple(names)
    _refuse_unknown(model, wanted)
    places = _places(model, wanted)
    onward = any(name.startswith("language") for name in wanted)
    few = {"logits_to_keep": 1} if "logits_to_keep" in signature(model.forward).parameters else {}
    with _kept(places) as kept:
        door = entering(model, {**inputs, **few}, onward=onward)
    found = {}
    for name in wanted:
        if name == PROJECTED:
            found[name] = projected(model, inputs, door)
        elif not kept[name]:
            raise EyechartError(
                f"{type(model).__name__} does not pass {name!r} on its way to an answer", "name another stage"
            )
        elif name.startswith("encoder"):
            found[name] = _of_images(model, inputs, name, kept[name])
        else:
            found[name] = _of_positions(model, inputs, name, kept[name][-1])
    return found


def text_states(model: Any, ids: torch.Tensor, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """Return the language model's states of texts without an image, [n, length, width] by layer.

    Args:
        model: a transformers image-text-to-text model in evaluation mode.
        ids: texts of one length, [n, length].
        names: some of ``language 1`` ..., see :func:`stages`.
    """
    import torch

    with _kept(_places(model, names)) as kept:
        model.get_decoder()(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    return {name: kept[name][-1] for name in names}


def encoder_layers(model: Any) -> list[tuple[Any, Any]]:
    """Return the vision encoder's layers in their order, each with the module that holds it."""
    return _layers(model, "vision")


def language_layers(model: Any) -> list[tuple[Any, Any]]:
    """Return the language model's layers in their order, each with the module that holds it."""
    return _layers(model, "language")


@dataclass(frozen=True)
class _Place:
    """Where a stage is read: a module, at its input or its output."""

    module: Any
    at_input: bool = False


def _layers(model: Any, component: str) -> list[tuple[Any, Any]]:
    """Return a component's layers, each with the module that holds it."""
    import torch

    # A group that is counted to another component lies among the layers as before, and is none itself.
    moved = {what: where for what, where in assigned(model).items() if what not in groups(model)}
    mine = {id(parameter) for parameter in components(model, moved)[component].values()}
    modules: dict[str, Any] = dict(model.named_modules())
    inside: tuple[str, ...] = ()
    found = []
    for name, module in modules.items():
        held = {id(parameter) for parameter in module.parameters()}
        if isinstance(module, torch.nn.ModuleList) and held and held <= mine and not name.startswith(inside):
            inside += (f"{name}.",)
            found += [(layer, modules[name.rpartition(".")[0]]) for layer in module]
    return found


def _places(model: Any, names: Sequence[str]) -> dict[str, _Place]:
    """Return where each stage is read, but for the projector's output, which is caught at the door."""
    encoder, language = _layers(model, "vision"), _layers(model, "language")
    places = {f"encoder {i}": _Place(layer) for i, (layer, _) in enumerate(encoder, 1)}
    places |= {f"language {i}": _Place(layer) for i, (layer, _) in enumerate(language, 1)}
    whole = _Place(language[-1][1])  # what holds the last layer normalises its states
    places |= {f"language {len(language)}": whole, LAST: whole}
    places[ENCODED] = _end(model)
    return {name: places[name] for name in names if name != PROJECTED}


def _end(model: Any) -> _Place:
    """Return where the vision encoder ends: before what is nested in it, or behind, if that counts to it."""
    import torch

    if nested := nested_parts(model):
        return _Place(model.get_submodule(nested[0]), at_input=True)
    own = [model.get_submodule(name) for name in taken_in(model)]
    single = [module for module in own if not isinstance(module, torch.nn.ModuleList)]
    return _Place(single[-1] if single else model.get_encoder(modality="image"))


@contextmanager
def _kept(places: Mapping[str, _Place]) -> Iterator[dict[str, list[torch.Tensor]]]:
    """Keep a copy of the states at each place, one for each time that the model passes it."""
    kept: dict[str, list[torch.Tensor]] = {name: [] for name in places}
    hooks = []
    for name, place in places.items():
        if place.at_input:
            hook = place.module.register_forward_pre_hook(
                lambda _, args, name=name: kept[name].append(args[0].clone())
            )
        else:
            hook = place.module.register_forward_hook(
                lambda _, args, out, name=name: kept[name].append(states_of(out).clone())
            )
        hooks.append(hook)
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def states_of(out: Any) -> Any:
    """Return the states in what a module hands out: a tensor, a tuple that begins with it, or a record."""
    found = out[0] if isinstance(out, (tuple, list)) else out
    return getattr(found, "last_hidden_state", found)


def _of_images(
    model: Any, inputs: Mapping[str, Any], name: str, passes: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """Return the encoder's states by image."""
    import torch

    count = len(inputs["input_ids"])
    states = torch.cat(list(passes))
    if name == ENCODED and states.ndim == 4:  # of a convolution, which has the width as second axis
        states = states.movedim(1, -1)
    if "aspect_ratio_mask" in inputs:
        return _real_tiles(model, inputs["aspect_ratio_mask"], states)
    real = inputs.get("pixel_attention_mask")
    rows = states.reshape(-1, states.shape[-1])
    if real is not None and real.shape == states.shape[:2]:  # patches that pad a picture to the widest
        sizes = real.reshape(count, -1).sum(1).tolist()
        return list(torch.split(rows[real.reshape(-1).bool()], sizes))
    return list(torch.split(rows, _sizes(inputs, count, len(rows))))


def _sizes(inputs: Mapping[str, Any], count: int, rows: int) -> list[int]:
    """Return how many of the encoder's rows are each image's."""
    shares = [1] * count
    if "image_grid_thw" in inputs:
        shares = inputs["image_grid_thw"].prod(1).tolist()
    if len(shares) != count or any(rows * share % sum(shares) for share in shares):
        raise EyechartError(
            f"{rows} states of the encoder do not divide into {count} images",
            "give one image a prompt, all of one size",
        )
    return [rows * share // sum(shares) for share in shares]


def _real_tiles(model: Any, real: torch.Tensor, states: torch.Tensor) -> list[torch.Tensor]:
    """Return Mllama's states by image, without tiles and patches that only pad.

    Args:
        model: a Mllama.
        real: which tiles hold a part of the image, [n, 1, tiles].
        states: [n, tiles x padded patches, width] of a layer; [n, 1, tiles, patches, width] of the encoder.
    """
    patches = model.get_encoder(modality="image").num_patches
    count, tiles = len(real), real.shape[-1]
    each = states.reshape(count, tiles, -1, states.shape[-1])[:, :, :patches]
    return [
        image[mask.bool()].flatten(0, 1) for image, mask in zip(each, real.reshape(count, tiles), strict=True)
    ]


def _of_positions(
    model: Any, inputs: Mapping[str, Any], name: str, states: torch.Tensor
) -> list[torch.Tensor]:
    """Return the language model's states at each prompt's image positions, or at its last position."""
    if name == LAST:
        last = [int(row.nonzero()[-1]) for row in inputs["attention_mask"]]
        return [row[at : at + 1] for row, at in zip(states, last, strict=True)]
    at = inputs["input_ids"] == image_token_id(model)
    return [row[mask] for row, mask in zip(states, at, strict=True)]


def projected(model: Any, inputs: Mapping[str, Any], door: Entering) -> list[torch.Tensor]:
    """Return the visual tokens of what entered the language model, [tokens, width] an image."""
    import torch

    tokens, ids = at_image_positions(model, inputs, door), inputs["input_ids"]
    if _crosses(model):
        return list(tokens.chunk(len(ids)))
    return list(torch.split(tokens, (ids == image_token_id(model)).sum(1).tolist()))


def _crosses(model: Any) -> bool:
    """Say whether the language model looks at the image by cross-attention, so that no position is its."""
    return "cross_attention_states" in signature(model.get_decoder().forward).parameters


def _refuse_unknown(model: Any, names: Sequence[str]) -> None:
    known = stage_names(model)
    for name in names:
        if name in known:
            continue
        why = ""
        if _crosses(model) and name.startswith("language"):
            why = ": it looks at the image by cross-attention, and no position of the prompt is the image's"
        raise EyechartError(
            f"{type(model).__name__} has no stage {name!r}{why}", f"one of {', '.join(known)}"
        )
