"""How tuning is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
)

from eyechart.errors import EyechartError
from eyechart.subjects.components import COMPONENTS
from eyechart.tune.batches import Balance
from eyechart.tune.constraints import NAMES

Schedule = Literal["one-cycle", "cosine", "linear", "constant"]
_Names = TypeVar("_Names", dict[str, float], tuple[str, ...])


class LearningRates(BaseModel):
    """Peak learning rate of each component; a component trained in full wants less than its adapter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vision: PositiveFloat = 4e-5
    projector: PositiveFloat = 5e-4
    language: PositiveFloat = 5e-4


class TuneConfig(BaseModel):
    """Settings of component-wise tuning; the same for every arm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    projector_steps: NonNegativeInt = Field(
        400, description="first steps of the projector, over kept features, on the constraints alone"
    )
    alignment_steps: NonNegativeInt = Field(
        400, description="steps of the trained vision path on the constraints alone"
    )
    steps: NonNegativeInt = Field(50, description="steps of all trained components on the answer's loss")
    batch: PositiveInt = Field(16, description="images a step, over all processes")
    accumulate: PositiveInt = Field(1, description="parts in which a step's images are computed")
    learning_rates: LearningRates = LearningRates()
    schedule: Schedule = Field("one-cycle", description="course of the learning rates in each phase")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps with rising learning rate")
    constraints: dict[str, NonNegativeFloat] = Field(
        {"alignment": 0.3},
        description="weight of each constraint on the vision path beside the answer's loss, 0 for none; "
        "without the language model the weights count relative to their largest",
    )
    answer_rate: PositiveFloat = Field(
        0.3,
        description="factor, in the last phase, on the rates of what earlier phases have trained",
    )
    lora: tuple[str, ...] = Field(("language",), description="components tuned by LoRA; the others in full")
    lora_rank: PositiveInt = Field(8, description="rank of the adapters")
    templates: PositiveInt = Field(1, description="how many train templates are mixed")
    balance: Balance = Field("none", description="what is drawn alike often: see eyechart.tune.batches")
    patience: NonNegativeInt = Field(
        0, description="evaluations without a better held-out loss after which a phase stops; 0 never stops"
    )
    held_out: float = Field(
        0.1, gt=0, lt=1, description="share of the train split's contents held out for early stopping"
    )
    evaluate_every: PositiveInt = Field(20, description="steps between evaluations, for early stopping")
    gradient_checkpointing: bool = Field(False, description="compute activations twice, to save memory")
    shard: bool = Field(
        False, description="spread weights, gradients and optimiser over the processes (FSDP2)"
    )
    deepspeed: str | None = Field(None, description="file of DeepSpeed's settings; None does without it")
    save_every: PositiveInt = Field(200, description="steps between what a killed run is taken up from")

    @field_validator("constraints")
    @classmethod
    def _known_constraints(cls, given: dict[str, float]) -> dict[str, float]:
        return {name: weight for name, weight in _known(given, NAMES).items() if weight}

    @field_validator("lora")
    @classmethod
    def _known_components(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return _known(given, COMPONENTS)


def _known(given: _Names, names: tuple[str, ...]) -> _Names:
    wrong = next((name for name in given if name not in names), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} is none of {', '.join(names)}")
    return given


def tune_config(given: Mapping[str, Any]) -> TuneConfig:
    """Return the settings of a tuning.

    Raises:
        EyechartError: there is no such setting, or its value is impossible.
    """
    try:
        return TuneConfig(**given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise EyechartError(
            f"the setting {where} is wrong: {first['msg']} (got {first['input']!r})",
            "eyechart tune --help lists the settings",
        ) from error
