"""How tuning is done."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt


class TuneConfig(BaseModel):
    """Settings of component-wise tuning; the same for every arm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alignment_steps: NonNegativeInt = Field(
        300, description="steps of the vision path on the alignment constraint alone, the language model not run"
    )
    steps: PositiveInt = Field(100, description="steps on the language model's loss of the answer")
    batch: PositiveInt = Field(24, description="images a step")
    learning_rates: dict[str, PositiveFloat] = Field(
        {"vision": 1e-4, "projector": 5e-4, "language": 5e-4}, description="peak learning rate by component"
    )
    alignment: NonNegativeFloat = Field(0.3, description="weight of the alignment constraint beside the answer loss")
    lora_rank: PositiveInt = Field(8, description="rank of the language model's adapter")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps with rising learning rate")
