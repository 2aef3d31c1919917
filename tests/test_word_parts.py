"""Tables and sections of the report on words: changes by hand, and sentences that fire and do not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from eyechart.inside.nearness import CENTRED, RAW, measured
from eyechart.measures.relative import change, relative_change
from eyechart.report.distance_part import distance_part
from eyechart.report.lens_part import lens_part
from eyechart.report.map_part import _overlaid, map_part
from eyechart.report.tables import pick, records
from eyechart.report.word_tables import changes_by_arm, lens_table

LABELS = ("blur", "noise", "clean")
ARMS = ("base", "projector")
CHANCE = 1 / 3


def images(contents: int = 8, each: int = 2) -> pd.DataFrame:
    rows = [(f"c{c}", label) for c in range(contents) for label in LABELS for _ in range(each)]
    table = pd.DataFrame(rows, columns=["content", "label"])
    return table.assign(image_id=[f"i{k}" for k in range(len(table))], distortion="x", level=1)


def distances(pull: dict[str, float], seed: int = 0) -> pd.DataFrame:
    """Return distances of arms, each with its images pulled towards their labels by so much."""
    draw, table = np.random.default_rng(seed), images()
    true = np.array([LABELS.index(label) for label in table["label"]])
    parts = []
    for arm, by in pull.items():
        near = draw.normal(0.2, 0.02, (3, len(table), 3)) + by * np.eye(3)[true]
        found = measured({RAW: near, CENTRED: near - 0.2}, true, LABELS)
        p = np.clip(near[0, np.arange(len(true)), true], 0, 1)
        more = {"raw_matched": 0.2, "raw_matched_right": 1 / 3, "centred_matched": 0.0}
        parts.append(
            table.assign(arm=arm, **found, **more, centred_matched_right=1 / 3, next_token_p=p, full_p=p / 2)
        )
    return pd.concat(parts, ignore_index=True).assign(argmax_next="blur")


def at(table: pd.DataFrame, **where: str) -> dict[str, Any]:
    """Return the row of a table that has the given values."""
    found = pick(table, **where)
    assert found is not None
    return found


def test_a_relative_change_is_a_ratio_of_means() -> None:
    draw = np.random.default_rng(0)
    before, clusters = draw.uniform(1, 3, 60), np.arange(60) // 6
    found = relative_change(before, 1.5 * before, clusters, 0)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    after = before + draw.normal(0.4, 0.1, 60)
    found = relative_change(before, after, clusters, 0)
    assert found.value == pytest.approx(after.mean() / before.mean() - 1)
    assert found.low < found.value < found.high
    apart = change(before, after, clusters, 0)
    assert apart.value == pytest.approx((after - before).mean())
    # Paired on the same images: far narrower than the spread of the contents.
    assert apart.high - apart.low < 0.1


def test_a_share_of_what_may_be_zero_is_not_told() -> None:
    draw = np.random.default_rng(0)
    before, clusters = draw.normal(0, 1, 60), np.arange(60) // 6
    assert np.isnan(relative_change(before, before + 1, clusters, 0).value)
    negative = relative_change(before - 5, before - 4, clusters, 0)
    assert negative.value > 0  # towards zero from below is up


def test_changes_are_on_the_same_images() -> None:
    table = distances({"base": 0.1, "projector": 0.2})
    few = table.drop(table[(table["arm"] == "projector") & (table["content"] == "c0")].index)
    found = changes_by_arm(few)
    both = few.pivot(index="image_id", columns="arm", values="raw_own").dropna()
    row = at(found, arm="projector", measure="raw_own")
    assert row["n"] == len(both) == 42
    assert row["change"] == pytest.approx((both["projector"] - both["base"]).mean())
    assert row["relative_change"] == pytest.approx(both["projector"].mean() / both["base"].mean() - 1)
    assert at(found, arm="projector", measure="raw_distance")["change"] == pytest.approx(-row["change"])
    assert at(found, arm="base", measure="raw_excess")["value"] == pytest.approx(
        table.query("arm == 'base'")["raw_own"].mean() - 0.2
    )
    assert found.loc[found["arm"] == "base", ["change", "relative_change"]].isna().all(axis=None)
    assert at(found, arm="base", measure="argmax_next")["value"] == pytest.approx(1 / 3)


def test_the_section_says_whether_images_lie_nearest_to_their_labels() -> None:
    seen = distance_part(
        {"distance": changes_by_arm(distances({"base": 0.0, "projector": 0.2}))}, ARMS, CHANCE
    )
    assert seen is not None
    assert "cannot be told from chance (33.3" in seen.lead
    assert (
        "100.0\u00a0% (100.0 to 100.0) of the images lie nearest to the word of their own label, more often"
        in seen.also[0]
    )
    assert "projector: the images have come nearer to their labels" in seen.also[1]
    assert "it grows" in seen.also[1]
    none = distance_part(
        {"distance": changes_by_arm(distances({"base": 0.1, "projector": 0.1}))}, ARMS, CHANCE
    )
    assert none is not None
    assert "cannot tell whether the images have come nearer" in none.also[1]
    base = distances({"base": 0.1})
    copied = pd.concat([base, base.assign(arm="projector")], ignore_index=True)
    same = distance_part({"distance": changes_by_arm(copied)}, ARMS, CHANCE)
    assert same is not None
    assert "projector: the images lie as near to their labels as before: the same distances." in same.also
    assert distance_part({}, ARMS, CHANCE) is None


def lens(pull: float, seed: int = 0) -> pd.DataFrame:
    """Return what a lens reads at two stages; at the second the own label is so many times as likely."""
    draw, table, parts = np.random.default_rng(seed), images(), []
    true = np.array([LABELS.index(label) for label in table["label"]])
    for order, (stage, times) in enumerate({"language 1": 1.0, "language 2": pull}.items()):
        p = 1e-4 * np.exp(draw.normal(0, 0.3, (len(table), 3))) * times ** np.eye(3)[true]
        own = p[np.arange(len(true)), true]
        columns: dict[str, Any] = {}
        for pool in ("mean", "max"):
            columns |= {
                f"p_{pool}": list(p),
                f"own_{pool}": own,
                f"rank_{pool}": 1 + (p > own[:, None]).sum(1),
            }
            columns[f"right_{pool}"] = (p.argmax(1) == true).astype(float)
        parts.append(table.assign(arm="base", stage=stage, order=order, **columns))
    return pd.concat(parts, ignore_index=True)


def test_lift_by_hand() -> None:
    table = lens(8.0)
    found = lens_table(table, LABELS)
    part = table[table["stage"] == "language 2"]
    logs = np.log(np.stack(part["p_max"].tolist()))
    lifts = []
    for i, (content, label) in enumerate(zip(part["content"], part["label"], strict=True)):
        others = ((part["content"] == content) & (part["label"] != label)).to_numpy()
        lifts.append(logs[i, LABELS.index(label)] - logs[others, LABELS.index(label)].mean())
    row = at(found, stage="language 2", label="all")
    assert row["lift_max"] == pytest.approx(np.exp(np.mean(lifts)))
    assert row["lift_max"] == pytest.approx(8, rel=0.2)
    blur = (part["label"] == "blur").to_numpy()
    assert at(found, stage="language 2", label="blur")["lift_max"] == pytest.approx(
        np.exp(np.mean(np.array(lifts)[blur]))
    )
    assert at(found, stage="language 2", label="blur")["p_max"] == pytest.approx(np.exp(logs[blur, 0].mean()))
    assert at(found, stage="language 1", label="all")["lift_max"] == pytest.approx(1, abs=0.2)
    assert row["right_max"] == part["right_max"].mean()


def test_the_lens_says_at_which_stage_the_label_is_read() -> None:
    seen = lens_part({"lens": lens_table(lens(8.0), LABELS)}, ARMS, CHANCE)
    assert seen is not None
    assert seen.lead.startswith(
        "base: at the image's positions the own label is more often the likeliest than chance; language 2"
    )
    assert [figure.drawing.count("<svg") for figure in seen.figures] == [1, 1]
    assert "language 2 1.00" in seen.figures[0].drawing or "language 2 0.9" in seen.figures[0].drawing
    none = lens_part({"lens": lens_table(lens(1.0), LABELS)}, ARMS, CHANCE)
    assert none is not None
    assert "no stage makes the own label the likeliest more often than chance" in none.lead
    assert lens_part({}, ARMS, CHANCE) is None


def mapped(reason: str = "") -> pd.DataFrame:
    buffer = io.BytesIO()
    Image.fromarray(np.full((40, 80, 3), 128, np.uint8)).save(buffer, "PNG")
    row = {"image_id": "i", "label": "blur", "level": 5, "image": buffer.getvalue(), "reason": reason}
    row |= {"rows": 0 if reason else 2, "columns": 0 if reason else 2, "area": [0.0, 1.0, 0.25, 0.75]}
    return pd.DataFrame([row | {"arm": arm, "cosines": [0.3, 0.0, 0.0, -0.3]} for arm in ARMS])


def test_tokens_are_coloured_where_they_stand() -> None:
    row = records(mapped())[0]
    found = _overlaid(np.full((40, 80, 3), 128, np.uint8), row, 0.3).astype(int)
    assert (found[:, :20] == 128).all()  # outside of what the model sees
    assert (found[:, 60:] == 128).all()
    near, far = found[10, 30], found[30, 50]
    assert near[2] > near[0] + 40  # blue
    assert far[0] > far[2] + 40  # red
    assert (found[:20, 20:40] == near).all()


def test_the_map_section_draws_or_tells_why_not() -> None:
    seen = map_part(mapped(), ARMS)
    assert seen is not None
    assert seen.figures[0].drawing.count("<image") == 4  # the picture, each arm, the colour bar
    assert "blur base 0.00; blur projector 0.00" in seen.figures[0].drawing
    refused = map_part(mapped("no map of the tokens can be drawn: the picture is padded"), ARMS)
    assert refused is not None
    assert refused.lead == "No map of the tokens can be drawn: the picture is padded."
    assert refused.figures == ()
    assert map_part(None, ARMS) is None
