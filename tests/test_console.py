"""Console tables after an exam and a comparison: the right numbers, 80 columns, hostile strings kept out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from answers import ABC, answers
from rich.console import RenderableType

from eyechart.exam.console import comparison, exam_summary, rendered
from eyechart.measures.comparison import compare_arms, compare_labels


def shown(parts: list[RenderableType]) -> str:
    out = rendered(parts)
    assert max(map(len, out.splitlines())) <= 80
    return out


def exam(repeats: int = 0, same: bool = False) -> pd.DataFrame:
    """Return two wordings of long names; with ``same`` all repeats give one text in spite of entropy."""
    generator = np.random.default_rng(0)
    label = list(generator.choice(ABC, 60))
    parts = []
    for template, split in (("q-insight-json-open", "train"), ("paper-classify-list", "held-out")):
        for repeat in range(repeats + 1):
            named = ["a"] * 60 if same else list(generator.choice(np.array([*ABC, None], dtype=object), 60))
            told = {"template": template, "split": split, "readout": "generate", "repeat": repeat}
            parts.append(answers(label, named, **told).assign(entropy=3.0))  # type: ignore[arg-type]
    parts.append(answers(label, label, template="[red]x[/red]", readout="choose"))
    return pd.concat(parts, ignore_index=True)


def test_an_exam_in_eighty_columns() -> None:
    table = exam()
    out = shown(exam_summary(table, ABC))
    mine = table[table["template"] == "q-insight-json-open"]
    line = next(line for line in out.splitlines() if line.startswith("q-insight-json-open"))
    assert f"{100 * mine['correct'].mean():.1f}" in line
    assert f"{100 * mine['predicted'].isna().mean():.1f}" in line
    assert "60 images of 60 contents. Chance 33.3" in out
    assert "train minus held-out wordings (generate)" in out
    assert "[red]x[/red]" in out
    assert "repeats" not in out


def test_repeats_have_a_table_of_their_own() -> None:
    out = shown(exam_summary(exam(repeats=3), ABC))
    assert "3 repeats" in out
    assert "Nothing was sampled" not in out


def test_repeats_that_were_not_sampled_are_told() -> None:
    out = shown(exam_summary(exam(repeats=3, same=True), ABC))
    assert "Nothing was sampled" in out
    assert "3 repeats" not in out


def test_too_few_contents_for_so_many_comparisons_are_told() -> None:
    label, content = ["a", "b"] * 20, [f"content {i // 10}" for i in range(40)]
    both = pd.concat(
        [
            answers(label, label, content=content, arm="two"),
            answers(label, ["c"] * 40, content=content, arm="one"),
        ]
    )
    found = pd.concat(
        [
            compare_arms(both, ABC, base="one").assign(label="all"),
            compare_labels(both, ABC, base="one"),
        ]
    ).rename(columns={"arm": "run", "base": "reference", "base_accuracy": "reference_accuracy"})
    out = shown(comparison(found.assign(examined="base")))
    assert "4 contents are too few to find anything in 1 comparisons" in out
    assert "4 contents are too few to find anything in 2 single labels" in out
    assert "Of single labels none can be told apart (2 comparisons)" in out


def test_a_label_is_found_beside_many_wordings() -> None:
    """Holm's correction over all wordings would hide it: 12 contents give no p below 0.0005."""
    label, content = ["a", "b", "c"] * 12, [f"content {i // 3:02d}" for i in range(36)]
    wrong = ["c" if name == "a" else name for name in label]
    both = pd.concat(
        [
            answers(label, named, content=content, arm=arm, template=f"t{i}")
            for i in range(40)
            for arm, named in (("one", label), ("two", wrong))
        ]
    )
    found = compare_labels(both, ABC, base="one")
    found = found.rename(columns={"arm": "run", "base": "reference", "base_accuracy": "reference_accuracy"})
    overall = compare_arms(both, ABC, base="one").assign(label="all")
    overall = overall.rename(
        columns={"arm": "run", "base": "reference", "base_accuracy": "reference_accuracy"}
    )
    out = shown(comparison(pd.concat([overall, found]).assign(examined="base")))
    assert "Labels that differ (40 of 120 comparisons)" in out
    assert (found.loc[found["label"] != "a", "p_holm"] > 0.05).all()


def test_whether_samples_were_drawn_is_judged_at_their_temperature() -> None:
    """One answer from 60 images in spite of entropy is improbable at 0.7, and to be expected near zero."""
    table = exam(repeats=3, same=True)
    assert "Nothing was sampled" in shown(exam_summary(table, ABC))
    assert "Nothing was sampled" not in shown(exam_summary(table, ABC, temperature=0.01))
