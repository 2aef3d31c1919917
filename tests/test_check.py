"""The check of a subject with its processor, in every type of weights."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import tiny  # noqa: E402

from eyechart.subjects.check import check_subject  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402

DTYPES = ["float32", "bfloat16", "float16"]


def _failed(subject: ModelSubject, dtype: str, tensors: int | None = 1) -> list[str]:
    subject.model.to(getattr(torch, dtype))
    return [claim.claim for claim in check_subject(subject, tiny.images(2), tensors) if not claim.holds]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("make", [tiny.internvl, tiny.llava])
def test_a_subject_with_its_processor_passes_the_check(make: Any, dtype: str) -> None:
    subject: ModelSubject = make()
    assert _failed(subject, dtype, None if dtype == "float32" else 1) == []
    told = check_subject(subject, tiny.images(2), 1)[-1]
    assert told.claim.startswith("a padded batch")
    assert "tolerance" in told.evidence


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_batch_that_depends_on_its_padding_is_told(dtype: str) -> None:
    subject = tiny.internvl()
    forward = subject.model.forward

    @wraps(forward)
    def careless(*args: Any, attention_mask: Any = None, **inputs: Any) -> Any:
        return forward(*args, **inputs)  # padding is read as text

    subject.model.forward = careless
    assert "a padded batch answers as each prompt alone" in _failed(subject, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_images_that_are_mixed_up_in_a_batch_are_told(dtype: str) -> None:
    subject = tiny.llava()
    projector = subject.model.model.multi_modal_projector
    projector.register_forward_hook(lambda _, args, out: out.roll(1, 0))
    failed = _failed(subject, dtype)
    assert "the states at every stage are told apart by image" in failed
