"""Settings of the look inside a subject."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class InsideConfig(BaseModel):
    """What is read inside a subject and how it is measured.

    Attributes:
        images: of the test set, spread over contents and labels; None looks at all.
        template: id of the template whose question the language model reads; None is the first train
            template.
        train_images: of the train split, on which the probes are fitted beside the other test contents.
        every: every so-many-th layer of the language model is read; its last one always.
        tokens: keep each visual token, not only each image's mean and standard deviation, of the projector's
            output and of the language model's layers that are read.
        precision: in which tokens are kept on the disk; means and deviations are kept in float32.
        batch: images that pass the model at a time.
        components: dimensions to which every stage is reduced for its probe.
        folds: outer folds of the probes, grouped by content.
        pairs: of a clean and a distorted image of one content, between which states are patched.
        swap_images: of the test set, spread over labels and contents, on which tuned components are swapped
            into the untuned subject; None takes all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: PositiveInt | None = None
    template: str | None = None
    train_images: PositiveInt = 640
    every: PositiveInt = 6
    tokens: bool = True
    precision: Literal["float32", "bfloat16"] = "float32"
    batch: PositiveInt = 32
    components: PositiveInt = 64
    folds: int = Field(default=5, ge=2)
    pairs: PositiveInt = 24
    swap_images: PositiveInt | None = 96
