"""Settings of an exam."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

Readout = Literal["choose", "generate", "yes-no"]
READOUTS: tuple[Readout, ...] = ("choose", "generate", "yes-no")


class ExamConfig(BaseModel):
    """What is asked, and how; an unknown key is an error.

    Attributes:
        templates: sets, ids or files of templates (see :func:`eyechart.templates.load_templates`).
        readouts: ``choose`` (likelihoods of all answers), ``generate`` (text), ``yes-no`` (templates that ask
            about one label at a time). Each is taken where a template allows it.
        orders: how many orders of the options are asked of templates that list them.
        repeats: sampled texts beside the greedy one.
        temperature: of the samples.
        new_tokens: longest text, in tokens; a sentence or an object of JSON takes more than one word does.
        batch: most images at a time.
        block: images that are answered, stored and forgotten together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    templates: tuple[str, ...] = Field(("exam",), min_length=1)
    readouts: tuple[Readout, ...] = Field(READOUTS, min_length=1)
    orders: PositiveInt = 1
    repeats: int = Field(0, ge=0)
    temperature: float = Field(0.7, gt=0, allow_inf_nan=False)
    new_tokens: PositiveInt = 16
    batch: PositiveInt = 32
    block: PositiveInt = 64
