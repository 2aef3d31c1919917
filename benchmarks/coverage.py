"""How often the 95 % intervals hold the true value, and how often the tests find what is not there.

    python benchmarks/coverage.py                     # 1,000 simulated exams of each size
    python benchmarks/coverage.py --exams 200 --out /tmp/coverage

Each exam draws contents (photographs) with effects of their own: how hard one is, which labels it looks like,
how it takes to an arm and to a wording. The truth is what scikit-learn and NumPy compute, without any of
Eyechart's code, for 6,000 contents. Results go to benchmarks/results/coverage.md and
coverage.json.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import softmax

from eyechart.measures.accuracy import by_label, exam_table
from eyechart.measures.calibration import BINS, calibration
from eyechart.measures.comparison import compare_arms, template_gap
from eyechart.measures.consistency import consistency
from eyechart.measures.sensitivity import gap_of_gaps, template_sensitivity
from eyechart.measures.signal import detection
from eyechart.progress import track
from eyechart.seeds import rng

RESULTS = Path(__file__).parent / "results"
LABELS = ("blur", "noise", "contrast", "jitter", "clean")
# How many images of a content have each label; a fifth of them is missing at random.
IMAGES = (4, 4, 3, 2, 1)
SIZES = (10, 12, 25, 81)
TRUTH = 6000
SIGNAL = {"base": 1.0, "tuned": 1.6}
HELD_OUT = {"base": 0.1, "tuned": 0.5}  # how much less signal the held-out wording gives
NOTES = """\
Each of {exams} simulated exams of each size has 5 labels, 11 images of a content on average, two arms and two
wordings; contents differ in difficulty, in the labels that they look like, and in how they take to an arm and
to a wording. Columns: number of contents. Cells: per cent. With {exams} exams a share of 95 % is known to
+/- {error:.1f} points. Made by `python benchmarks/coverage.py`.

- Intervals are those of `eyechart.measures.statistics.bootstrap`: expanded percentiles of 2,000 resamples.
- ECE is never below 0 and noise raises it: with few images in its 15 bins the interval lies too high. Read
  `overconfidence` (mean confidence minus accuracy) there, whose interval holds.
- The same holds for the spread over templates and for the KL of chosen places where the truth is near 0.
"""


@dataclass(frozen=True)
class World:
    """Standard deviations of the effects of contents; ``null`` makes the arms alike.

    Attributes:
        difficulty: of a content, for all arms and wordings.
        likeness: of a content to each label.
        taste: of a content for an arm, and for a wording.
        noise: of a single answer.
    """

    difficulty: float = 0.7
    likeness: float = 0.5
    taste: float = 0.4
    noise: float = 1.0
    null: bool = False


WORLD = World()


def draw(contents: int, seed: int, world: World = WORLD) -> pd.DataFrame:
    """Return the answers table of a simulated exam: two arms, two wordings, ``choose``."""
    generator = rng(seed, "coverage", contents)
    true = np.tile(np.repeat(np.arange(len(LABELS)), IMAGES), contents)
    content = np.repeat(np.arange(contents), sum(IMAGES))
    kept = generator.random(len(true)) < 0.8
    true, content = true[kept], content[kept]
    one = np.eye(len(LABELS))[true]
    difficulty = generator.normal(0, world.difficulty, contents)
    likeness = generator.normal(0, world.likeness, (contents, len(LABELS)))
    image = generator.normal(0, world.noise / 2, one.shape)
    table = pd.DataFrame(
        {
            "image_id": [f"{i:07d}" for i in range(len(true))],
            "content": [f"{i:05d}" for i in content],
            "label": np.array(LABELS, dtype=object)[true],
        }
    )
    parts = []
    for arm, signal in SIGNAL.items():
        liked = generator.normal(0, world.taste, contents)
        for split in ("train", "held-out"):
            less = HELD_OUT[arm] if split == "held-out" else 0.0
            strength = 1.0 if world.null else signal - less
            suits = generator.normal(0, world.taste, contents)
            own = strength + difficulty + liked + suits
            score = one * own[content][:, None] + likeness[content] + image
            score = score + generator.normal(0, world.noise, one.shape)
            parts.append(
                table.assign(arm=arm, template=split, template_split=split, readout="choose", repeat=0)
                .assign(order=0, kind="word list", language="en")
                .assign(predicted=np.array(LABELS, dtype=object)[score.argmax(axis=1)], logp=list(score))
            )
    return pd.concat(parts, ignore_index=True)


def repeats(answers: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return five answers for each image, drawn from the choice's probabilities, as ``generate``."""
    p = softmax(np.stack(answers["logp"].to_list()), axis=1).cumsum(axis=1)
    p[:, -1] = 1.0
    parts = [answers.assign(readout="generate", text=answers["predicted"], entropy=1.0)]
    for k in range(1, 6):
        named = (rng(seed, "repeats", k).random((len(p), 1)) > p).sum(axis=1)
        names = np.array(LABELS, dtype=object)[named]
        parts.append(parts[0].assign(predicted=names, text=names, repeat=k))
    return pd.concat(parts, ignore_index=True)


def estimates(answers: pd.DataFrame, seed: int) -> Iterator[tuple[str, float, float, float]]:
    """Yield name, value, low and high of every statistic whose coverage is measured."""
    mine = answers[(answers["arm"] == "base") & (answers["template"] == "train")]
    train = answers[answers["template"] == "train"]
    asked = mine.assign(readout="yes-no", logp=[row - 0.5 for row in mine["logp"]])
    tables: list[tuple[str, pd.DataFrame, tuple[str, str, str]]] = [
        ("accuracy", exam_table(mine, LABELS, seed), ("accuracy", "low", "high")),
        ("difference of arms", compare_arms(train, LABELS, seed=seed), ("difference", "low", "high")),
        ("train - held-out", template_gap(answers[answers["arm"] == "tuned"], seed), ("gap", "low", "high")),
        ("gap of gaps", gap_of_gaps(answers, seed=seed), ("difference", "low", "high")),
        ("recall of the rarest", by_label(mine, LABELS, seed).iloc[4:], _ends("recall")),
        ("area under ROC", detection(asked, LABELS, seed), _ends("auc")),
        ("d'", detection(asked, LABELS, seed), _ends("d_prime")),
    ]
    exam, compared = tables[0][1], tables[1][1]
    tables.append(("balanced accuracy", exam, ("balanced_accuracy", "balanced_low", "balanced_high")))
    tables.append(("macro F1", exam, _ends("macro_f1")))
    ends = ("balanced_difference", "balanced_low", "balanced_high")
    tables.append(("difference, balanced", compared, ends))
    sure = calibration(mine, LABELS, seed)
    tables += [(name, sure, _ends(name)) for name in ("brier", "nll", "overconfidence", "ece")]
    drawn = consistency(repeats(mine, seed), LABELS, seed)
    tables += [(name, drawn, _ends(name)) for name in ("consistency_rate", "answer_entropy", "flip_rate")]
    worded = template_sensitivity(answers[answers["arm"] == "tuned"], LABELS, seed)
    tables += [("template spread", worded, _ends("spread")), ("changed by wording", worded, _ends("changed"))]
    for name, table, columns in tables:
        value, low, high = (float(table.iloc[0][column]) for column in columns)
        yield name, value, low, high


def _ends(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"


def truth(world: World = WORLD) -> dict[str, float]:
    """Return the same statistics of very many contents, computed without Eyechart's measures."""
    from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score, roc_auc_score

    answers = draw(TRUTH, 0, world)
    answers["right"] = answers["predicted"] == answers["label"]
    parts = {key: part.reset_index(drop=True) for key, part in answers.groupby(["arm", "template"])}
    base, tuned = parts["base", "train"], parts["tuned", "train"]
    share = {key: float(part["right"].mean()) for key, part in parts.items()}
    gap = {arm: share[arm, "train"] - share[arm, "held-out"] for arm in SIGNAL}
    balanced = [balanced_accuracy_score(part["label"], part["predicted"]) for part in (base, tuned)]
    odds = np.stack(base["logp"].to_list())
    found = {
        "accuracy": share["base", "train"],
        "balanced accuracy": balanced[0],
        "macro F1": f1_score(base["label"], base["predicted"], average="macro"),
        "recall of the rarest": recall_score(
            base["label"], base["predicted"], labels=[LABELS[4]], average=None
        )[0],
        "difference of arms": share["tuned", "train"] - share["base", "train"],
        "difference, balanced": balanced[1] - balanced[0],
        "train - held-out": gap["tuned"],
        "gap of gaps": gap["tuned"] - gap["base"],
        "area under ROC": roc_auc_score(base["label"] == LABELS[0], odds[:, 0]),
    }
    says, there = odds[:, 0] > 0.5, (base["label"] == LABELS[0]).to_numpy()
    found["d'"] = stats.norm.ppf(says[there].mean()) - stats.norm.ppf(says[~there].mean())
    both = [parts["tuned", split] for split in ("train", "held-out")]
    found["template spread"] = float(np.std([part["right"].mean() for part in both], ddof=1))
    found["changed by wording"] = float((both[0]["predicted"] != both[1]["predicted"]).mean())
    return {name: float(value) for name, value in (found | _sure(base) | _drawn(base)).items()}


def _sure(base: pd.DataFrame) -> dict[str, float]:
    p = softmax(np.stack(base["logp"].to_list()), axis=1)
    one = np.eye(len(LABELS))[base["label"].map(LABELS.index).to_numpy()]
    confidence, right = p.max(axis=1), base["right"].to_numpy()
    bins = np.digitize(confidence, np.linspace(0, 1, BINS + 1)[1:-1])
    error = sum(abs((right[bins == i] - confidence[bins == i]).sum()) for i in range(BINS)) / len(p)
    return {
        "brier": float(((p - one) ** 2).sum(axis=1).mean()),
        "nll": float(-np.log((p * one).sum(axis=1)).mean()),
        "overconfidence": float(confidence.mean() - right.mean()),
        "ece": float(error),
    }


def _drawn(base: pd.DataFrame) -> dict[str, float]:
    """Return the expected consistency of five draws, in closed form but for the entropy."""
    p = softmax(np.stack(base["logp"].to_list()), axis=1)
    own = p[np.arange(len(p)), base["label"].map(LABELS.index).to_numpy()]
    counts = rng(1, "truth").multinomial(5, p)
    return {
        "consistency_rate": float((own**5 + (1 - own) ** 5).mean()),
        "flip_rate": float(1 - p.max(axis=1).mean()),
        "answer_entropy": float(stats.entropy(counts, axis=1).mean()),
    }


def exam(seed: int, contents: int, true: dict[str, float]) -> dict[str, tuple[bool, bool, float]]:
    """Simulate one exam: per statistic, does the truth lie below, or above the interval, and the error."""
    answers = draw(contents, seed + 1)
    return {
        name: (true[name] < low, true[name] > high, value - true[name])
        for name, value, low, high in estimates(answers, seed)
    }


def null_exam(seed: int, contents: int) -> tuple[bool, bool, bool]:
    """Simulate one exam of equal arms: is accuracy, balanced accuracy, or any wording's found unlike?"""
    found = compare_arms(draw(contents, seed + 1, World(null=True)), LABELS, seed=seed)
    first = found.iloc[0]
    return first["p"] < 0.05, first["balanced_p"] < 0.05, bool((found["p_holm"] < 0.05).any())


def simulate(exams: int, sizes: tuple[int, ...] = SIZES, workers: int = 1) -> list[dict[str, Any]]:
    """Return one row per statistic and number of contents: covered, below, above, bias; or found (tests)."""
    true = truth()
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(workers) as pool:
        for contents in sizes:
            told: dict[str, list[tuple[bool, bool, float]]] = defaultdict(list)
            work = pool.map(partial(exam, contents=contents, true=true), range(exams), chunksize=5)
            for found in track(work, f"{contents} contents: intervals", total=exams):
                for name, hit in found.items():
                    told[name].append(hit)
            for name, hits in told.items():
                below, above, bias = np.mean(hits, axis=0)
                row = {"statistic": name, "contents": contents, "exams": exams, "truth": true[name]}
                rows.append(
                    row | {"covered": 1 - below - above, "below": below, "above": above, "bias": bias}
                )
            work_null = pool.map(partial(null_exam, contents=contents), range(exams), chunksize=5)
            false = np.mean(list(track(work_null, f"{contents} contents: tests", total=exams)), axis=0)
            for name, share in zip(("p", "p, balanced", "any of two by Holm"), false, strict=True):
                rows.append({"test": name, "contents": contents, "exams": exams, "found": share})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as two tables in Markdown."""
    sizes = list(dict.fromkeys(row["contents"] for row in rows))
    head = "".join(f" {size} |" for size in sizes)
    lines = [f"| 95 % interval of | truth |{head}", "|---|" + "---:|" * (len(sizes) + 1)]
    for name in dict.fromkeys(row["statistic"] for row in rows if "statistic" in row):
        mine = [row for row in rows if row.get("statistic") == name]
        cells = "".join(f" {100 * row['covered']:.1f} |" for row in mine)
        lines.append(f"| {name} | {mine[0]['truth']:.3f} |{cells}")
    lines += ["", f"| false alarms at 5 % of |{head}", "|---|" + "---:|" * len(sizes)]
    for name in dict.fromkeys(row["test"] for row in rows if "test" in row):
        cells = "".join(f" {100 * row['found']:.1f} |" for row in rows if row.get("test") == name)
        lines.append(f"| {name} |{cells}")
    return "\n".join(lines)


def main() -> None:
    """Simulate and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--exams", type=int, default=1000, help="simulated exams of each size")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    options = parser.parse_args()
    rows = simulate(options.exams, workers=options.workers)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "coverage.json").write_text(
        json.dumps(rows, indent=1, default=float) + "\n", encoding="utf-8"
    )
    notes = NOTES.format(exams=options.exams, error=196 * np.sqrt(0.95 * 0.05 / options.exams))
    text = f"# Do the intervals hold?\n\n{notes}\n{table(rows)}\n"
    (options.out / "coverage.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
