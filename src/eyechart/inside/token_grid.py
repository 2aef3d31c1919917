"""Which part of a picture each visual token stands for: known where it can be shown, otherwise refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.subjects.model import ModelSubject, Pixels

_EDGE = 0.02  # of the picture; resizing blurs its border by so much at most


@dataclass(frozen=True)
class TokenGrid:
    """How a picture's tokens lie on it, row by row from above.

    Attributes:
        rows: of tokens.
        columns: of tokens.
        area: the part of the picture that they cover, as shares of its height and width: top, bottom, left,
            right; less than all where the image processor crops.
    """

    rows: int
    columns: int
    area: tuple[float, float, float, float]


def token_grid(subject: ModelSubject, image: Pixels) -> TokenGrid:
    """Return how the visual tokens lie on a picture.

    The shape is that of the grid of patches which the image processor tells, or that of its one array of
    pixels. That tokens really stand where this says is then tried: a change of each quarter of the picture
    must move the tokens of that quarter most. What a model reads through queries fails that, though their
    number may be a square.

    Args:
        subject: the model.
        image: uint8 HWC RGB.

    Raises:
        EyechartError: it cannot be told, with the reason.
    """
    height, width = image.shape[:2]
    area = _area(subject, height, width)
    shown = [image, *(_changed(image, area, place) for place in range(4))]
    tokens, *others = [one.numpy() for one in subject.visual_tokens(shown)]
    rows, columns = _shape(subject, image, len(tokens))
    for place, changed in enumerate(others):
        moved = np.linalg.norm(changed - tokens, axis=1).reshape(rows, columns)
        if int(np.argmax([moved[down, across].mean() for down, across in _quarters(rows, columns)])) != place:
            raise _cannot("a change of one quarter of the picture moves the tokens of another most")
    return TokenGrid(rows, columns, area)


def _shape(subject: ModelSubject, image: Pixels, count: int) -> tuple[int, int]:
    """Return rows and columns of a picture's tokens."""
    height, width = _patches(subject.inputs([image], subject.conversation("")))
    rows = math.isqrt(count * height // width)
    columns = count // rows if rows else 0
    if rows < 2 or columns < 2 or rows * columns != count or rows * width != columns * height:
        raise _cannot(f"{count} tokens form no grid of the shape of what the encoder is given")
    return rows, columns


def _patches(inputs: dict[str, Any]) -> tuple[int, int]:
    """Return height and width of what the encoder is given of one image, in any unit."""
    if "image_grid_thw" in inputs:
        frames, height, width = inputs["image_grid_thw"][0].tolist()
        if frames == 1 and len(inputs["image_grid_thw"]) == 1:
            return height, width
    elif "spatial_shapes" in inputs and len(inputs["spatial_shapes"]) == 1:
        height, width = inputs["spatial_shapes"][0].tolist()
        return height, width
    else:
        shape = tuple(inputs["pixel_values"].shape)
        if len(shape) >= 4 and math.prod(shape[:-3]) == 1:
            return shape[-2], shape[-1]
    raise _cannot("the picture enters in several parts")


def _area(subject: ModelSubject, height: int, width: int) -> tuple[float, float, float, float]:
    """Return the part of a picture that reaches the encoder, read off ramps of grey.

    Raises:
        EyechartError: the processor pads the picture, so that some tokens stand for none of it.
    """
    black, white = (_pixels(subject, np.full((height, width), grey)) for grey in (0, 255))
    if (black == white).any():
        raise _cannot("the picture is padded")
    found: list[float] = []
    for size, ramp in ((height, np.linspace(0, 255, height)[:, None]), (width, np.linspace(0, 255, width))):
        seen = (_pixels(subject, np.broadcast_to(ramp, (height, width))) - black) / (white - black)
        low, high = float(seen.min()), float(seen.max())
        slack = max(_EDGE, 2 / size)
        found += [0.0 if low < slack else low, 1.0 if high > 1 - slack else high]
    top, bottom, left, right = found
    return top, bottom, left, right


def _pixels(subject: ModelSubject, grey: NDArray[Any]) -> NDArray[np.float64]:
    """Return what the encoder receives of a grey picture [height, width]."""
    image = np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)
    found: NDArray[np.float64] = subject.pixel_values([image]).double().cpu().numpy()
    return found


def _changed(image: Pixels, area: tuple[float, float, float, float], place: int) -> Pixels:
    """Return a picture with one quarter of the part that is seen changed, whatever it showed."""
    height, width = image.shape[:2]
    top, bottom, left, right = area
    down, across = divmod(place, 2)
    middle, centre = (top + bottom) / 2, (left + right) / 2
    rows = slice(*(round(height * share) for share in ((top, middle), (middle, bottom))[down]))
    columns = slice(*(round(width * share) for share in ((left, centre), (centre, right))[across]))
    found = image.copy()
    found[rows, columns] += 128  # goes round at 256, so that every value moves by 128
    return found


def _quarters(rows: int, columns: int) -> list[tuple[slice, slice]]:
    """Return the tokens that lie wholly within each quarter."""
    halves = [(slice(0, n // 2), slice(n - n // 2, n)) for n in (rows, columns)]
    return [(down, across) for down in halves[0] for across in halves[1]]


def _cannot(why: str) -> EyechartError:
    return EyechartError(f"no map of the tokens can be drawn: {why}", "read the numbers by image instead")
