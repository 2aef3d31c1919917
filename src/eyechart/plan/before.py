"""The plans of ``eyechart plan``: from names and settings, before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eyechart.dataset import load_dataset
from eyechart.errors import EyechartError
from eyechart.exam.config import ExamConfig
from eyechart.plan import exam, tune
from eyechart.plan.lengths import unloaded
from eyechart.plan.measure import seconds_of_an_image
from eyechart.plan.tables import Plan
from eyechart.subjects.loading import load_subject
from eyechart.subjects.memory import weights_need
from eyechart.subjects.options import LoadOptions
from eyechart.templates import load_templates
from eyechart.tune.arms import arm
from eyechart.tune.config import TuneConfig

if TYPE_CHECKING:
    import torch


def exam_plan(
    subject: str, dataset: Path, config: ExamConfig, load: LoadOptions, *, measure: bool = False
) -> Plan:
    """Return the plan of an exam.

    Args:
        subject: its name.
        dataset: a dataset's folder.
        config: settings of the exam.
        load: how the subject would be loaded.
        measure: load it and time a few images.

    Raises:
        EyechartError: no such subject, dataset or template.
    """
    found, shell = load_dataset(dataset), unloaded(subject, load)
    each = seconds_of_an_image(load_subject(subject, load), found, config) if measure else None
    weights = float(weights_need(shell.model, load).total)
    return exam.planned(shell, weights, found, config, device=device_of(load), seconds=each)


def tune_plan(
    subject: str, dataset: Path, train: str, config: TuneConfig, load: LoadOptions, *, processes: int = 1
) -> Plan:
    """Return the plan of tuning some components in so many processes; arguments as of :func:`exam_plan`.

    Raises:
        EyechartError: no such subject, dataset or component, or weights that cannot be tuned.
    """
    load.refuse_tuning()
    found, chosen = load_dataset(dataset), arm(train)
    if not chosen.train:
        raise EyechartError(
            "the base is what is not tuned", "name components: vision, projector, language, or all"
        )
    question = next(t for t in load_templates() if t.split == "train").question(found.labels)
    shell = unloaded(subject, load)
    weights = float(weights_need(shell.model, load).total)
    return tune.planned(
        shell, weights, found, question, chosen, config, device=device_of(load), processes=processes
    )


def device_of(load: LoadOptions) -> torch.device:
    """Return where most of a subject would compute."""
    import torch

    if torch.cuda.is_available() and (load.device_map or "auto") != "cpu":
        told = load.device_map or "cuda"
        return torch.device(told if told.startswith("cuda") else "cuda")
    return torch.device("cpu")
