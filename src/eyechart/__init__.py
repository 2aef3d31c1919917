"""Eyechart: an eye test for vision-language models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eyechart.dataset import DatasetConfig, build_dataset, load_dataset
    from eyechart.errors import EyechartError
    from eyechart.exam import ExamConfig
    from eyechart.inside import InsideConfig
    from eyechart.quality import ScoreConfig
    from eyechart.remote import endpoint_run
    from eyechart.report import build_report
    from eyechart.scoring import endpoint_score_run, score_run
    from eyechart.single import exam_run, grade_run, inside_run
    from eyechart.study import StudyConfig, run_study
    from eyechart.subjects.endpoint import EndpointConfig
    from eyechart.subjects.loading import load_subject
    from eyechart.subjects.options import LoadOptions
    from eyechart.tuning import tune_run

__version__ = "0.1.0"

# Where each public name lives: imported when first asked for, so that `import eyechart` costs nothing.
_HOMES = {
    "DatasetConfig": "eyechart.dataset",
    "EndpointConfig": "eyechart.subjects.endpoint",
    "ExamConfig": "eyechart.exam",
    "EyechartError": "eyechart.errors",
    "InsideConfig": "eyechart.inside",
    "LoadOptions": "eyechart.subjects.options",
    "ScoreConfig": "eyechart.quality",
    "StudyConfig": "eyechart.study",
    "build_dataset": "eyechart.dataset",
    "build_report": "eyechart.report",
    "endpoint_run": "eyechart.remote",
    "endpoint_score_run": "eyechart.scoring",
    "exam_run": "eyechart.single",
    "grade_run": "eyechart.single",
    "inside_run": "eyechart.single",
    "load_dataset": "eyechart.dataset",
    "load_subject": "eyechart.subjects.loading",
    "run_study": "eyechart.study",
    "score_run": "eyechart.scoring",
    "tune_run": "eyechart.tuning",
}
__all__ = [
    "DatasetConfig",
    "EndpointConfig",
    "ExamConfig",
    "EyechartError",
    "InsideConfig",
    "LoadOptions",
    "ScoreConfig",
    "StudyConfig",
    "build_dataset",
    "build_report",
    "endpoint_run",
    "endpoint_score_run",
    "exam_run",
    "grade_run",
    "inside_run",
    "load_dataset",
    "load_subject",
    "run_study",
    "score_run",
    "tune_run",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'eyechart' has no attribute {name!r}")
