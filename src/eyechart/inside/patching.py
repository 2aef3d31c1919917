"""Put states of one run of a model into another: what is seen, at which layer, at which positions.

The means is that of causal mediation (Vig et al., arXiv 2004.12265; Meng et al., arXiv 2202.05262), by hooks
on the model's own forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.exam.engine import Scheme, read
from eyechart.exam.forest import Ask
from eyechart.inside.remember import Remembered, modules_of
from eyechart.subjects.components import assigned, components
from eyechart.subjects.model import ModelSubject, Pixels
from eyechart.subjects.stages import language_layers, stage_names, states_of

if TYPE_CHECKING:
    import torch

IMAGE, ANSWER = "image", "answer"
_CROSS, _DEEP = "cross_attention_states", "deepstack_visual_embeds"  # visual features that enter beside
Floats = NDArray[np.float64]


class Patch(NamedTuple):
    """Where states are replaced.

    ``stage`` is 0 for what enters the language model, l for what its l-th layer hands out. ``where`` is
    ``image`` for the image's positions, ``answer`` for those that foretell the answer: the prompt's last one
    and those of the answer's own words.
    """

    stage: int
    where: str


@dataclass
class Trace:
    """One unpatched run over a batch.

    Attributes:
        logp: log p of each whole answer, float64 [n, answers].
        states: at each place [n, positions, width], once for each time that the model passes it.
        beside: visual features that enter inner layers, once for each pass over the prompt.
        seen: what vision encoder and projector handed out.
    """

    seen: Remembered
    logp: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    states: dict[Patch, list[torch.Tensor]] = field(default_factory=dict)
    beside: list[dict[str, Any]] = field(default_factory=list)


class Patcher:
    """Runs one question on batches of images of one size, and puts states of one run into another.

    Two runs pass the language model equally often: over the prompt, then over the answers. Vision encoder and
    projector compute once a batch. Where visual features enter inner layers too (Qwen3-VL's deep stack),
    those that enter from the patched stage on are replaced with the states: they are the image's as well.

    Args:
        subject: the model.
        ask: the question with its answers.
        stages: stages at which states are kept, see :class:`Patch`.
        scheme: how the subject is asked (see :mod:`eyechart.exam.engine`).

    Attributes:
        places: where this model can be patched. One that looks by cross-attention (Mllama) has no image
            positions: only what its cross-attention reads (stage 0) can be replaced.
    """

    def __init__(
        self, subject: ModelSubject, ask: Ask, stages: Sequence[int], scheme: Scheme = "prompt"
    ) -> None:
        self._subject, self._ask, self._scheme = subject, ask, scheme
        layers, parts = language_layers(subject.model), components(subject.model)
        early = {} if assigned(subject.model) else parts["vision"] | parts["projector"]  # else parts are late
        self._layers = {stage: layers[stage - 1][0] for stage in stages if stage}
        self._early = modules_of(subject.model, early)
        crosses = "language 1" not in stage_names(subject.model)
        self._image = [] if crosses else list(ask.prompt.image_positions)
        self.places = (
            *(Patch(stage, IMAGE) for stage in stages if not (crosses and stage)),
            *(Patch(stage, ANSWER) for stage in stages if stage),
        )

    def run(self, images: Sequence[Pixels]) -> Trace:
        """Return an unpatched run."""
        trace = Trace(Remembered(self._early))

        def keep(place: Patch, states: Any, at: Any) -> None:
            trace.states.setdefault(place, []).append(states[:, at].clone())

        def keep_beside(given: dict[str, Any]) -> dict[str, Any]:
            trace.beside.append(given)
            return given

        with self._hooked(self.places, keep, keep_beside), trace.seen.used():
            trace.logp = self._read(images)
        return trace

    def patched(self, images: Sequence[Pixels], into: Trace, source: Trace, place: Patch) -> Floats:
        """Return log p of each answer, [n, answers], with states of ``source`` in the run ``into``.

        Args:
            images: those of ``into``.
            into: the run that is changed.
            source: the run that the states are of.
            place: where.

        Raises:
            EyechartError: the model cannot be patched there.
        """
        if place not in self.places:
            raise EyechartError(
                f"{type(self._subject.model).__name__} cannot be patched at {place.where} positions of stage "
                f"{place.stage}: it was not kept, or no position of the prompt is the image's",
                f"one of {', '.join(f'{stage} ({where})' for stage, where in self.places)}",
            )
        waiting, beside = iter(source.states.get(place, [])), iter(source.beside)

        def put(_: Patch, states: Any, at: Any) -> Any:
            changed = states.clone()
            changed[:, at] = next(waiting)
            return changed

        def put_beside(given: dict[str, Any]) -> dict[str, Any]:
            other = next(beside)
            return _mixed(given, other, place.stage) if place.where == IMAGE else given

        with self._hooked([place], put, put_beside), into.seen.used():
            return self._read(images)

    def _read(self, images: Sequence[Pixels]) -> Floats:
        return read(self._subject, images, [self._ask], scheme=self._scheme)[0].logp

    @contextmanager
    def _hooked(
        self,
        places: Sequence[Patch],
        act: Callable[[Patch, Any, Any], Any],
        beside: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> Iterator[None]:
        """Let ``act`` keep or change the states at places, ``beside`` the features that enter beside them."""
        at: dict[str, Any] = {}

        def door(_: Any, args: Any, kwargs: dict[str, Any]) -> Any:
            known = kwargs.get("past_key_values")
            prompt = known is None or known.get_seq_length() == 0
            at[IMAGE] = self._image if prompt else []
            at[ANSWER] = [-1] if prompt else slice(None)
            if not prompt:
                return None
            changed = dict(kwargs)
            if Patch(0, IMAGE) in places and self._image:
                states = act(Patch(0, IMAGE), kwargs["inputs_embeds"], self._image)
                changed["inputs_embeds"] = kwargs["inputs_embeds"] if states is None else states
            features = (name for name in (_CROSS, _DEEP) if kwargs.get(name) is not None)
            changed |= beside({name: kwargs[name] for name in features})
            return args, changed

        def layer(place: Patch) -> Any:
            def hook(_: Any, args: Any, out: Any) -> Any:
                if at[place.where] == []:
                    return None
                states = act(place, states_of(out), at[place.where])
                return None if states is None else _with_states(out, states)

            return hook

        hooks = [self._subject.model.get_decoder().register_forward_pre_hook(door, with_kwargs=True)]
        hooks += [self._layers[p.stage].register_forward_hook(layer(p)) for p in places if p.stage]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _with_states(out: Any, states: Any) -> Any:
    """Return what a layer handed out with other states."""
    if isinstance(out, (tuple, list)):
        return type(out)((states, *out[1:]))
    if hasattr(out, "last_hidden_state"):
        out = copy(out)
        out.last_hidden_state = states
        return out
    return states


def _mixed(into: dict[str, Any], source: dict[str, Any], stage: int) -> dict[str, Any]:
    """Return visual features that enter beside: those from a stage on are the other run's."""
    found = dict(into)
    if _CROSS in into and not stage:
        found[_CROSS] = source[_CROSS]
    if _DEEP in into:  # the first of them is added to what the first layer hands out
        first = max(stage - 1, 0)
        found[_DEEP] = [*into[_DEEP][:first], *source[_DEEP][first:]]
    return found
