"""How tuning is done."""

from __future__ import annotations

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)


class LearningRates(BaseModel):
    """Peak learning rate of each component."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vision: PositiveFloat = 4e-5
    projector: PositiveFloat = 5e-4
    language: PositiveFloat = 5e-4


class TuneConfig(BaseModel):
    """Settings of component-wise tuning; the same for every arm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    projector_steps: NonNegativeInt = Field(
        400, description="first steps of the projector, over kept features, on the alignment constraint alone"
    )
    alignment_steps: NonNegativeInt = Field(
        700, description="steps of the trained vision path on the alignment constraint alone"
    )
    steps: PositiveInt = Field(50, ge=3, description="steps of all trained components on the answer's loss")
    batch: PositiveInt = Field(16, description="images a step")
    learning_rates: LearningRates = LearningRates()
    alignment: NonNegativeFloat = Field(0.3, description="weight of the constraint beside the answer's loss")
    answer_rate: PositiveFloat = Field(
        0.3, description="factor on the vision path's rates in the last phase, which refines what is aligned"
    )
    lora_rank: PositiveInt = Field(8, description="rank of the language model's adapter")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps with rising learning rate")
