"""What a dataset is made from and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from eyechart.errors import EyechartError

STUDY_TYPES = (
    "gaussian_blur",
    "lens_blur",
    "motion_blur",
    "white_noise",
    "color_noise",
    "impulse_noise",
    "multiplicative_noise",
    "brighten",
    "darken",
    "jpeg",
    "jpeg2000",
    "contrast_change",
    "saturation_hsv",
    "saturation_lab",
    "jitter",
)


class CorpusSource(BaseModel):
    """One corpus of rated pictures on the user's disk.

    Attributes:
        name: of the reader, e.g. "kadid10k".
        path: the folder or archive, as it was downloaded.
        partial: accept a copy that is not complete; what is missing or damaged is then set aside.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    path: Path
    partial: bool = False


class DatasetConfig(BaseModel):
    """The recipe of a dataset. The defaults make "nano", from photographs that ship with the package.

    Pictures that Eyechart makes are crops at native resolution: resampling would remove the traces that the
    exam asks about. Pictures of corpora are whole, unless ``corpus_crop`` says otherwise.

    Attributes:
        name: how the dataset's folder begins.
        corpora: corpora of rated pictures to put in.
        corpus_crop: side of the one crop taken from each picture of a corpus, at the same place in all that
            share a content; None keeps the pictures whole, as the very bytes of the corpus.
        keep_untyped: keep the corpora's pictures to which the label map gives no label (all those of corpora
            without types, such as KonIQ-10k), where their content is for test. They stand in a split of their
            own, "untyped", which only quality scores use.
        identical: what becomes of a distorted picture of a corpus that equals its reference or cannot be told
            from it (``invisible_psnr``): "leave-out" sets it aside, "clean" makes it one more clean picture.
        split_file: a published split of the corpora by reference (JSON, see ``splits.import_split``); None
            takes Eyechart's own, by content.
        split_index: which of the file's splits, from 0.
        synthetic: whether Eyechart makes pictures itself; None: only where no corpus is given.
        photos: a folder of one's own photographs, split by photograph; None takes the packaged ones.
        label_map: a shipped label map's name, or the path of one's own.
        crop: side of the pictures, in pixels.
        types: distortions that Eyechart makes; "all" takes every one of its registry.
        levels: which of their five levels to use.
        test_contents: how many of the test photographs to use; None takes all.
        test_per_cell: pictures per content, label and level in test and validation.
        clean_per_content: pictures without distortion per content in test and validation, each at a place of
            its own; the distorted ones are taken at the same places.
        train_images: pictures to train on, the same number of each label.
        dead_leaves_share: share of the training contents that are drawn, not photographed.
        crops_per_distorted: training crops from one distorted picture.
        seed: of every random choice.
        invisible_psnr: a distorted picture at least this close to its original (dB) is set aside.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="nano", pattern=r"^[a-z0-9][a-z0-9_-]*$")
    corpora: tuple[CorpusSource, ...] = ()
    corpus_crop: int | None = Field(default=None, ge=32, le=4096)
    keep_untyped: bool = False
    identical: Literal["leave-out", "clean"] = "leave-out"
    split_file: Path | None = None
    split_index: int = Field(default=0, ge=0)
    synthetic: bool | None = None
    photos: Path | None = None
    label_map: str = "paper8"
    crop: int = Field(default=112, ge=32, le=1024)
    types: tuple[str, ...] | Literal["all"] = STUDY_TYPES
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

    @property
    def makes_pictures(self) -> bool:
        """Whether Eyechart distorts photographs itself for this dataset."""
        return not self.corpora if self.synthetic is None else self.synthetic

    @field_validator("corpora")
    @classmethod
    def _known_corpora(cls, corpora: tuple[CorpusSource, ...]) -> tuple[CorpusSource, ...]:
        from eyechart.corpora.registry import readers

        for name in (corpus.name for corpus in corpora):
            if name not in readers():
                raise ValueError(f"there is no reader for {name!r}; known: {', '.join(readers())}")
        if len({corpus.name for corpus in corpora}) < len(corpora):
            raise ValueError("each corpus can be given once")
        return tuple(sorted(corpora, key=lambda corpus: corpus.name))  # the order given decides nothing

    @field_validator("types")
    @classmethod
    def _known_types(cls, types: tuple[str, ...] | Literal["all"]) -> tuple[str, ...] | Literal["all"]:
        from eyechart.distort import registry

        if types == "all":
            return types
        unknown = [name for name in types if name not in registry()]
        if unknown or not types or len(set(types)) < len(types):
            raise ValueError(f"types must be 'all' or some of {', '.join(registry())}, each once")
        return types

    @field_validator("levels")
    @classmethod
    def _known_levels(cls, levels: tuple[int, ...]) -> tuple[int, ...]:
        if not levels or len(set(levels)) < len(levels) or not set(levels) <= {1, 2, 3, 4, 5}:
            raise ValueError("levels must be some of 1, 2, 3, 4 and 5, each once")
        return levels

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.synthetic is False and not self.corpora:
            raise ValueError("with synthetic off, corpora must name at least one")
        return self

    @model_validator(mode="after")
    def _places_suffice(self) -> Self:
        if self.test_per_cell > self.clean_per_content:
            raise ValueError(
                "test_per_cell must not exceed clean_per_content, the number of places per content"
            )
        return self
