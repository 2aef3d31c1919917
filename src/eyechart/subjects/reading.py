"""Read on from a beginning that the model remembers: further tokens, each with its own place and view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eyechart.errors import EyechartError

if TYPE_CHECKING:
    import torch

# What a processor returns for each token of the prompt; of other tensors (pixels) all is the beginning's.
PER_TOKEN = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "cross_attention_mask")


class Reader:
    """A model that has read the beginning of a batch of prompts, all of one length, images included.

    Args:
        model: a transformers image-text-to-text model.
        inputs: what its processor made of whole prompts, [n, ...].
        start: how many of their tokens are read as the beginning.

    Attributes:
        last: logits after the beginning, [n, vocabulary].
    """

    def __init__(self, model: Any, inputs: Mapping[str, torch.Tensor], start: int) -> None:
        self.model, self.rows, self.start = model, len(inputs["input_ids"]), start
        known = signature(model.forward).parameters
        self._trims = "logits_to_keep" in known
        beginning = {name: v[:, :start] if name in PER_TOKEN else v for name, v in inputs.items()}
        with _Places(model) as places:
            out = model(**beginning, use_cache=True, **({"logits_to_keep": 1} if self._trims else {}))
        self.last: torch.Tensor = out.logits[:, -1]
        self.memory: Any = getattr(out, "past_key_values", None)
        if self.memory is None:
            raise EyechartError(f"{type(model).__name__} hands out no keys and values", "ask it plainly")
        self._next, self._axes = places.following(self.rows, start)
        self._beside: dict[str, torch.Tensor] = {}
        if "cross_attention_mask" in beginning:  # text sees the image as the last token before it does
            self._beside["cross_attention_mask"] = beginning["cross_attention_mask"][:, -1:]

    def read(
        self,
        tokens: Sequence[int] | torch.Tensor,
        depths: Sequence[int] | NDArray[np.int64],
        sees: NDArray[np.bool_],
        keep: Sequence[int] | None = None,
    ) -> torch.Tensor:
        """Read further tokens in one pass and remember them.

        Args:
            tokens: token ids, [m] for all rows alike, or [n, m].
            depths: how many tokens stand between the beginning and each, [m].
            sees: which tokens since the beginning each one sees, those read before included, [m, all].
            keep: places among ``tokens`` whose predictions are wanted; None is all.

        Returns:
            Logits [n, kept, vocabulary].
        """
        import torch

        device = self.last.device
        ids = torch.as_tensor(tokens, device=device)
        ids = ids.expand(self.rows, -1) if ids.ndim == 1 else ids
        place = self._next[:, None] + torch.as_tensor(np.asarray(depths), device=device)
        more = {name: v.expand(-1, ids.shape[1], *v.shape[2:]) for name, v in self._beside.items()}
        if keep is not None and self._trims:
            more["logits_to_keep"] = torch.tensor(keep, device=device)
        logits: torch.Tensor = self.model(
            input_ids=ids,
            attention_mask=None if _in_order(sees) else self._mask(sees),
            position_ids=place.expand(self._axes, -1, -1) if self._axes else place,
            past_key_values=self.memory,
            use_cache=True,
            **more,
        ).logits
        return logits if keep is None or self._trims else logits[:, list(keep)]

    def copy(self) -> Reader:
        """Return a reader that has read the same, and reads on by itself."""
        other = copy(self)
        other.memory = deepcopy(self.memory)
        return other

    def forget(self) -> None:
        """Forget all but the beginning."""
        if further := self.memory.get_seq_length() - self.start:
            self.memory.crop(-further)  # a negative number means this in every version

    def _mask(self, sees: NDArray[np.bool_]) -> torch.Tensor:
        """Return the attention mask [n, 1, m, all]; the beginning is seen by every token."""
        import torch

        seen = np.concatenate([np.ones((len(sees), self.start), bool), sees], 1)
        mask = torch.from_numpy(seen).to(self.last.device)
        if self.model.get_decoder().config._attn_implementation != "sdpa":
            dtype = self.model.dtype
            mask = torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, torch.finfo(dtype).min)
        return mask.expand(self.rows, 1, -1, -1)


def _in_order(sees: NDArray[np.bool_]) -> bool:
    """Say whether every token sees all before it: the model's own mask says so, too."""
    count, all_tokens = sees.shape
    return bool(np.array_equal(sees, np.tri(count, all_tokens, all_tokens - count, dtype=bool)))


class _Places:
    """The positions that the language model is given for the beginning, seen at its door."""

    def __init__(self, model: Any) -> None:
        self._decoder, self._given = model.get_decoder(), None

    def __enter__(self) -> _Places:
        def look(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._given = kwargs.get("position_ids")

        self._hook = self._decoder.register_forward_pre_hook(look, with_kwargs=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def following(self, rows: int, start: int) -> tuple[torch.Tensor, int]:
        """Return each row's next position, [n], and the number of their axes (0: one, unnamed)."""
        import torch

        given = self._given
        if given is None:
            return torch.full((rows,), start), 0
        if given.ndim == 3:  # time, height and width (Qwen2-VL and its kin); text moves along all of them
            return given.amax((0, 2)).expand(rows) + 1, given.shape[0]
        return given.amax(1).expand(rows) + 1, 0
