"""What a dataset is made from and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from eyechart.errors import EyechartError


class DatasetConfig(BaseModel):
    """The recipe of a dataset. The defaults make "nano", from photographs that ship with the package.

    Pictures are crops at native resolution: resampling would remove the traces that the exam asks about.

    Attributes:
        name: how the dataset's folder begins.
        photos: a folder of one's own photographs, split by photograph; None takes the packaged ones.
        label_map: a shipped label map's name, or the path of one's own.
        crop: side of the pictures, in pixels.
        levels: which of KADID-10k's levels to use.
        test_contents: how many of the test photographs to use; None takes all.
        test_per_cell: pictures per content, label and level in test and validation.
        clean_per_content: pictures without distortion per content in test and validation, each at a place of
            its own; the distorted ones are taken at the same places.
        train_images: pictures to train on, the same number of each label.
        dead_leaves_share: share of the training contents that are drawn, not photographed.
        crops_per_distorted: training crops from one distorted picture.
        seed: of every random choice.
        invisible_psnr: a distorted crop at least this close to its original (dB) is set aside.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="nano", pattern=r"^[a-z0-9][a-z0-9_-]*$")
    photos: Path | None = None
    label_map: str = "paper8"
    crop: int = Field(default=112, ge=32, le=1024)
    levels: tuple[int, ...] = (1, 2, 3, 4, 5)
    test_contents: int | None = Field(default=None, ge=2)
    test_per_cell: int = Field(default=1, ge=1)
    clean_per_content: int = Field(default=5, ge=1, le=100)
    train_images: int = Field(default=6000, ge=0)
    dead_leaves_share: float = Field(default=0.25, ge=0, le=1)
    crops_per_distorted: int = Field(default=3, ge=1)
    seed: int = 0
    invisible_psnr: float = Field(default=48.0, gt=0)

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Return a configuration; a mistake is told in words.

        Raises:
            EyechartError: an unknown key or an impossible value.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            told = [f"{'.'.join(map(str, e['loc'])) or 'dataset'}: {e['msg']}" for e in error.errors()]
            raise EyechartError(f"the dataset's configuration is wrong: {'; '.join(told)}") from error

    @field_validator("levels")
    @classmethod
    def _known_levels(cls, levels: tuple[int, ...]) -> tuple[int, ...]:
        if not levels or len(set(levels)) < len(levels) or not set(levels) <= {1, 2, 3, 4, 5}:
            raise ValueError("levels must be some of 1, 2, 3, 4 and 5, each once")
        return levels

    @model_validator(mode="after")
    def _places_suffice(self) -> Self:
        if self.test_per_cell > self.clean_per_content:
            raise ValueError(
                "test_per_cell must not exceed clean_per_content, the number of places per content"
            )
        return self
