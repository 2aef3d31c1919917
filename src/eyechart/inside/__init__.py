"""Look into a subject: how near its visual tokens lie to the words, where the distortion is readable."""

from __future__ import annotations

from eyechart.inside.distance import semantic_distance
from eyechart.inside.stages import LadderConfig, stage_ladder

__all__ = ["LadderConfig", "semantic_distance", "stage_ladder"]
