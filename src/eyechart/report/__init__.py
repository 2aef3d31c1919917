"""From a run folder to one page that explains it."""

from __future__ import annotations

from eyechart.report.page import build_report

__all__ = ["build_report"]
