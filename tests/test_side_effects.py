"""Side effects on neutral prompts: the numbers are exact, and show what was done to a subject."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from numpy.typing import NDArray
from scipy.stats import entropy

from eyechart.errors import EyechartError
from eyechart.measures.statistics import cluster_interval
from eyechart.subjects.model import ModelSubject
from eyechart.templates import load_templates
from eyechart.tune.side_effects import ALL, Answers, keep_answers, neutral_prompts, side_effects

CONTENTS = ("a", "a", "b", "c", "c")
TABLE = pd.DataFrame({"image_id": [f"p/{i}" for i in range(5)], "content": CONTENTS})
PROMPTS = ("Describe this image.", "What is it?")


def given(folder: Path, logits: NDArray[np.float64]) -> Answers:
    """Return answers with these logits, [prompts, images, vocabulary]."""
    folder.mkdir()
    for i, values in enumerate(torch.from_numpy(logits).log_softmax(-1).float().numpy()):
        np.save(folder / f"{i}.npy", values)
    return Answers(folder, PROMPTS, tuple(TABLE["image_id"]), CONTENTS)


def cells(table: pd.DataFrame, prompt: str, *names: str) -> list[float]:
    row = table[table["prompt"] == prompt].iloc[0]
    return [float(row[name]) for name in names]


def test_packaged_prompts_are_about_what_is_shown_alone() -> None:
    prompts = neutral_prompts()
    assert len(set(prompts)) == len(prompts) >= 5
    assert "Describe this image." in prompts
    words = ("quality", "distort", "blur", "nois", "sharp", "compress", "clean", "degrad")
    assert not [p for p in prompts if any(word in p.lower() for word in words)]
    assert not set(prompts) & {template.text for template in load_templates()}


def test_two_images_by_hand(tmp_path: Path) -> None:
    """Halves against a quarter and three quarters: ln 2 - ln(3) / 2, and the likeliest token changes."""
    one = np.log(np.array([[[0.5, 0.3, 0.2]] * 5, [[0.5, 0.5, 0.0]] * 5]) + 1e-300)
    two = np.log(np.array([[[0.5, 0.3, 0.2]] * 5, [[0.25, 0.75, 0.0]] * 5]) + 1e-300)
    found = side_effects(given(tmp_path / "one", one), given(tmp_path / "two", two))
    assert cells(found, PROMPTS[0], "agreement", "kl") == [1, 0]
    kl = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert kl == pytest.approx(np.log(2) - np.log(3) / 2)
    assert cells(found, PROMPTS[1], "agreement", "kl") == pytest.approx([0, kl], rel=1e-6)
    assert cells(found, ALL, "agreement", "kl") == pytest.approx([0.5, kl / 2], rel=1e-6)
    assert cells(found, ALL, "answers", "contents") == [10, 3]


def test_divergence_equals_scipys(tmp_path: Path) -> None:
    """At a real vocabulary's size, and in the direction from the base to the tuned subject."""
    draw = np.random.default_rng(0)
    one = draw.normal(0, 3, (2, 5, 50_000))
    two = one + draw.normal(0, 0.01, one.shape)
    before, after = given(tmp_path / "one", one), given(tmp_path / "two", two)
    found = side_effects(before, after)
    p, q = (np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in (one, two))
    assert cells(found, ALL, "kl")[0] == pytest.approx(entropy(p, q, axis=-1).mean(), rel=1e-3)
    for i, prompt in enumerate(PROMPTS):
        expected = cluster_interval(entropy(p[i], q[i], axis=-1), CONTENTS, seed=0)
        assert cells(found, prompt, "kl_low", "kl_high") == pytest.approx(
            [expected.low, expected.high], rel=1e-3
        )
    assert (side_effects(before, before)["kl"] == 0).all()


def test_kept_answers_are_the_models_own(subject: ModelSubject, tmp_path: Path) -> None:
    images = [*tiny.images(3), *tiny.images(2, seed=1, side=84)]  # of two sizes
    kept = keep_answers(subject, images, TABLE, tmp_path / "base", prompts=PROMPTS, batch=2)
    for i, prompt in enumerate(PROMPTS):
        text = subject.conversation(prompt)
        for image, found in zip(images, kept.logp(i), strict=True):
            with torch.no_grad():
                logits = subject.model(**subject.inputs([image], text)).logits[0, -1]
            assert np.allclose(found, logits.log_softmax(-1).numpy(), atol=1e-4)
    assert kept.logp(0).dtype == np.float32
    stamp = (tmp_path / "base" / "0.npy").stat().st_mtime_ns
    again = keep_answers(subject, images, TABLE, tmp_path / "base", prompts=PROMPTS)
    assert again == kept
    assert (tmp_path / "base" / "0.npy").stat().st_mtime_ns == stamp
    with pytest.raises(EyechartError, match="other prompts"):
        keep_answers(subject, images, TABLE, tmp_path / "base")


def test_a_changed_subject_is_seen_and_an_unchanged_one_is_not(pupil: ModelSubject, tmp_path: Path) -> None:
    images = tiny.images(5)

    def kept(subject: ModelSubject, name: str) -> Answers:
        return keep_answers(subject, images, TABLE, tmp_path / name, prompts=PROMPTS)

    before = kept(pupil, "before")
    same = side_effects(before, kept(copy.deepcopy(pupil), "same"))
    assert cells(same, ALL, "agreement", "kl", "kl_high") == [1, 0, 0]
    with torch.no_grad():
        for parameter in pupil.language.layers.parameters():
            parameter.mul_(-1)
    other = side_effects(before, kept(pupil, "other"))
    agreement, low, kl, high = cells(other, ALL, "agreement", "kl_low", "kl", "kl_high")
    assert agreement < 1
    assert 0 < low <= kl <= high


def test_what_cannot_be_compared_is_told(tmp_path: Path) -> None:
    one, two = (given(tmp_path / str(size), np.zeros((2, 5, size))) for size in (3, 4))
    with pytest.raises(EyechartError, match="vocabularies of 3 and 4"):
        side_effects(one, two)
    with pytest.raises(EyechartError, match="other prompts or images"):
        side_effects(one, replace(one, prompts=("Why?", "What is it?")))
    (tmp_path / "3" / "1.npy").write_bytes(b"not numbers")
    with pytest.raises(EyechartError, match=r"1\.npy is absent or damaged"):
        side_effects(one, one)
