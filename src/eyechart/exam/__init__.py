"""The exam: ask a subject what distorts each image, by two readouts and several templates."""

from __future__ import annotations

from eyechart.exam.answers import ExamConfig, examine
from eyechart.exam.content import examine_content

__all__ = ["ExamConfig", "examine", "examine_content"]
