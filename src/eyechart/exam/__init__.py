"""The exam: ask a subject what distorts each image, by several readouts and templates."""

from __future__ import annotations

from eyechart.exam.config import ExamConfig

__all__ = ["ExamConfig"]
