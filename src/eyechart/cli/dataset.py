"""``eyechart dataset``: build a dataset, check it or a corpus, show what it holds, export it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from eyechart.errors import EyechartError

Folder = Annotated[Path, typer.Argument(help="The dataset's folder.", show_default=False)]
Corpora = Annotated[
    list[str] | None,
    typer.Option("--corpus", help="A corpus on your disk, NAME=PATH (kadid10k=/data/kadid10k); may repeat."),
]
CorpusCrop = Annotated[
    int | None,
    typer.Option(help="Side of one crop from each picture of a corpus.", show_default="whole pictures"),
]
Partial = Annotated[bool, typer.Option("--partial", help="Accept copies of corpora that are not complete.")]

_SHOWN = 20  # findings of a kind


def add(app: typer.Typer) -> None:
    """Register the commands."""
    commands = typer.Typer(no_args_is_help=True, help="Build a dataset, check, show or export it.")
    commands.command("build")(build)
    commands.command("check")(check)
    commands.command("show")(show)
    commands.command("export")(export)
    app.add_typer(commands, name="dataset")


def build(
    out: Annotated[Path, typer.Option(help="Where the dataset's folder will lie.")] = Path("datasets"),
    name: Annotated[
        str | None, typer.Option(help="How the folder's name begins.", show_default="nano, or the corpora")
    ] = None,
    corpus: Corpora = None,
    partial: Partial = False,
    corpus_crop: CorpusCrop = None,
    keep_untyped: Annotated[
        bool,
        typer.Option(
            "--keep-untyped", help="Keep test pictures to which the label map gives no label, for scores."
        ),
    ] = False,
    synthetic: Annotated[
        bool | None,
        typer.Option(
            "--synthetic/--no-synthetic",
            help="Whether to distort photographs too.",
            show_default="only where no corpus is given",
        ),
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="A folder of your own photographs.", show_default="those that ship")
    ] = None,
    label_map: Annotated[str, typer.Option(help="A label map's name or file.")] = "paper8",
    crop: Annotated[int, typer.Option(help="Side of the pictures made from photographs, in pixels.")] = 112,
    train_images: Annotated[int, typer.Option(help="Pictures to make for training.")] = 4000,
    test_contents: Annotated[
        int | None, typer.Option(help="How many test photographs to distort.", show_default="all")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
) -> None:
    """Unify corpora of rated pictures, or distort photographs, or both; split by content."""
    from eyechart.dataset import DatasetConfig, build_dataset

    sources = corpus_sources(corpus, partial=partial)
    config = DatasetConfig.of(
        name=name or "-".join(sorted(source["name"] for source in sources)) or "nano",
        corpora=sources,
        corpus_crop=corpus_crop,
        keep_untyped=keep_untyped,
        synthetic=synthetic,
        photos=photos,
        label_map=label_map,
        crop=crop,
        train_images=train_images,
        test_contents=test_contents,
        seed=seed,
    )
    show(build_dataset(config, out).path)


def corpus_sources(corpora: Sequence[str] | None, *, partial: bool) -> list[dict[str, Any]]:
    """Return the corpora of the command line as settings.

    Raises:
        EyechartError: one is not NAME=PATH.
    """
    sources = []
    for text in corpora or ():
        name, found, path = text.partition("=")
        if not (name and found and path):
            raise EyechartError(f"--corpus {text} is not NAME=PATH", "e.g. --corpus kadid10k=/data/kadid10k")
        sources.append({"name": name, "path": Path(path).expanduser(), "partial": partial})
    return sources


def check(
    what: Annotated[str, typer.Argument(help="A dataset's folder, or a corpus' name with its PATH.")],
    path: Annotated[Path | None, typer.Argument(help="A corpus as you downloaded it.")] = None,
    partial: Partial = False,
    every: Annotated[bool, typer.Option("--all", help="Show every finding, not 20 of a kind.")] = False,
) -> None:
    """Check a dataset for leaks, wrong labels and damage, or a copy of a corpus for being as published."""
    if path is not None:
        _check_corpus(what, path, partial=partial, every=every)
        return
    from eyechart.dataset import check_dataset, load_dataset

    problems = check_dataset(load_dataset(Path(what)))
    for problem in problems:
        typer.echo(f"problem: {problem}")
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{what}: no problem found")


def _check_corpus(name: str, path: Path, *, partial: bool, every: bool) -> None:
    from eyechart.corpora.check import check_corpus
    from eyechart.corpora.read import read_corpus
    from eyechart.corpora.registry import readers

    corpus = read_corpus(name, path, partial=partial)
    findings = check_corpus(corpus)
    shown: Counter[str] = Counter()
    for finding in findings:
        start = f"{'DAMAGE' if finding.damage else 'note'}: {finding.kind}"
        shown[start] += 1
        if every or shown[start] <= _SHOWN:
            typer.echo(f"{start}: {finding.item}: {finding.reason}")
    for start, number in shown.items():
        if not every and number > _SHOWN:
            typer.echo(f"{start}: {number - _SHOWN:,} more; --all shows them")
    reader = readers()[name]
    references = sum(item.distortion == "none" for item in corpus.items)
    for told, official, found in (
        ("references", reader.references, references),
        ("distorted pictures", reader.distorted, len(corpus.items) - references),
    ):
        typer.echo(f"{corpus.title}: {found} {told}{'' if official is None else f', {official} published'}")
    damage = sum(finding.damage for finding in findings)
    if damage:
        typer.echo(f"{path}: {damage} findings of damage")
        raise typer.Exit(1)
    typer.echo(f"{path}: no damage found")


def show(
    folder: Folder,
    html: Annotated[Path | None, typer.Option(help="Write a page with pictures to this file.")] = None,
) -> None:
    """Show how many pictures there are per corpus, label, level and split, and where they lie."""
    from eyechart.dataset import load_dataset
    from eyechart.dataset.card import leaks_told
    from eyechart.dataset.show import overview, rates

    dataset = load_dataset(folder)
    for title, table in overview(dataset).items():
        typer.echo(f"{title}\n{table.to_string()}\n")
    record = dataset.record()
    images = ", ".join(f"{number} {split}" for split, number in record["images"].items())
    typer.echo(rates(dataset))
    if leaks_told(record):
        typer.echo(leaks_told(record))
    typer.echo(f"{images}; {record['set_aside']} set aside (see set_aside.csv)\n{dataset.path}")
    if html is not None:
        from eyechart.report.dataset_page import build_dataset_page

        typer.echo(f"open {build_dataset_page(dataset, html)}")


def export(
    folder: Folder,
    form: Annotated[
        str, typer.Option("--format", help="llava, ms-swift, llama-factory or lmms-eval.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="A new folder.", show_default=False)],
) -> None:
    """Write a dataset in the form that another trainer or harness reads."""
    from eyechart.dataset import load_dataset
    from eyechart.dataset.export import export_dataset

    typer.echo(export_dataset(load_dataset(folder), form, out).read_text(encoding="utf-8"))
