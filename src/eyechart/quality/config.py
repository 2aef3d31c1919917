"""Settings of scoring."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class ScoreConfig(BaseModel):
    """What is asked for a score, and how; an unknown key is an error.

    Attributes:
        templates: sets, ids or files of scoring templates (see :mod:`eyechart.quality.template`).
        images: how many of the test images are scored, drawn by the run's seed; None takes all.
        repeats: sampled texts beside the greedy one; 0 writes texts only where a template asks for a number.
        temperature: of the samples.
        new_tokens: longest text, in tokens.
        batch: most images at a time.
        block: images that are scored, stored and forgotten together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    templates: tuple[str, ...] = Field(("scoring", "q-align", "q-bench"), min_length=1)
    images: PositiveInt | None = None
    repeats: int = Field(0, ge=0)
    temperature: float = Field(0.7, gt=0, allow_inf_nan=False)
    new_tokens: PositiveInt = 8
    batch: PositiveInt = 32
    block: PositiveInt = 64
