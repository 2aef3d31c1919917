"""Do probes that learn shuffled labels lie within their interval of chance, as 95 % intervals should?

    python benchmarks/probes.py                              # simulated images, 400 runs of each size
    python benchmarks/probes.py --run RUN --dataset DATASET  # and the states that a study of nano has read

A simulated image carries its label and its content strongly, which is the hard case: a probe of shuffled
labels then names all images of one label alike, right or wrong together. Beside Eyechart's control, which
shuffles anew for every content that is asked about, stands the usual one, which shuffles once a fold.
Results go to benchmarks/results/probes.md and probes.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray

from eyechart.inside import probes as probing
from eyechart.measures.statistics import cluster_interval
from eyechart.progress import track
from eyechart.seeds import rng

RESULTS = Path(__file__).parent / "results"
LABELS, WIDTH, FOLDS, KEPT = 8, 24, 5, 16
SIZES = ((6, 5), (12, 5), (81, 1))  # contents that are asked about, images of a label of each
LEARNT = 12  # further contents, which are only learnt from
STRENGTHS = (0.1,)  # the search for the best one is not in question here, and takes most of the time
WAYS = {"a content": probing.SHUFFLES, "a fold": FOLDS}  # most shuffles in all
OURS = "a content"
FEWER = 4  # the usual way only stands beside ours: a quarter of the runs
NOTES = """\
A run is one probe of shuffled labels at one stage. Held are the runs whose 95 % interval holds chance
({chance:.1%}); by {runs} runs a share of 95 % is known to +/- {error:.1f} points. Made by
`{command}`.

- "a content": labels are shuffled anew for every content that is asked about, as Eyechart does.
- "a fold": they are shuffled once a fold, as is usual. The contents of a fold are then right or wrong
  together, and an interval by content is too narrow.
"""

Control = tuple[bool, float]


def world(contents: int, each: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[np.float32]]:
    """Return images that are asked about, images that are learnt from, and the features of both."""
    draw = rng(seed, "probes", contents)
    count = contents + LEARNT
    content = np.repeat(np.arange(count), LABELS * each)
    label = np.tile(np.repeat(np.arange(LABELS), each), count)
    table = pd.DataFrame({
        "image_id": [f"{i:06d}" for i in range(len(label))], "content": [f"{i:04d}" for i in content],
        "label": [f"label {i}" for i in label],
    })  # fmt: skip
    features = 2 * draw.normal(size=(LABELS, WIDTH))[label] + draw.normal(size=(count, WIDTH))[content]
    features += draw.normal(size=features.shape) / 2
    asked = contents * LABELS * each
    return table[:asked], table[asked:], features.astype(np.float32)


def control(values: NDArray[np.float32], rows: probing.Rows, size: int, way: str, seed: int) -> Control:
    """Probe shuffled labels once: does the interval hold chance, and the accuracy."""
    before = probing.SHUFFLES, probing.STRENGTHS
    probing.SHUFFLES, probing.STRENGTHS = WAYS[way], STRENGTHS
    try:
        found = probing.probe(values, rows, FOLDS, size, seed)
    finally:
        probing.SHUFFLES, probing.STRENGTHS = before
    found = found[found["kind"] == "shuffled"]
    clusters = found["cluster" if way == "a content" else "content"]  # the usual control knows contents alone
    level = cluster_interval((found["predicted"] == found["label"]).astype(float), clusters, seed)
    return level.low <= 1 / LABELS <= level.high, level.value


def simulated(way: str, contents: int, each: int, seed: int) -> Control:
    """Return one control on a world of its own."""
    asked, learnt, features = world(contents, each, seed)
    return control(features, probing.Rows.of(asked, learnt), KEPT, way, seed)


def simulate(runs: int) -> Iterator[dict[str, Any]]:
    """Yield one row a size and way to shuffle."""
    for size in SIZES:
        for way in WAYS:
            seeds = range(runs if way == OURS else max(1, runs // FEWER))
            work = [(way, *size, seed) for seed in seeds]
            yield _row(f"simulated, {size[0]} contents", way, _all(simulated, work, f"{size[0]} contents"))


def of_study(run: Path, dataset: Path, seeds: int) -> Iterator[dict[str, Any]]:
    """Yield one row: the controls of every stage of a study's untuned nano, over seeds."""
    from eyechart.dataset import load_dataset
    from eyechart.inside import InsideConfig, Look
    from eyechart.runs import Run
    from eyechart.subjects.loading import load_subject

    config = InsideConfig()
    look = Look.of(Run.open(run), "base", load_subject("nano"), load_dataset(dataset), config, 0)
    rows = probing.Rows.of(look.table, look.fit_table)
    states, learnt = look.states, look.fit_states
    values = {
        stage: np.concatenate([states.pooled(stage), learnt.pooled(stage)])
        for stage in track(states.names, "reading")
    }
    work = [
        (values[stage], rows, config.components, OURS, n * len(values) + k)
        for n in range(seeds)
        for k, stage in enumerate(values)
    ]
    contents = look.table["content"].nunique()
    yield _row(f"nano, {len(values)} stages, {contents} contents", OURS, _all(control, work, "nano"))


def _all(function: Callable[..., Control], work: list[tuple[Any, ...]], what: str) -> list[Control]:
    """Call a function for each item of work, as many at a time as there are cores."""
    done: Iterable[Control] = Parallel(n_jobs=-1, return_as="generator")(
        delayed(function)(*one) for one in work
    )
    return list(track(done, what, len(work)))


def _row(features: str, way: str, hits: list[Control]) -> dict[str, Any]:
    held, levels = np.array(hits, dtype=float).T
    row = {"features": features, "shuffle for": way, "runs": len(hits)}
    return row | {"held": float(held.mean()), "accuracy": float(levels.mean())}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a table in Markdown."""
    lines = ["| features | a shuffle for | runs | held | mean accuracy |", "|---|---|---:|---:|---:|"]
    for row in rows:
        told = f"{100 * row['held']:.1f} % | {100 * row['accuracy']:.2f} %"
        lines.append(f"| {row['features']} | {row['shuffle for']} | {row['runs']} | {told} |")
    return "\n".join(lines)


def main() -> None:
    """Simulate and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=400, help="simulated runs of each size")
    parser.add_argument("--run", type=Path, help="the folder of a study of nano")
    parser.add_argument("--dataset", type=Path, help="its dataset")
    parser.add_argument("--seeds", type=int, default=20, help="runs of each stage of the study")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    options = parser.parse_args()
    rows = list(simulate(options.runs))
    if options.run and options.dataset:
        rows += of_study(options.run, options.dataset, options.seeds)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "probes.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    error = 196 * np.sqrt(0.95 * 0.05 / options.runs)
    command = " ".join(
        ["python benchmarks/probes.py", *(["--run RUN --dataset DATASET"] if options.run else [])]
    )
    notes = NOTES.format(chance=1 / LABELS, runs=options.runs, error=error, command=command)
    text = f"# Do shuffled labels sit at chance?\n\n{notes}\n{table(rows)}\n"
    (options.out / "probes.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
