"""The sections on causal patching and on swapped components: what they say, and what they keep back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from causal_fixture import patching_of, shapley_of, swap_of
from run_fixture import make_run
from test_report_sections import parts_of, table_of

from eyechart.inside.causal import effects
from eyechart.report.part import Part
from eyechart.report.patching_part import patching_part
from eyechart.report.swap_part import swap_part
from eyechart.runs import Run

BOTH = {(): 0.12, ("vision",): 0.02, ("projector",): 0.4, ("vision", "projector"): 0.75}
TIE = "embed_tokens.weight is lm_head.weight"
ARMS = ("base", "vision+projector")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run whose best arm decides at layer 20, while the untuned subject decides nothing."""
    made = make_run(tmp_path_factory.mktemp("causal") / "run", arms=("base", "projector", "vision+projector"))
    images = made.read_table("arms/base/answers").drop_duplicates("image_id")
    for arm, shift in (("base", 0.0), ("vision+projector", 8.0)):
        made.write_table(patching_of(arm, images, shift), f"arms/{arm}/patching.parquet")
    skills = {"vision+projector": BOTH, "projector": {(): 0.12, ("projector",): 0.5}}
    for arm, skill in skills.items():
        swapped = swap_of(arm, images, skill)
        made.write_table(swapped, f"arms/{arm}/swap.parquet")
        made.write_table(shapley_of(swapped, TIE), f"arms/{arm}/shapley.parquet")
    return made


@pytest.fixture(scope="module")
def parts(run: Run) -> dict[str, Part]:
    """Return the sections of that run's report."""
    return parts_of(run)


def test_where_the_label_is_decided_is_told_with_its_numbers(run: Run, parts: dict[str, Part]) -> None:
    lead = parts["patching"].lead
    assert lead.startswith(
        "vision+projector: the image's positions decide the label up to language 18 (effect "
    )
    assert "the answer's own positions from language 24 (effect 0.88, " in lead
    table = table_of(run.path / "report.html", "patching").query("arm == 'vision+projector'")
    shift = table["shift"].iloc[0]
    assert f"log-odds by {shift:.2f}" in lead
    assert "23 pairs" in lead
    note, other = parts["patching"].notes
    assert note.startswith("base: pairs left out")
    assert note.endswith("1 of 24.")
    assert other.startswith("vision+projector: pairs left out")


def test_what_decides_nothing_is_not_placed(parts: dict[str, Part]) -> None:
    (base,) = parts["patching"].also
    assert base.startswith("base: cannot tell where: on 23 pairs")


def test_every_effect_is_in_the_tables(run: Run, parts: dict[str, Part]) -> None:
    part = parts["patching"]
    (grid,) = part.grids
    assert [name for name, _ in grid.rows] == [
        "projector output",
        *(f"language {i}" for i in (6, 12, 18, 24, 30)),
    ]
    first, last = grid.rows[0][1], grid.rows[-1][1]
    assert [cell.text.split("\n")[0] for cell in first] == ["1.00", "1.00", "–", "–"]
    assert [cell.text.split("\n")[0] for cell in last] == ["0.00", "0.00", "1.00", "1.00"]
    assert len(part.figures) == 2
    assert "image positions, language 18, into clean 0.73" in str(part.figures[0].drawing)


def test_a_model_without_image_positions_is_told(run: Run) -> None:
    images = run.read_table("arms/base/answers").drop_duplicates("image_id")
    table = effects(patching_of("base", images, 5.0, cross=True)).assign(arm="base")
    part = patching_part({"patching": table}, ("base",))
    assert part is not None
    assert any(note.startswith("This model looks at the image by cross-attention") for note in part.notes)
    assert "up to projector output" in part.lead


def test_components_add_up_to_the_gain(run: Run, parts: dict[str, Part]) -> None:
    lead = parts["swap"].lead
    values = table_of(run.path / "report.html", "shapley")
    mine = values.query("arm == 'vision+projector' and label == 'overall'").set_index("component")["value"]
    assert mine[["vision", "projector", "language"]].sum() == pytest.approx(mine["gain"])
    assert lead.startswith(f"vision+projector: +{100 * mine['gain']:.1f} points (")
    assert f"the projector +{100 * mine['projector']:.1f} points" in lead
    assert "language" not in lead
    assert any(told.endswith("all of it by the projector.") for told in parts["swap"].also)
    assert parts["swap"].notes == (
        f"One tensor under several names, swapped with the language model: {TIE}.",
    )


def test_a_combination_that_does_harm_is_told(run: Run, parts: dict[str, Part]) -> None:
    told = parts["swap"].also[0]
    assert told.startswith("vision+projector: worse than the untuned subject is vision alone −")
    combinations = parts["swap"].grids[0]
    assert [name for name, _ in combinations.rows] == ["none", "vision", "projector", "vision+projector"]
    every = table_of(run.path / "report.html", "combinations").query("arm == 'vision+projector'")
    assert len(every) == 8
    best = every.query("vision == 'tuned' and projector == 'tuned' and language == 'base'")["accuracy"].item()
    assert combinations.rows[-1][1][0].text.startswith(f"{100 * best:.1f}")


def test_nothing_is_shown_of_what_was_not_measured(tmp_path: Path) -> None:
    parts = parts_of(make_run(tmp_path / "run", arms=("base",), contents=3))
    assert {"patching", "swap"}.isdisjoint(parts)
    assert patching_part({}, ARMS) is None
    assert swap_part({"shapley": pd.DataFrame()}, ARMS) is None
