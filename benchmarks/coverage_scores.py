"""How often the 95 % intervals on quality scores hold the true value, and how often a bias is found in vain.

    python benchmarks/coverage_scores.py                       # 400 simulated runs of each size
    python benchmarks/coverage_scores.py --runs 100 --out /tmp/coverage

Each run draws contents whose opinions and whose scores have effects of their own; scores follow opinions by
a logistic curve. The truth is what scipy computes, without any of Eyechart's code, for 4,000 contents.
Results go to benchmarks/results/coverage_scores.md.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import curve_fit

from eyechart.progress import track
from eyechart.quality.agreement import agreement
from eyechart.quality.bias import bias
from eyechart.quality.spread import SHARES, spread_over_templates
from eyechart.seeds import rng

RESULTS = Path(__file__).parent / "results"
SIZES = (12, 25, 81)
TRUTH, IMAGES = 4000, 8
LABELS = ("blur", "noise", "jitter", "clean")
NOTES = """\
Each of {runs} simulated runs of each size has 8 images of a content, two arms and two wordings; contents
differ in quality, and in how they are scored. Columns: number of contents. Cells: per cent. With {runs} runs
a share of 95 % is known to +/- {error:.1f} points. Made by `python benchmarks/coverage_scores.py`.
"""


def draw(contents: int, seed: int) -> pd.DataFrame:
    """Return scores with their targets; no label is scored better than another."""
    draws = rng(seed, "coverage of scores", contents)
    content = np.repeat(np.arange(contents), IMAGES)
    opinion = 0.5 + draws.normal(0, 0.1, contents)[content] + draws.normal(0, 0.15, len(content))
    taste = draws.normal(0, 0.5, contents)[content]
    parts = []
    for arm, noise in (("base", 1.0), ("tuned", 0.4)):
        for template in ("one", "two"):
            liking = draws.normal(0, 0.4, contents)[content]
            logit = 6 * (opinion - 0.5) + taste + liking + draws.normal(0, noise, len(content))
            parts.append(
                pd.DataFrame(
                    {
                        "image_id": [f"{i:06d}" for i in range(len(content))],
                        "content": [f"{i:05d}" for i in content],
                        "label": np.array(LABELS, dtype=object)[np.arange(len(content)) % len(LABELS)],
                        "target": opinion,
                        "score": 1 / (1 + np.exp(-logit)),
                        "arm": arm,
                        "template": template,
                    }
                ).assign(corpus="photos", target_kind="opinion", template_split="other", kind="levels")
            )
    return pd.concat(parts, ignore_index=True).assign(readout="levels", repeat=0)


def truth() -> dict[str, float]:
    """Return the statistics of very many contents, by scipy."""
    table = draw(TRUTH, 0)
    found: dict[str, float] = {}
    of_arm: dict[str, dict[str, float]] = {}
    for arm, part in table[table["template"] == "one"].groupby("arm"):
        x, y = part["score"].to_numpy(), part["target"].to_numpy()

        def curve(s: np.ndarray, a: float, b: float, c: float, d: float) -> np.ndarray:
            return b + (a - b) / (1 + np.exp(-(s - c) / d))

        start = [y.max(), y.min(), x.mean(), x.std()]
        mapped = curve(x, *curve_fit(curve, x, y, start, maxfev=20_000)[0])
        of_arm[str(arm)] = {
            "srcc": stats.spearmanr(x, y)[0],
            "plcc": stats.pearsonr(mapped, y)[0],
            "krcc": stats.kendalltau(x, y)[0],
            "rmse": float(np.sqrt(np.mean((mapped - y) ** 2))),
        }
    for name, value in of_arm["base"].items():
        found[name] = float(value)
        found[f"change of {name}"] = float(of_arm["tuned"][name] - value)
    wide = table[table["arm"] == "base"].pivot(index="image_id", columns="template", values="score")
    both = wide.to_numpy()
    found["sd over wordings"] = float(both.std(axis=1, ddof=1).mean())
    own, rest = np.cov(both.T)[0, 1], np.var(both[:, 0] - both[:, 1], ddof=1) / 2
    found["image_share"] = float(own / (own + rest + (both[:, 0].mean() - both[:, 1].mean()) ** 2 / 2))
    return found


def run(seed: int, contents: int, true: dict[str, float]) -> tuple[dict[str, bool], bool]:
    """Simulate one run: does each interval hold the truth, and is a bias found that is not there?"""
    table = draw(contents, seed + 1)
    one = table[table["template"] == "one"]
    agrees, changes = agreement(one, seed)
    base, spread = agrees[agrees["arm"] == "base"].iloc[0], spread_over_templates(table, seed).iloc[0]
    held = {}
    for name in ("srcc", "plcc", "krcc", "rmse"):
        for row, key in ((base, name), (changes.iloc[0], f"change of {name}")):
            held[key] = bool(row[f"{name}_low"] <= true[key] <= row[f"{name}_high"])
    held["sd over wordings"] = bool(spread["sd_low"] <= true["sd over wordings"] <= spread["sd_high"])
    share = SHARES[0]
    held[share] = bool(spread[f"{share}_low"] <= true[share] <= spread[f"{share}_high"])
    biased = bias(one[one["arm"] == "base"].assign(distortion=one["label"]), seed)[0]
    return held, bool((biased.loc[biased["by"] == "label", "p_holm"] < 0.05).any())


def simulate(runs: int, sizes: tuple[int, ...] = SIZES) -> pd.DataFrame:
    """Return the share of runs whose interval holds the truth, per statistic and number of contents."""
    true, found = truth(), defaultdict[str, dict[int, float]](dict)
    for contents in sizes:
        told = [run(seed, contents, true) for seed in track(range(runs), f"{contents} contents", runs)]
        for name in told[0][0]:
            found[name][contents] = 100 * float(np.mean([held[name] for held, _ in told]))
        found["false alarms of any bias (Holm)"][contents] = 100 * float(
            np.mean([alarm for _, alarm in told])
        )
    return pd.DataFrame(found).T


def main() -> None:
    """Simulate and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=400, help="simulated runs of each size")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    options = parser.parse_args()
    found = simulate(options.runs)
    sizes = list(found.columns)
    lines = ["| share of runs |" + "".join(f" {size} |" for size in sizes)]
    lines.append("|---|" + "---:|" * len(sizes))
    for name, row in found.iterrows():
        lines.append(f"| {name} |" + "".join(f" {row[size]:.1f} |" for size in sizes))
    notes = NOTES.format(runs=options.runs, error=196 * np.sqrt(0.95 * 0.05 / options.runs))
    text = f"# Do the intervals on quality scores hold?\n\n{notes}\n" + "\n".join(lines) + "\n"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "coverage_scores.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
