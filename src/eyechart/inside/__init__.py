"""Look into a subject: how close are its visual tokens to the words, and where is the distortion still readable."""

from __future__ import annotations

from eyechart.inside.distance import semantic_distance
from eyechart.inside.stages import LadderConfig, stage_ladder

__all__ = ["LadderConfig", "semantic_distance", "stage_ladder"]
