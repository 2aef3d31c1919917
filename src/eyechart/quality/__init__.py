"""Quality scores: asked of a subject, and held against opinion scores, names and wordings."""

from __future__ import annotations

from eyechart.quality.config import ScoreConfig

__all__ = ["ScoreConfig"]
