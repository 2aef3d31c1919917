"""Every family can be tuned through its own forward pass, and its loss is the one that transformers gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import owl  # noqa: E402
from tiny_families import build, inputs  # noqa: E402

from eyechart.subjects.components import components, families  # noqa: E402
from eyechart.subjects.entering import visual_tokens  # noqa: E402
from eyechart.tune.whole import losses  # noqa: E402

PROVED = tuple(name for name, family in families().items() if family.proved)
ANSWERS = ((41, 2), (43, 44, 45, 2))

pytestmark = pytest.mark.filterwarnings("ignore")


def made(model_type: str) -> tuple[Any, dict[str, Any]]:
    if model_type == "mplug_owl2":
        model = owl.tiny_model()
        return model, owl.tiny_inputs(model, 0)
    model = build(model_type)
    return model, inputs(model, 0)


def one(batch: dict[str, Any], row: int) -> dict[str, Any]:
    """Return one example of a batch."""
    rows = len(batch["input_ids"])
    return {name: value.chunk(rows)[row] for name, value in batch.items()}


def by_transformers(model: Any, batch: dict[str, Any], row: int) -> float:
    """Return the model's own loss of one example, whose labels are the answer alone."""
    answer = torch.tensor([ANSWERS[row]])
    single = one(batch, row)
    ids = torch.cat([single["input_ids"], answer], 1)
    labels = torch.full_like(ids, -100)
    labels[:, -answer.shape[1] :] = answer
    single |= {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    for name in ("token_type_ids", "mm_token_type_ids", "cross_attention_mask"):
        if name in single:
            kept = single[name]
            last = kept[:, -1:] if name == "cross_attention_mask" else torch.zeros_like(kept[:, -1:])
            if model.config.model_type == "paligemma":
                last = last + 1  # what is written is read from left to right
            single[name] = torch.cat([kept] + [last] * answer.shape[1], 1)
    return float(model(**single, labels=labels).loss)


@pytest.mark.parametrize("model_type", PROVED)
def test_loss_is_that_of_transformers_with_labels_on_the_answer(model_type: str) -> None:
    model, batch = made(model_type)
    with torch.no_grad():
        tokens, found = losses(model, batch, ANSWERS)
        wanted = [by_transformers(model, batch, row) for row in range(2)]
        assert torch.equal(torch.cat(tokens), visual_tokens(model, batch))
    assert np.allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("model_type", ["llava", "internvl", "qwen2_5_vl", "qwen3_vl", "gemma3", "mllama"])
@pytest.mark.parametrize("component", ["vision", "projector", "language"])
def test_gradient_reaches_the_chosen_component_alone(model_type: str, component: str) -> None:
    model, batch = made(model_type)
    model.requires_grad_(False).train()
    for parameter in components(model)[component].values():
        parameter.requires_grad_(True)
    losses(model, batch, ANSWERS)[1].mean().backward()  # type: ignore[no-untyped-call]
    reached = {name for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert reached
    assert reached <= set(components(model)[component])
