"""Accuracy and its company against scikit-learn, hand-worked tables and planted effects."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyechart.errors import EyechartError
from eyechart.measures.accuracy import by_distortion, by_label, by_level, exam_table
from eyechart.measures.comparison import agreement, compare_arms, template_gap
from eyechart.measures.confusion import confusion, predicted_histogram

ABC = ("a", "b", "c")


def table(
    label: list[str],
    predicted: list[str | None],
    content: list[str] | None = None,
    arm: str = "base",
    template: str = "t",
    kind: str = "train",
    readout: str = "generate",
) -> pd.DataFrame:
    n = len(label)
    return pd.DataFrame(
        {
            "image_id": [f"image {i}" for i in range(n)],
            "content": content or [f"content {i}" for i in range(n)],
            "distortion": [f"fine {name}" for name in label],
            "level": [i % 3 for i in range(n)],
            "label": label,
            "arm": arm,
            "template": template,
            "template_split": kind,
            "readout": readout,
            "predicted": predicted,
        }
    )


ROWS = st.lists(
    st.tuples(st.sampled_from(ABC), st.sampled_from([*ABC, None]), st.sampled_from(["x", "y", "z"])),
    min_size=1,
    max_size=40,
)


@given(ROWS, st.sampled_from([None, "object", "str"]))
@settings(max_examples=60, deadline=None)
def test_exam_table_is_scikit_learns(rows: list[tuple[str, str | None, str]], dtype: str | None) -> None:
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

    label, predicted, content = (list(column) for column in zip(*rows, strict=True))
    answers = table(label, predicted, content)
    if dtype:
        answers = answers.astype({"label": dtype, "content": dtype}).assign(
            predicted=pd.Series(predicted, dtype=dtype)
        )
    found = exam_table(answers, ABC).iloc[0]
    shown = ["unparsed" if name is None else name for name in predicted]
    present = sorted(set(label))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of answers that are never the truth
        assert found["accuracy"] == pytest.approx(accuracy_score(label, shown))
        assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(label, shown))
        expected_f1 = f1_score(label, shown, labels=present, average="macro", zero_division=0)
        assert found["macro_f1"] == pytest.approx(expected_f1)
    assert found["unparsed_share"] == pytest.approx(predicted.count(None) / len(rows))
    assert found["majority"] == pytest.approx(max(label.count(name) for name in ABC) / len(rows))
    assert found["contents"] == len(set(content))
    assert found["n"] == len(rows)
    if found["contents"] > 1:
        assert found["low"] - 1e-12 <= found["accuracy"] <= found["high"] + 1e-12


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_confusion_recall_and_precision_are_scikit_learns(rows: list[tuple[str, str | None, str]]) -> None:
    from sklearn.metrics import confusion_matrix, precision_score, recall_score

    label, predicted, content = (list(column) for column in zip(*rows, strict=True))
    answers = table(label, predicted, content)
    shown = ["unparsed" if name is None else name for name in predicted]
    theirs = confusion_matrix(label, shown, labels=[*ABC, "unparsed"])[:3]
    ours = confusion(answers, ABC)
    assert (ours.to_numpy() == theirs).all()
    assert list(ours.columns) == [*ABC, "unparsed"]
    each = by_label(answers, ABC)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, score in (("recall", recall_score), ("precision", precision_score)):
            expected = score(label, shown, labels=list(ABC), average=None, zero_division=np.nan)
            assert each[name].to_numpy() == pytest.approx(expected, nan_ok=True)
    for name, beyond in zip(ABC, each["beyond"], strict=True):
        alarms = [said == name for true, said in zip(label, predicted, strict=True) if true != name]
        hits = [said == name for true, said in zip(label, predicted, strict=True) if true == name]
        expected = np.mean(hits) - np.mean(alarms) if hits and alarms else np.nan
        assert beyond == pytest.approx(expected, nan_ok=True)
    assert each["n"].tolist() == [label.count(name) for name in ABC]
    assert each["n_predicted"].tolist() == [predicted.count(name) for name in ABC]


def test_a_table_worked_by_hand() -> None:
    answers = table(["a", "a", "a", "b", "b", "c"], ["a", "a", None, "a", "b", "b"])
    found = exam_table(answers, ABC).iloc[0]
    assert found["accuracy"] == pytest.approx(3 / 6)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    # F1: a 2*2/(3+3), b 2*1/(2+2), c 0
    assert found["macro_f1"] == pytest.approx((4 / 6 + 2 / 4 + 0) / 3)
    assert found["unparsed_share"] == pytest.approx(1 / 6)
    assert found["chance"] == pytest.approx(1 / 3)
    assert found["majority"] == pytest.approx(3 / 6)


def test_every_group_has_its_row() -> None:
    parts = [
        table(["a", "b"], ["a", "b"], arm=arm, template=template, kind=kind, readout=readout)
        for arm in ("base", "all")
        for template, kind in (("t", "train"), ("h", "held-out"))
        for readout in ("generate", "choose")
    ]
    found = exam_table(pd.concat(parts), ABC)
    assert len(found) == 8
    assert set(found["template_split"]) == {"train", "held-out"}
    assert (found["accuracy"] == 1).all()


def test_by_level_and_by_distortion() -> None:
    answers = table(["a", "a", "b", "b"], ["a", "b", "b", None])
    levels = by_level(answers)
    assert levels["level"].tolist() == [0, 1, 2]
    assert levels["accuracy"].tolist() == [0.5, 0, 1]
    assert levels["n"].tolist() == [2, 1, 1]
    types = by_distortion(answers).set_index("distortion")
    assert types.loc["fine a", "accuracy"] == 0.5
    assert types.loc["fine b", "contents"] == 2


def test_histogram_shows_an_answer_that_is_always_given() -> None:
    found = predicted_histogram(table(["a", "b", "c", "c"], ["b", "b", "b", None]), ABC).set_index(
        "predicted"
    )
    assert found["n"].to_dict() == {"a": 0, "b": 3, "c": 0, "unparsed": 1}
    assert found["share"].sum() == pytest.approx(1)
    assert found["true_share"].to_dict() == {"a": 0.25, "b": 0.25, "c": 0.5, "unparsed": 0}


def test_a_label_outside_the_exam_is_an_error() -> None:
    with pytest.raises(EyechartError, match="'d'"):
        exam_table(table(["a"], ["d"]), ABC)
    with pytest.raises(EyechartError, match="true label"):
        exam_table(table(["a"], ["a"]).assign(label=None), ABC)


def random_arms(effect: float, seed: int) -> pd.DataFrame:
    """Return 30 contents of 8 images answered by base and by an arm that is better by ``effect``."""
    generator = np.random.default_rng(seed)
    label = list(generator.choice(ABC, 240, p=[0.6, 0.3, 0.1]))
    content = [f"content {i // 8:02d}" for i in range(240)]
    parts = []
    for arm, right in (("base", 0.4), ("projector", 0.4 + effect), ("language", 0.4)):
        hit = generator.random(240) < right
        other = [ABC[(ABC.index(name) + 1) % 3] for name in label]
        predicted = [name if ok else wrong for name, wrong, ok in zip(label, other, hit, strict=True)]
        parts.append(table(label, predicted, content, arm=arm))
    return pd.concat(parts, ignore_index=True)


def test_a_planted_effect_is_found_and_a_null_one_is_not() -> None:
    projector, language = compare_arms(random_arms(effect=0.3, seed=1), ABC).to_dict("records")
    assert (projector["arm"], language["arm"]) == ("projector", "language")
    for measure in ("", "balanced_"):
        assert projector[f"{measure}p_holm"] < 0.01
        assert projector[f"{measure}low"] > 0
        assert language[f"{measure}p_holm"] > 0.05
        assert language[f"{measure}low"] < 0 < language[f"{measure}high"]


def test_differences_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, balanced_accuracy_score

    answers = random_arms(effect=0.2, seed=2)
    parts = {str(arm): part for arm, part in answers.groupby("arm")}
    found = compare_arms(answers, ABC).set_index("arm").loc["projector"]
    for column, score in (("difference", accuracy_score), ("balanced_difference", balanced_accuracy_score)):
        ours, base = (score(parts[arm]["label"], parts[arm]["predicted"]) for arm in ("projector", "base"))
        assert found[column] == pytest.approx(ours - base)
    assert (found["n"], found["contents"]) == (240, 30)


def test_null_effects_are_found_about_as_often_as_they_should() -> None:
    p = [compare_arms(random_arms(0.0, seed), ABC, seed=seed)["p"].iloc[0] for seed in range(15)]
    assert sum(value < 0.05 for value in p) <= 3


def test_only_images_of_both_arms_are_compared() -> None:
    base = table(["a", "b", "c"], ["a", "b", "c"])
    other = table(["a", "b", "c"], [None, None, None], arm="all").iloc[1:]
    found = compare_arms(pd.concat([base, other]), ABC).iloc[0]
    assert (found["n"], found["difference"]) == (2, -1)


def test_comparisons_that_cannot_be_made_are_named() -> None:
    base = table(["a", "b"], ["a", "b"])
    strange = base.assign(arm="all", image_id=["x", "y"])
    with pytest.raises(EyechartError, match="'base'"):
        compare_arms(strange, ABC)
    with pytest.raises(EyechartError, match="no image in common"):
        compare_arms(pd.concat([base, strange]), ABC)
    with pytest.raises(EyechartError, match="answered twice"):
        compare_arms(pd.concat([base, base.assign(arm="all"), base.assign(arm="all")]), ABC)


def test_one_arm_alone_gives_an_empty_comparison() -> None:
    found = compare_arms(table(["a", "b"], ["a", "b"]), ABC)
    assert found.empty
    assert "p_holm" in found.columns


def test_template_gap_by_hand() -> None:
    label = ["a", "a", "b", "b"]
    parts = [
        table(label, ["a", "a", "b", "a"], template="t1"),
        table(label, ["a", "b", "b", None], template="h1", kind="held-out"),
        table(label, ["b", "b", "b", None], template="h2", kind="held-out"),
    ]
    found = template_gap(pd.concat(parts)).iloc[0]
    assert found["train_accuracy"] == pytest.approx(3 / 4)
    assert found["held_out_accuracy"] == pytest.approx((0.5 + 0 + 1 + 0) / 4)
    assert found["gap"] == pytest.approx(3 / 8)
    assert found["low"] <= 3 / 8 <= found["high"]
    assert template_gap(pd.concat(parts[:1])).empty


def test_agreement_by_hand() -> None:
    label = ["a", "a", "b", "b"]
    generate = table(label, ["a", "b", None, "a"])
    choose = table(label, ["a", "a", "b", "a"], readout="choose")
    found = agreement(pd.concat([generate, choose])).iloc[0]
    assert found["agreement"] == pytest.approx(2 / 4)
    shares = found[["both_right", "only_generate_right", "only_choose_right", "neither_right"]]
    assert shares.tolist() == [0.25, 0, 0.5, 0.25]
    assert agreement(generate).empty


def test_two_missing_answers_do_not_agree() -> None:
    both = [table(["a", "b"], [None, None], readout=readout) for readout in ("generate", "choose")]
    assert agreement(pd.concat(both)).iloc[0]["agreement"] == 0


def test_the_same_seed_gives_the_same_table_in_any_order_of_rows() -> None:
    answers = random_arms(effect=0.1, seed=3)
    first = exam_table(answers, ABC, seed=5)
    again = exam_table(answers.sample(frac=1, random_state=1), ABC, seed=5)
    again = again.set_index("arm").loc[first["arm"]].reset_index()[first.columns]
    pd.testing.assert_frame_equal(first, again)
