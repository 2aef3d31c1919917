"""Which part of a picture a visual token stands for: shown where it can be, otherwise refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from eyechart.errors import EyechartError
from eyechart.inside.token_grid import token_grid
from eyechart.subjects.model import ModelSubject


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_square_picture_is_covered_whole(subject: ModelSubject) -> None:
    side = 112 if subject.name == "tiny-internvl" else 56
    found = token_grid(subject, picture(side, side))
    assert (found.rows, found.columns) == (4, 4)
    assert found.area == (0, 1, 0, 1)


def test_a_cropped_picture_is_covered_in_part(subject: ModelSubject) -> None:
    found = token_grid(subject, picture(112, 224))  # its middle square is seen
    assert (found.rows, found.columns) == (4, 4)
    assert found.area == pytest.approx((0, 1, 0.25, 0.75), abs=0.02)
    assert token_grid(subject, picture(224, 112)).area == pytest.approx((0.25, 0.75, 0, 1), abs=0.02)


@pytest.mark.parametrize("order", ["reversed", "turned", "mixed"])
def test_tokens_that_lie_elsewhere_are_refused(internvl: ModelSubject, order: str) -> None:
    places = np.arange(16)
    other = {"reversed": places[::-1], "turned": places.reshape(4, 4).T.ravel()}
    order_of = other.get(order, np.random.default_rng(0).permutation(16)).copy()
    pupil = copy.deepcopy(internvl)
    pupil.projector.register_forward_hook(lambda _, args, out: out[:, order_of])
    with pytest.raises(EyechartError, match="moves the tokens of another most"):
        token_grid(pupil, picture(112, 112))


def test_tokens_that_each_see_the_whole_picture_are_refused(internvl: ModelSubject) -> None:
    mix = torch.rand(16, 16, generator=torch.Generator().manual_seed(0))
    pupil = copy.deepcopy(internvl)
    pupil.projector.register_forward_hook(lambda _, args, out: mix @ out)
    with pytest.raises(EyechartError, match="no map of the tokens can be drawn"):
        token_grid(pupil, picture(112, 112))


def test_a_padded_picture_is_refused(internvl: ModelSubject) -> None:
    pupil = copy.deepcopy(internvl)
    processor = pupil.processor.image_processor
    whole = type(processor).__call__

    class Padding(type(processor)):  # type: ignore[misc]
        def __call__(self, images: list[np.ndarray], **more: object) -> object:
            return whole(
                self, [np.pad(i, ((0, i.shape[1] - i.shape[0]), (0, 0), (0, 0))) for i in images], **more
            )

    processor.__class__ = Padding
    with pytest.raises(EyechartError, match="the picture is padded"):
        token_grid(pupil, picture(80, 112))
