"""Plans inside run folders: written when the work begins, and held against what it took at the end."""

from __future__ import annotations

from collections.abc import Callable

from eyechart.dataset import Dataset
from eyechart.exam.config import ExamConfig
from eyechart.exam.engine import Scheme
from eyechart.plan import exam, tune
from eyechart.plan.measure import seconds_of_an_image
from eyechart.plan.tables import Plan, as_json, compare_table, from_json, text
from eyechart.runs import Run
from eyechart.subjects.model import ModelSubject
from eyechart.tune.arms import Arm
from eyechart.tune.config import TuneConfig

# Images from which on a few are timed beforehand: the effort is lost in the whole.
_MANY = 100


def plan_exam(
    run: Run, arm: str, subject: ModelSubject, dataset: Dataset, config: ExamConfig, scheme: Scheme
) -> None:
    """Write ``arms/ARM/plan.json`` before an arm's exam; a plan that is there stays.

    Args:
        run: the run.
        arm: whose exam it is.
        subject: the model, with its weights.
        dataset: what it is asked about.
        config: what it is asked.
        scheme: how it is asked.
    """

    def plan() -> Plan:
        many = len(dataset.table(exam.SPLIT)) >= _MANY
        each = seconds_of_an_image(subject, dataset, config, scheme) if many else None
        return exam.planned(
            subject, held(subject), dataset, config, device=subject.device, scheme=scheme, seconds=each
        )

    _keep(run, f"arms/{arm}/plan.json", plan)


def plan_tuning(
    run: Run, name: str, subject: ModelSubject, dataset: Dataset, question: str, arm: Arm, config: TuneConfig
) -> None:
    """Write a tuning's plan to the file of this name in the run; a plan that is there stays."""

    def plan() -> Plan:
        return tune.planned(subject, held(subject), dataset, question, arm, config, device=subject.device)

    _keep(run, name, plan)


def held(subject: ModelSubject) -> float:
    """Return the bytes of a loaded subject's weights."""
    return float(sum(p.numel() * p.itemsize for p in subject.model.parameters()))


def beside_plan(run: Run, name: str, took: Plan) -> str:
    """Return, as text, what was planned in the file of this name beside what was taken."""
    found = run.read_json(name)
    if found["missing"]:
        return f"there was no plan: {found['missing']}"
    return text(compare_table(from_json(found["quantities"]), took))


def _keep(run: Run, name: str, plan: Callable[[], Plan]) -> None:
    """Write a plan; where a family lacks what a plan asks for, say so there: the work goes on without."""
    if run.has(name):
        return
    quantities, missing = [], ""
    try:
        quantities = as_json(plan())
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        missing = f"{type(error).__name__}: {error}"
    run.write_json({"quantities": quantities, "missing": missing}, name)
