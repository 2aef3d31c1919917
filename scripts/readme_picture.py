"""Draw the README's picture from a finished study: what is asked, what is answered, and where it is lost.

python scripts/readme_picture.py runs/nano        writes docs/picture.png

Nothing in it is chosen by eye: the scene is the first by name that no arm was tuned on, each label is shown
at its strongest, and answers are those to the train wording; green ones name the label.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from eyechart.arms import train_templates
from eyechart.dataset import load_dataset
from eyechart.report.figures import COLOURS
from eyechart.runs import Run

ROOT = Path(__file__).resolve().parent.parent
COMPONENTS = {"encoder": "vision encoder", "projector": "projector", "language": "language model"}


def main() -> None:
    """Draw the picture of the run that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a finished study")
    parser.add_argument("--dataset", type=Path, help="its dataset, where it lies elsewhere")
    parser.add_argument("--arm", default="vision+projector", help="the tuned arm, whose stages were probed")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "picture.png", help="the picture")
    options = parser.parse_args()
    run = Run(options.run)
    told = run.read_json("dataset.json")
    found = options.run.parent / "datasets" / f"{told['name']}-{told['hash'][:12]}"
    draw(run, options.dataset or found, options.arm, options.out)


def draw(run: Run, dataset: Path, arm: str, out: Path) -> None:
    """Write the picture of a run."""
    found = load_dataset(dataset)
    shown = answers(run, found.labels, arm)
    question = next(iter(train_templates(found.labels, 1).values()))
    images = found.images("test", shown["image_id"])
    plt.rcParams |= {"font.family": "DejaVu Sans", "font.size": 9}
    figure = plt.figure(figsize=(11, 5.6), dpi=130, facecolor="white")
    figure.suptitle(f"“{question}”", x=0.012, ha="left", fontsize=13, weight="bold")
    cells = figure.add_gridspec(1, len(shown), left=0.012, right=0.988, top=0.9, bottom=0.62, wspace=0.06)
    for place, (image, row) in enumerate(zip(images, shown.itertuples(), strict=True)):
        asked(figure.add_subplot(cells[place]), image, row)
    ladder(figure.add_axes((0.07, 0.1, 0.9, 0.34)), run.read_table("tables/stages.csv"), arm)
    figure.savefig(out, metadata={"Software": None})


def answers(run: Run, labels: tuple[str, ...], tuned: str) -> pd.DataFrame:
    """Return one image a label, at the label's strongest, with what was said before and after tuning."""
    template = next(iter(train_templates(labels, 1)))
    arms = {}
    for arm in ("base", tuned):
        table = run.read_table(f"arms/{arm}/answers")
        arms[arm] = table[(table["template"] == template) & (table["readout"] == "generate")]
    first = arms["base"][arms["base"]["content"] == arms["base"]["content"].min()]
    strongest = first.sort_values(["level", "image_id"]).drop_duplicates("label", keep="last")
    after = arms[tuned][["image_id", "text", "correct"]]
    found = strongest.merge(after, on="image_id", suffixes=("", "_after"), validate="one_to_one")
    shown: pd.DataFrame = found.set_index("label").loc[list(labels)].reset_index()
    return shown


def asked(axes: Any, image: Any, row: Any) -> None:
    """Draw one image, what it has, and both answers."""
    axes.imshow(image)
    axes.set_title(row.label, fontsize=9, color="#595e66", pad=4)
    axes.set_axis_off()
    said = (("untuned", row.text, row.correct), ("tuned", row.text_after, row.correct_after))
    for y, (who, text, correct) in zip((-0.1, -0.27), said, strict=True):
        given = {"transform": axes.transAxes, "va": "top", "fontsize": 8}
        axes.text(0, y, f"{who}: ", color="#595e66", **given)
        axes.text(0.46, y, textwrap.shorten(text, 14), color="#146c43" if correct else "#b3261e", **given)


def ladder(axes: Any, stages: pd.DataFrame, tuned: str) -> None:
    """Draw how well a probe names the distortion at each stage of the model, before and after tuning."""
    for (arm, name), colour in zip(
        (("base", "untuned"), (tuned, f"{tuned} tuned")), (COLOURS[0], COLOURS[4]), strict=True
    ):
        own = stages[(stages["arm"] == arm) & (stages["kind"] == "probe")].sort_values("order")
        axes.plot(
            own["order"], own["accuracy"], "o-", ms=4, color=colour, label=f"{name}: what a probe reads there"
        )
        axes.fill_between(own["order"], own["low"], own["high"], color=colour, alpha=0.15, lw=0)
    base = stages[(stages["arm"] == "base") & (stages["kind"] == "probe")].sort_values("order")
    for part, name in COMPONENTS.items():
        orders = base.loc[base["stage"].str.startswith(part), "order"]
        axes.axvspan(
            orders.min() - 0.5,
            orders.max() + 0.5,
            color="#f4f4f1" if part != "projector" else "#e6e6df",
            zorder=0,
        )
        axes.text(orders.mean(), 1.02, name, transform=axes.get_xaxis_transform(), ha="center", fontsize=9)
    axes.axhline(base["chance"].mean(), ls="--", lw=1, color="#595e66", label="chance")
    axes.set_title("Where is it lost?", loc="left", fontsize=13, weight="bold", pad=18)
    axes.set_xticks(
        base["order"],
        [name.split(" ", 1)[1] for name in base["stage"]],
        fontsize=7,
    )
    axes.set(ylim=(0, 0.8), xlim=(-0.5, base["order"].max() + 0.5), ylabel="accuracy")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper right", ncols=3)


if __name__ == "__main__":
    main()
