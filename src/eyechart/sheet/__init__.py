"""A contact sheet: one picture, every type by every level, cut at native size."""

from __future__ import annotations

from eyechart.sheet.write import write_sheet

__all__ = ["write_sheet"]
