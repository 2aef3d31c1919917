"""Semantic distance against independent computation; planted nearness is found, an absent one is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics.pairwise import cosine_similarity

from eyechart.inside.controls import exchanged, exchanges, measures
from eyechart.inside.distance import positions, semantic_distance
from eyechart.inside.nearness import (
    CENTRED,
    RAW,
    against,
    cosines,
    margins,
    measured,
    middle,
    nearness,
    pooled,
)
from eyechart.inside.words import first_tokens, matched_words
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
    """Return choose rows of two templates, in an order other than the images', and permuted ones."""
    draw = np.random.default_rng(3)
    parts = []
    for template, kind in (("held", "held-out"), ("train", "train")):
        for order in (1, 0):
            logp = np.log(draw.dirichlet(np.ones(K), len(images)))
            part = pd.DataFrame({"image_id": images["image_id"], "template": template, "order": order})
            part = part.assign(template_split=kind, repeat=0, readout="choose")
            part = part.assign(logp=list(logp - 1), logp_first=list(logp))
            parts += [part.sample(frac=1, random_state=0), part.assign(readout="generate", logp=None)]
    return pd.concat(parts, ignore_index=True)


def test_distance_equals_scikit_learn(internvl: ModelSubject) -> None:
    images, tokens = table(8), internvl.visual_tokens(tiny.images(8))
    found = semantic_distance(internvl, "base", images, tokens, tiny.LABELS, answers(images))
    embeddings = internvl.model.get_input_embeddings().weight.detach().double().numpy()
    split = [internvl.processor.tokenizer(f" {label}")["input_ids"] for label in tiny.LABELS]
    assert sorted({len(ids) for ids in split}) != [1]  # words of several tokens are among them
    words = np.stack([embeddings[ids].mean(0) for ids in split])
    visual = torch.stack(tokens).double().numpy()
    spaces = {
        "raw": (visual, words),
        "centred": (visual - visual.reshape(-1, visual.shape[-1]).mean(0), words - embeddings.mean(0)),
    }
    for kind, (seen, text) in spaces.items():
        for row, label in enumerate(images["label"]):
            y, own = tiny.LABELS.index(label), found.iloc[row]
            each = cosine_similarity(seen[row], text)  # 16 tokens
            pools = {
                kind: (each.mean(0), f"{kind}_own"),
                f"{kind}_max": (each.max(0), f"{kind}_max"),
                f"{kind}_top": (np.sort(each, axis=0)[-2:].mean(0), f"{kind}_top"),
            }
            for name, (scores, column) in pools.items():
                assert own[column] == pytest.approx(scores[y], abs=1e-5)
                assert own[f"{name}_scores"] == pytest.approx(scores, abs=1e-5)
                assert own[f"{name}_margin"] == pytest.approx(
                    scores[y] - np.delete(scores, y).max(), abs=1e-5
                )
                assert own[f"{name}_rank"] == list(np.argsort(-scores)).index(y) + 1
                assert own[f"{name}_argmax"] == tiny.LABELS[int(scores.argmax())]


def test_probabilities_come_from_the_train_template_by_image(internvl: ModelSubject) -> None:
    images, tokens = table(8), internvl.visual_tokens(tiny.images(8))
    asked = answers(images)
    found = semantic_distance(internvl, "base", images, tokens, tiny.LABELS, asked)
    chosen = asked.query("template == 'train' and readout == 'choose' and order == 0")
    by_image = {row["image_id"]: row for _, row in chosen.iterrows()}
    for row, label in enumerate(images["label"]):
        y, source = tiny.LABELS.index(label), by_image[images["image_id"][row]]
        assert found["next_token_p"][row] == pytest.approx(np.exp(source["logp_first"][y]))
        assert found["full_p"][row] == pytest.approx(np.exp(source["logp"][y]))
        assert found["argmax_next"][row] == tiny.LABELS[int(source["logp_first"].argmax())]
    assert list(found[["image_id", "label", "arm", "template"]].iloc[0]) == ["i0", "blur", "base", "train"]


@pytest.mark.parametrize("kept", ["readout != 'choose'", "template == 'held'", "image_id != 'i3'"])
def test_probabilities_that_were_not_asked_for_are_empty(internvl: ModelSubject, kept: str) -> None:
    images, tokens = table(8), internvl.visual_tokens(tiny.images(8))
    asked = answers(images).query(kept)
    found = semantic_distance(internvl, "base", images, tokens, tiny.LABELS, asked)
    assert found[["next_token_p", "full_p", "argmax_next"]].isna().all(axis=None)
    assert found["raw_own"].notna().all()


def test_cosines_by_hand() -> None:
    visual = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    text = torch.tensor([[1.0, 0.0], [0.0, 5.0]])
    found = nearness([visual], text, middle([visual]), torch.ones(2))
    assert np.allclose(cosines(visual, text), [[0.6, 0.8], [0.0, 1.0]])
    assert np.allclose(found[RAW][:, 0], [[0.3, 0.9], [0.6, 1.0], [0.6, 1.0]])
    # Centred: tokens lose their mean (1.5, 3), words lose (1, 1).
    root = np.sqrt(3.25 * 17)
    each = np.array([[-1 / np.sqrt(3.25), 2.5 / root], [1 / np.sqrt(3.25), -2.5 / root]])
    assert np.allclose(found[CENTRED][:, 0], [each.mean(0), each.max(0), each.max(0)], atol=1e-7)


def test_rank_and_margin_by_hand() -> None:
    scores = np.array([[0.3, 0.1, 0.2], [0.3, 0.1, 0.2], [0.5, 0.5, 0.4]])
    found = against(scores, np.array([0, 1, 1]), ("a", "b", "c"))
    assert np.allclose(found["own"], [0.3, 0.1, 0.5])
    assert np.allclose(found["margin"], [0.1, -0.2, 0.0])
    assert list(found["rank"]) == [1, 3, 1]
    assert found["argmax"] == ["a", "a", "a"]


@given(arrays(np.float64, (5, 4), elements=st.floats(-1, 1)))
def test_a_margin_is_above_zero_for_the_nearest_word_alone(scores: Any) -> None:
    by_hand = [[row[c] - np.delete(row, c).max() for c in range(4)] for row in scores]
    assert np.allclose(margins(scores), by_hand)
    true = scores.argmax(1)
    found = against(scores, true, tuple("abcd"))
    assert (found["margin"] >= 0).all()
    assert (found["rank"] == 1).all()


@given(arrays(np.float64, st.tuples(st.integers(1, 60), st.integers(1, 3)), elements=st.floats(-1, 1)))
def test_poolings_are_ordered(near: Any) -> None:
    mean, highest, top = pooled(near)
    assert (mean <= top + 1e-12).all()
    assert (top <= highest + 1e-12).all()
    if len(near) <= 10:  # a tenth of so few is one
        assert np.array_equal(top, highest)


def cones(
    pull: float, seed: int, images: int = 48, width: int = 64
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return tokens and words in two narrow cones; each image is pulled towards its own word by so much."""
    draw = torch.Generator().manual_seed(seed)
    words = torch.randn(K, width, generator=draw)
    cone, other = 8 * torch.randn(2, width, generator=draw)
    own = [tiny.LABELS.index(label) for label in table(images)["label"]]
    noise = torch.randn(images, 16, width, generator=draw)
    return [cone + pull * words[y] + one for y, one in zip(own, noise, strict=True)], other + words


def of_cones(pull: float, seed: int = 0) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the columns of planted tokens, and what exchange says of the centred mean cosines."""
    tokens, words = cones(pull, seed)
    images = table(len(tokens))
    near, true = nearness(tokens, words, middle(tokens), words.mean(0)), positions(images, tiny.LABELS)
    drawn = exchanges(true, images["content"], seed)
    tests = {name: exchanged(v, true, drawn) for name, v in measures(near[CENTRED][0]).items()}
    return measured(near, true, tiny.LABELS), tests


def test_tokens_pulled_towards_their_word_are_found() -> None:
    found, tests = of_cones(1.0)
    assert np.mean(found["centred_rank"]) == 1
    assert np.mean(found["centred_margin"]) > 0.3
    assert all(test["p"] <= 1 / 2001 for test in tests.values())
    assert tests["right"]["observed"] == 1
    assert tests["right"]["expected"] == pytest.approx(1 / K, abs=0.05)


def test_centring_takes_a_common_cone_away() -> None:
    found, _ = of_cones(1.0)
    raw, centred = (np.stack(found[f"{kind}_scores"]) for kind in ("raw", "centred"))
    assert raw.std() < 0.1  # all cosines alike: they show the cones
    assert centred.std() > 3 * raw.std()
    tokens, words = cones(1.0, 0)
    moved = [one + 5 for one in tokens]  # a shift of all tokens changes nothing once centred
    again = nearness(moved, words, middle(moved), words.mean(0))[CENTRED][0]
    assert np.allclose(again, centred, atol=1e-5)


def test_without_a_pull_p_is_uniform() -> None:
    p = [of_cones(0.0, seed)[1]["own"]["p"] for seed in range(60)]
    assert min(p) < 0.2
    assert max(p) > 0.8
    assert 0.35 < np.mean(p) < 0.65
    assert np.mean(np.array(p) <= 0.05) <= 0.15


def test_every_exchange_is_tried_where_they_are_few() -> None:
    true = np.array([0, 1, 1, 2, 0])
    drawn = exchanges(true, ["a", "b", "a", "b", "b"], seed=0)
    assert drawn.exact
    assert len({tuple(row) for row in drawn.labels.tolist()}) == len(drawn.labels) == 2 * 6
    assert all(sorted(row[[0, 2]]) == [0, 1] and sorted(row[[1, 3, 4]]) == [0, 1, 2] for row in drawn.labels)
    values = np.eye(3)[true]  # right for the true labels alone
    assert exchanged(values, true, drawn) == {
        "observed": 1.0,
        "expected": pytest.approx(np.mean(drawn.labels == true)),
        "p": 1 / 12,
        "draws": 12,
    }


def test_many_exchanges_are_drawn_within_contents() -> None:
    images = table(64)
    true = positions(images, tiny.LABELS)
    drawn = exchanges(true, images["content"], seed=0, draws=300)
    assert not drawn.exact
    assert drawn.labels.shape == (300, 64)
    for _, rows in images.groupby("content").groups.items():
        assert (np.sort(drawn.labels[:, rows], 1) == np.sort(true[rows])).all()
    assert np.array_equal(drawn.labels, exchanges(true, images["content"], seed=0, draws=300).labels)
    assert not np.array_equal(drawn.labels, exchanges(true, images["content"], seed=1, draws=300).labels)


def test_nothing_can_be_exchanged_between_contents() -> None:
    drawn = exchanges(np.array([0, 0, 1]), ["a", "a", "b"], seed=0)
    found = exchanged(np.eye(3), np.array([0, 0, 1]), drawn)
    assert np.isnan(found["p"])
    assert found["draws"] == 0


def test_words_as_frequent_as_a_label(internvl: ModelSubject) -> None:
    tokenizer = internvl.processor.tokenizer
    (found,) = matched_words(internvl, ["blur"], 3)
    assert len(found) == 3
    target = tokenizer.convert_tokens_to_ids("Ġblur")
    apart = [abs(tokenizer.convert_tokens_to_ids(f"Ġ{word}") - target) for word in found]
    assert apart == sorted(apart)
    both = matched_words(internvl, ["blur", "noise"], 2)
    assert len({word for words in both for word in words}) == 4  # none is used twice
    for words in both:
        assert not {"blur", "noise", "blurry", "clean", "distortion"} & set(words)
    assert len(matched_words(internvl, ["blur", "noise"], 10_000)[0]) < 30
    assert first_tokens(internvl, ["blur"]) == (target,)


def test_matched_words_say_nothing_of_the_label(internvl: ModelSubject) -> None:
    images, tokens = table(8), internvl.visual_tokens(tiny.images(8))
    labels = ("blur", "clean")
    few = images.assign(label=[labels[i % 2] for i in range(8)])
    asked = answers(images).query("readout != 'choose'")
    found = semantic_distance(internvl, "base", few, tokens, labels, asked)
    mine = matched_words(internvl, labels, 20)
    table_of = internvl.model.get_input_embeddings().weight.detach().double().numpy()
    ids = [
        [internvl.processor.tokenizer.convert_tokens_to_ids(f"Ġ{word}") for word in words] for words in mine
    ]
    assert ids[0]
    near = np.stack([[cosine_similarity(t.numpy(), table_of[i]).mean(0) for i in ids] for t in tokens])
    for row in range(8):
        y = row % 2
        assert found["raw_matched"][row] == pytest.approx(near[row, y].mean(), abs=1e-5)
        assert found["raw_matched_right"][row] == pytest.approx((near[row].argmax(0) == y).mean())
