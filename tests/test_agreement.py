"""Every proved family answers alike in any batch and behind any padding."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

import owl  # noqa: E402
from tiny_families import build, inputs  # noqa: E402

from eyechart.subjects.components import families  # noqa: E402

TOLERANCE = 1e-4  # of log-probabilities, in float32
PADS, WRITTEN = 3, 4
OF_TOKENS = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
# One of each way in which positions, masks or visual features enter; the others are slow tests.
SPREAD = (
    *("llava", "paligemma", "gemma3", "idefics3", "lfm2_vl"),
    *("qwen2_vl", "qwen3_vl", "glm4v", "mplug_owl2", "mllama", "blip-2"),
)
PROVED = [name for name, family in families().items() if family.proved]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "model_type",
    [name if name in SPREAD else pytest.param(name, marks=pytest.mark.slow) for name in PROVED],
)
def test_a_prompt_is_answered_alone_as_in_a_batch_and_behind_padding(model_type: str) -> None:
    model, both = _model(model_type)
    alone = {name: value[: len(value) // 2] for name, value in both.items()}
    logp, text = _answer(model, alone)
    for other in (both, _padded(both)):
        found, written = _answer(model, other)
        assert float((found - logp).abs().max()) < TOLERANCE
        assert written == text
    careless = _padded(both)
    careless["attention_mask"] = torch.ones_like(careless["attention_mask"])
    assert float((_answer(model, careless)[0] - logp).abs().max()) > TOLERANCE


def _model(model_type: str) -> tuple[Any, dict[str, Any]]:
    own = model_type == "mplug_owl2"
    model = owl.tiny_model() if own else build(model_type)
    return model, (owl.tiny_inputs if own else inputs)(model, 0)


def _answer(model: Any, batch: dict[str, Any]) -> tuple[Any, list[int]]:
    """Return the log-probabilities of the first row's next token, and the tokens it goes on with."""
    with torch.no_grad():
        logp = torch.log_softmax(model(**batch).logits[0, -1], -1)
        written = model.generate(**batch, max_new_tokens=WRITTEN, do_sample=False)
    return logp, written[0].tolist()[-WRITTEN:]


def _padded(batch: dict[str, Any]) -> dict[str, Any]:
    """Return a batch whose first row is padded on the left, as the second one is longer."""
    found = dict(batch)
    for name in OF_TOKENS:
        if name in batch:
            first, second = batch[name]
            longer = {"input_ids": second[-1:], "attention_mask": torch.ones_like(second[:1])}
            more = longer.get(name, torch.zeros_like(second[:1])).repeat(PADS)
            pads = torch.zeros(PADS, dtype=first.dtype)
            found[name] = torch.stack([torch.cat([pads, first]), torch.cat([second, more])])
    if "cross_attention_mask" in batch:
        mask = batch["cross_attention_mask"]
        found["cross_attention_mask"] = torch.cat([torch.ones_like(mask[:, :PADS]), mask], 1)
    return found
