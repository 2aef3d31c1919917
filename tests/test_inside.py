"""Semantic distance against independent computation; the ladder finds a planted signal and no absent one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch

from eyechart.inside.config import InsideConfig
from eyechart.inside.distance import _against, cosines, semantic_distance
from eyechart.inside.stages import probe_stages
from eyechart.subjects.model import ModelSubject

K = len(tiny.LABELS)


def table(count: int, contents: int = 4) -> pd.DataFrame:
    rows = np.arange(count)
    return pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in rows],
            "content": [f"c{k % contents}" for k in rows],
            "label": [tiny.LABELS[k // contents % K] for k in rows],
            "distortion": "x",
            "level": 1,
        }
    )


def answers(images: pd.DataFrame) -> pd.DataFrame:
    """Return choose rows of two templates, in an order other than the images'."""
    draw = np.random.default_rng(3)
    parts = []
    for template, kind in (("held", "held-out"), ("train", "train")):
        logp = np.log(draw.dirichlet(np.ones(K), len(images)))
        part = pd.DataFrame({"image_id": images["image_id"], "template": template, "template_split": kind})
        part = part.assign(readout="choose", logp=list(logp - 1), logp_first=list(logp))
        parts += [part.sample(frac=1, random_state=0), part.assign(readout="generate", logp=None)]
    return pd.concat(parts, ignore_index=True)


def test_distance_equals_numpy(internvl: ModelSubject) -> None:
    images, tokens = table(8), internvl.visual_tokens(tiny.images(8))
    asked = answers(images)
    found = semantic_distance(internvl, "base", images, tokens, tiny.LABELS, asked)
    embeddings = internvl.model.get_input_embeddings().weight.detach().double().numpy()
    split = [internvl.processor.tokenizer(f" {label}")["input_ids"] for label in tiny.LABELS]
    words = np.stack([embeddings[ids].mean(0) for ids in split])
    visual = torch.stack(tokens).double().numpy()
    spaces = {
        "raw": (visual, words),
        "centred": (visual - visual.reshape(-1, visual.shape[-1]).mean(0), words - embeddings.mean(0)),
    }
    for kind, (seen, text) in spaces.items():
        for row, label in enumerate(images["label"]):
            y = tiny.LABELS.index(label)
            each = np.array(
                [[v @ t / (np.linalg.norm(v) * np.linalg.norm(t)) for t in text] for v in seen[row]]
            )
            mean = each.mean(0)
            own = found.iloc[row]
            assert own[f"{kind}_own"] == pytest.approx(mean[y], abs=1e-5)
            assert own[f"{kind}_max"] == pytest.approx(each[:, y].max(), abs=1e-5)
            assert own[f"{kind}_margin"] == pytest.approx(mean[y] - np.delete(mean, y).max(), abs=1e-5)
            assert own[f"{kind}_rank"] == list(np.argsort(-mean)).index(y) + 1
            assert own[f"{kind}_argmax"] == tiny.LABELS[int(mean.argmax())]


def test_probabilities_come_from_the_train_template_by_image(internvl: ModelSubject) -> None:
    images, tokens = table(8), internvl.visual_tokens(tiny.images(8))
    asked = answers(images)
    found = semantic_distance(internvl, "base", images, tokens, tiny.LABELS, asked)
    chosen = asked[(asked["template"] == "train") & (asked["readout"] == "choose")]
    by_image = {row["image_id"]: row for _, row in chosen.iterrows()}
    for row, label in enumerate(images["label"]):
        y, source = tiny.LABELS.index(label), by_image[images["image_id"][row]]
        assert found["next_token_p"][row] == pytest.approx(np.exp(source["logp_first"][y]))
        assert found["full_p"][row] == pytest.approx(np.exp(source["logp"][y]))
        assert found["argmax_next"][row] == tiny.LABELS[int(source["logp_first"].argmax())]
    assert list(found[["image_id", "label", "arm"]].iloc[0]) == ["i0", "blur", "base"]


def test_cosines_by_hand() -> None:
    visual = torch.tensor([[[3.0, 4.0], [0.0, 2.0]]])
    text = torch.tensor([[1.0, 0.0], [0.0, 5.0]])
    assert np.allclose(cosines(visual, text), [[[0.6, 0.8], [0.0, 1.0]]])
    # Centred: tokens lose their mean (1.5, 3), words lose the vocabulary's mean (1, 1).
    centred = cosines(visual - visual.mean((0, 1)), text - 1)
    root = np.sqrt(3.25 * 17)
    assert np.allclose(
        centred, [[[-1 / np.sqrt(3.25), (-1.5 + 4) / root], [1 / np.sqrt(3.25), (1.5 - 4) / root]]]
    )


def test_rank_and_margin_by_hand() -> None:
    scores = np.array([[0.3, 0.1, 0.2], [0.3, 0.1, 0.2], [0.5, 0.5, 0.4]])
    found = _against(scores, np.array([0, 1, 1]), ("a", "b", "c"))
    assert np.allclose(found["own"], [0.3, 0.1, 0.5])
    assert np.allclose(found["margin"], [0.1, -0.2, 0.0])
    assert list(found["rank"]) == [1, 3, 1]
    assert found["argmax"] == ["a", "a", "a"]


def probed(strength: float, seed: int = 0) -> dict[Any, Any]:
    """Probe features that carry the label with a strength, beside a strong trace of the content."""
    draw = np.random.default_rng(seed)
    train, test = table(360, contents=9), table(160, contents=8).assign(content=lambda t: "t" + t["content"])
    rows = pd.concat([train, test], ignore_index=True)
    signal = draw.normal(size=(K, 40))[[tiny.LABELS.index(label) for label in rows["label"]]]
    trace = draw.normal(size=(rows["content"].nunique(), 40))[pd.factorize(rows["content"])[0]]
    values = strength * signal + trace + draw.normal(size=(len(rows), 40))
    config = InsideConfig(components=20)
    found = probe_stages({"stage": values.astype(np.float32)}, "base", train, test, config, seed)
    return {row["kind"]: row for row in found.to_dict("records")}


def test_ladder_finds_a_planted_signal() -> None:
    found = probed(3.0)
    assert found["probe"]["accuracy"] > 0.95
    assert found["probe"]["low"] > 0.9
    assert found["shuffled"]["accuracy"] < 0.45
    assert [(row["n"], row["contents"]) for row in found.values()] == [(160, 8), (160, 8)]


def test_ladder_does_not_find_an_absent_signal() -> None:
    accuracy = [probed(0.0, seed)["probe"]["accuracy"] for seed in range(3)]
    assert abs(np.mean(accuracy) - 1 / K) < 0.08
