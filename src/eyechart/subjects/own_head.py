"""A model's own way from the states of its language model to logits, for states of any layer.

Which module normalises, what a head does beside multiplying (Gemma caps its logits, Cohere and Granite scale
them) and what is tied differs from family to family. So none of it is rebuilt here: the states are put in
place of what the language model hands out, and the model's own forward pass goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

from eyechart.errors import EyechartError
from eyechart.subjects.stages import language_layers, states_of

if TYPE_CHECKING:
    import torch

_NUMBERS = 2**26  # logits held at a time, 256 MB in float32
_CACHED = 2**19


class OwnHead:
    """The last steps of a model, for any states.

    Args:
        model: a transformers image-text-to-text model in evaluation mode.
        inputs: what its processor returned for one conversation with one image; any will do.

    Raises:
        EyechartError: the steps behind the last layer cannot be repeated.
    """

    def __init__(self, model: Any, inputs: Mapping[str, Any]) -> None:
        self._model, self._inputs = model, dict(inputs)
        self._last, self._whole = language_layers(model)[-1]
        steps = _seen(model, self._inputs, self._last, self._whole)
        places = [i for i, (module, _) in enumerate(steps) if module is self._last]
        self._out, self._behind = steps[-1][1], [module for module, _ in steps[places[-1] + 1 : -1]]
        self._refuse_if_untrue(states_of(steps[places[-1]][1]))

    def normalise(self, states: torch.Tensor) -> torch.Tensor:
        """Return what the language model makes of the states of a layer when no layer follows.

        Args:
            states: [m, width], as a layer hands them out.
        """
        for module in self._behind:
            states = states_of(module(states))
        return states

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Return the model's own logits of normalised states, [m, width] to [m, vocabulary]."""
        out: Any = states[None]
        if isinstance(self._out, tuple):
            out = (out, *self._out[1:])
        elif hasattr(self._out, "last_hidden_state"):
            out = copy(self._out)
            out.last_hidden_state = states[None]
        with _handing_out(self._whole, out):
            found: torch.Tensor = self._model(**self._inputs).logits[0]
        return found

    def log_p(self, states: torch.Tensor, tokens: torch.Tensor, *, normalised: bool) -> torch.Tensor:
        """Return the log-probabilities of some tokens after each of many states.

        Args:
            states: [m, width], on any device.
            tokens: token ids, [k].
            normalised: whether they are behind the final normalisation; others go through it first.

        Returns:
            float32 [m, k] on the CPU; the softmax is over the whole vocabulary.
        """
        import torch

        width = self._model.get_output_embeddings().weight.shape[0]
        device = next(self._model.parameters()).device
        found = []
        for part in torch.split(states, max(1, _NUMBERS // width)):
            here = part.to(device)
            logits = self.logits(here if normalised else self.normalise(here))
            total = torch.cat([few.float().logsumexp(-1) for few in torch.split(logits, _rows(logits))])
            found.append((logits[:, tokens.to(device)].float() - total[:, None]).cpu())
        return torch.cat(found)

    def _refuse_if_untrue(self, last: torch.Tensor) -> None:
        """Refuse a model whose own logits do not follow from the last layer's states by these steps."""
        import torch

        own = self._model(**self._inputs).logits[0].float()
        found = self.logits(self.normalise(last[0])).float()
        if own.shape != found.shape or not torch.allclose(own, found, atol=2e-2, rtol=2e-2):
            raise EyechartError(
                f"the logits of {type(self._model).__name__} do not follow from its last layer's states",
                "this family cannot be read by a logit lens",
            )


def _rows(logits: torch.Tensor) -> int:
    """Return how many rows of logits are summed at a time: on a CPU so few that they stay in its cache."""
    return max(1, (_NUMBERS if logits.is_cuda else _CACHED) // logits.shape[1])


def _seen(model: Any, inputs: Mapping[str, Any], last: Any, whole: Any) -> list[tuple[Any, Any]]:
    """Return what the language model calls and what that hands out, in order; it itself comes last."""
    steps: list[tuple[Any, Any]] = []
    hooks = [
        module.register_forward_hook(lambda module, _, out: steps.append((module, out)))
        for module in (*whole.children(), last, whole)
    ]
    try:
        model(**inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return steps


@contextmanager
def _handing_out(module: Any, out: Any) -> Iterator[None]:
    """Let a module hand out something, without computing."""
    own = vars(module).get("forward")  # set by what spreads a model over devices
    module.forward = lambda *_, **__: out
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own
