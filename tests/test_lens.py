"""The steps that hold images against words, on a real model and dataset: lens, contextual distance, maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata
from sklearn.metrics.pairwise import cosine_similarity

from eyechart.dataset import DatasetConfig, build_dataset
from eyechart.exam import ExamConfig
from eyechart.exam.processes import Processes
from eyechart.exam.run import examine
from eyechart.inside import STEPS, InsideConfig, Look, look_inside
from eyechart.inside.contextual import SENTENCES, word_states
from eyechart.inside.lens import standing
from eyechart.inside.look import steps_of
from eyechart.report.gallery import keep_gallery
from eyechart.runs import Run
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.stages import LAST, PROJECTED

TYPES = ("gaussian_blur", "white_noise", "darken", "jpeg", "contrast_change", "saturation_hsv", "jitter")
FILES = ("distance", "contextual", "controls", "maps", "lens")


def _nothing(_: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def look(internvl: ModelSubject, tmp_path_factory: pytest.TempPathFactory) -> Look:
    """Return a look at a tiny subject whose exam was taken and whose steps are made."""
    folder = tmp_path_factory.mktemp("look")
    config = DatasetConfig(name="tiny", train_images=16, test_contents=2, levels=(5,), types=TYPES)
    dataset = build_dataset(config, folder / "datasets")
    run = Run.create(folder / "run", {"seed": 0})
    keep_gallery(run, dataset.table("test"), lambda ids: dataset.images("test", ids))
    exam = ExamConfig(templates=("main-distortion",), new_tokens=1)
    examine(run, "base", internvl, dataset, exam, seed=0, processes=Processes(), say=_nothing)
    found = Look.of(run, "base", internvl, dataset, InsideConfig(every=1), 0, say=_nothing)
    look_inside(found, steps_of(FILES))
    return found


def states(look: Look, layer: int) -> Any:
    """Return the model's own hidden states and logits of one image's prompt."""
    image = look.dataset.images("test", [str(look.table["image_id"].iloc[layer])])
    seen = look.subject.inputs(image, look.subject.conversation(look.question))
    with torch.no_grad():
        return seen, look.subject.model(**seen, output_hidden_states=True)


def test_the_lens_by_hand(look: Look) -> None:
    found, model = look.found("lens.parquet"), look.subject.model
    assert list(dict.fromkeys(found["stage"])) == [PROJECTED, "language 1", "language 2", LAST]
    ids = [look.subject.word_ids(label)[0] for label in look.labels]
    for row in (0, 3):
        seen, out = states(look, row)
        at = seen["input_ids"][0] == model.config.image_token_id
        first = model.lm_head(look.subject.language.norm(out.hidden_states[1][0, at]))
        expected = {"language 1": first, "language 2": out.logits[0, at], LAST: out.logits[0, -1:]}
        for stage, logits in expected.items():
            p = logits.detach().softmax(-1)[:, ids].numpy()
            mine = found[(found["stage"] == stage) & (found["image_id"] == look.table["image_id"].iloc[row])]
            assert np.allclose(mine["p_mean"].iloc[0], p.mean(0), rtol=1e-3, atol=1e-9)
            assert np.allclose(mine["p_max"].iloc[0], p.max(0), rtol=1e-3, atol=1e-9)
            y = look.labels.index(mine["label"].iloc[0])
            assert mine["own_mean"].iloc[0] == pytest.approx(p.mean(0)[y], rel=1e-3)


def test_the_lens_at_the_last_position_is_the_exams_first_token(look: Look) -> None:
    lens, distance = look.found("lens.parquet"), look.found("distance.parquet")
    last = lens[lens["stage"] == LAST].set_index("image_id")["own_mean"]
    asked = distance.set_index("image_id")["next_token_p"]
    assert last[asked.index].to_numpy() == pytest.approx(asked.to_numpy(), rel=1e-3)


def test_ranks_are_shared_by_labels_that_begin_alike() -> None:
    p = np.array([[0.5, 0.1, 0.1, 0.2], [0.1, 0.4, 0.4, 0.2]])
    tokens = np.array([7, 8, 8, 9])
    rank, right = standing(p, np.array([1, 1]), tokens)
    assert rank.tolist() == [3.5, 1.5]
    assert right.tolist() == [0, 0.5]
    assert [one.tolist() for one in standing(p, np.array([3, 2]), tokens)] == [[2, 1.5], [0, 0.5]]


@given(arrays(np.float64, (6, 5), elements=st.floats(0, 1), unique=True))
def test_ranks_of_labels_that_begin_differently_are_scipys(p: Any) -> None:
    true = np.arange(6) % 5
    rank, right = standing(p, true, np.arange(5))
    assert rank.tolist() == rankdata(-p, axis=1)[np.arange(6), true].tolist()
    assert right.tolist() == (p.argmax(1) == true).tolist()


def test_contextual_distance_by_hand(look: Look) -> None:
    found, model = look.found("contextual.parquet"), look.subject.model
    assert list(dict.fromkeys(found["stage"])) == ["language 1", "language 2"]
    tokenizer = look.subject.processor.tokenizer
    words = []
    for label in look.labels:
        own = []
        for sentence in SENTENCES:
            ids = tokenizer(f"{sentence} {label}", return_tensors="pt")["input_ids"]
            count = ids.shape[1] - len(tokenizer(sentence)["input_ids"])
            with torch.no_grad():
                hidden = model(input_ids=ids, output_hidden_states=True).hidden_states[1][0]
            own.append(hidden[-count:].mean(0).numpy())
        words.append(np.mean(own, axis=0))
    for row in (0, 5):
        seen, out = states(look, row)
        at = seen["input_ids"][0] == model.config.image_token_id
        near = cosine_similarity(out.hidden_states[1][0, at].detach().numpy(), np.stack(words))
        mine = found[
            (found["stage"] == "language 1") & (found["image_id"] == look.table["image_id"].iloc[row])
        ]
        assert np.allclose(mine["raw_scores"].iloc[0], near.mean(0), atol=1e-4)
        assert np.allclose(mine["raw_max_scores"].iloc[0], near.max(0), atol=1e-4)


def test_images_that_are_a_word_lie_nearest_to_it(look: Look) -> None:
    """Planted: the states of each label's word in another sentence take the place of an image's tokens."""
    from eyechart.inside.nearness import CENTRED, nearness

    others = ("Nobody spoke of", "We never asked about", "It reminds me of")
    words = word_states(look.subject, look.labels, ["language 1"])["language 1"]
    planted = word_states(look.subject, look.labels, ["language 1"], others)["language 1"]
    near = nearness(list(planted[:, None]), words, planted.mean(0), words.mean(0))[CENTRED][0]
    assert (near.argmax(1) == np.arange(len(look.labels))).mean() > 0.8


def test_maps_are_the_tokens_behind_the_mean(look: Look) -> None:
    found, distance = look.found("maps.parquet"), look.found("distance.parquet").set_index("image_id")
    assert set(found["label"]) == set(look.labels)
    assert (found.loc[found["label"] != "clean", "level"] == 5).all()
    for row in found.to_dict("records"):
        assert (row["rows"], row["columns"], row["reason"]) == (4, 4, "")
        assert list(row["area"]) == [0, 1, 0, 1]
        assert len(row["cosines"]) == 16
        assert np.mean(row["cosines"]) == pytest.approx(
            distance.loc[row["image_id"], "centred_own"], abs=1e-6
        )
        assert np.max(row["cosines"]) == pytest.approx(distance.loc[row["image_id"], "centred_max"], abs=1e-6)


def test_controls_hold_every_stage_and_measure(look: Look) -> None:
    found, distance = look.found("controls.parquet"), look.found("distance.parquet")
    assert list(dict.fromkeys(found["stage"])) == [PROJECTED, "language 1", "language 2"]
    assert len(found) == 3 * 2 * 3 * 3
    assert found["p"].between(1 / 2001, 1).all()
    own = found[(found["stage"] == PROJECTED) & (found["kind"] == "raw") & (found["pool"] == "mean")]
    observed = own.set_index("measure")["observed"]
    assert observed["own"] == pytest.approx(distance["raw_own"].mean())
    assert observed["margin"] == pytest.approx(distance["raw_margin"].mean())
    assert observed["right"] == pytest.approx((distance["raw_argmax"] == distance["label"]).mean())


def test_the_steps_are_the_same_again(look: Look) -> None:
    for name in FILES:
        again = STEPS[f"{name}.parquet"].make(look)
        assert again is not None
        pd.testing.assert_frame_equal(again, look.found(f"{name}.parquet"), check_dtype=False)


def test_without_tokens_nothing_is_held_against_words(look: Look, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {"seed": 0})
    config = InsideConfig(every=2, tokens=False)
    other = Look.of(run, "base", look.subject, look.dataset, config, 0, say=_nothing)
    assert [STEPS[f"{name}.parquet"].make(other) for name in FILES[:4]] == [None] * 4
    lens = STEPS["lens.parquet"].make(other)
    assert lens is not None
    assert set(lens["stage"]) == {LAST}
