"""Distort a folder of pictures: every version beside its record, and one table of all of them."""

from __future__ import annotations

from eyechart.folder.job import Result, distort_folder
from eyechart.folder.versions import Version, parse_versions

__all__ = ["Result", "Version", "distort_folder", "parse_versions"]
