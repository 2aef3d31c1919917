"""A subject around a tiny random model of any family, whose images are the seeds of their random pixels."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import owl
import torch
from tiny_families import build, inputs

from eyechart.exam.engine import Scheme
from eyechart.exam.forest import Ask
from eyechart.subjects.entering import image_token_id
from eyechart.subjects.model import ModelSubject, Prompt

END, ROWS = 2, 2
ANSWERS = ((41,), (41, 42, END), (43, 44, 45))
# What does not read an answer's branches from one prompt (see test_engine).
SCHEMES: dict[str, Scheme] = {
    "qwen3_5": "stepwise",
    "lfm3_vl": "stepwise",
    "blip-2": "plain",
    "instructblip": "plain",
}


class FamilySubject(ModelSubject):
    """A tiny model; the images [0, 0] are its first batch of two, [1, 1] its second."""

    def __init__(self, family: str) -> None:
        own = family == "mplug_owl2"
        processor: Any = SimpleNamespace(
            tokenizer=SimpleNamespace(batch_decode=lambda ids, **_: [str(one) for one in ids])
        )
        super().__init__(family, owl.tiny_model() if own else build(family), processor)
        make = owl.tiny_inputs if own else inputs
        self._batches = [make(self.model, seed) for seed in range(2)]
        self.scheme = SCHEMES.get(family, "prompt")
        ids = self._batches[0]["input_ids"][0].tolist()
        image = image_token_id(self.model)
        places = tuple(i for i, token in enumerate(ids) if token == image)
        self.ask = Ask(Prompt("", tuple(ids), places), ANSWERS, write=False)

    @property
    def end_ids(self) -> set[int]:
        return {END}

    def inputs(self, images: Sequence[Any], text: str) -> dict[str, torch.Tensor]:
        return dict(self._batches[int(images[0])])
