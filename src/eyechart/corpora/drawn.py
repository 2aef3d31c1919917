"""Scenes with one known thing in them: what a subject sees of content, apart from any distortion.

A coloured shape, or a small picture of an everyday object, is put at one place of a background. The
questions ask for its colour, shape, place or object. They align the built-in subject and measure, before and
after each arm, what tuning on distortions did to the perception of content.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]

COLOURS = {
    "red": (205, 30, 35),
    "green": (35, 150, 50),
    "blue": (35, 70, 205),
    "yellow": (240, 215, 40),
    "orange": (245, 135, 25),
    "purple": (130, 45, 160),
    "white": (250, 250, 250),
    "black": (12, 12, 12),
}
PLACES = {  # across and down, 0 to 1
    "left": (0.0, 0.5),
    "right": (1.0, 0.5),
    "top": (0.5, 0.0),
    "bottom": (0.5, 1.0),
    "center": (0.5, 0.5),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "heart", "diamond")
QUESTIONS = {
    "colour": "What color is the shape?",
    "shape": "What shape is in the image?",
    "place": "Where in the image is it?",
    "object": "What object is in the image?",
}
_OBJECTS = Path(__file__).parent.parent / "data" / "objects"
_SCALE = 4  # shapes are drawn this many times larger and reduced, so that their edges are smooth


@dataclass(frozen=True)
class Scene:
    """An image (uint8 HWC RGB) and the true answer to each question that applies to it."""

    image: Pixels
    answers: dict[str, str]


@cache
def object_names() -> tuple[str, ...]:
    """Return the names of the shipped object pictures."""
    with (_OBJECTS / "objects.csv").open(newline="") as stream:
        return tuple(sorted(row["name"] for row in csv.DictReader(stream)))


def choices(question: str) -> tuple[str, ...]:
    """Return the possible answers to a question, the same for every scene."""
    known = {"colour": tuple(COLOURS), "shape": SHAPES, "place": tuple(PLACES), "object": object_names()}
    return known[question]


def draw_scene(background: Pixels, draw: np.random.Generator) -> Scene:
    """Put a shape (half of the time) or an object on a background.

    Args:
        background: uint8 HWC RGB; its size is the scene's.
        draw: source of every random choice.
    """
    height, width = background.shape[:2]
    side = int(min(height, width) * draw.uniform(0.32, 0.5))
    place = str(draw.choice(list(PLACES)))
    across, down = PLACES[place]
    jitter = draw.uniform(-0.06, 0.06, 2) * min(height, width)
    left = int(np.clip(across * (width - side) + jitter[0], 0, width - side))
    top = int(np.clip(down * (height - side) + jitter[1], 0, height - side))
    if draw.random() < 0.5:
        colour, shape = str(draw.choice(list(COLOURS))), str(draw.choice(SHAPES))
        figure = _shape(shape, _shade(colour, draw), side, draw.uniform(-12, 12))
        answers = {"colour": colour, "shape": shape, "place": place}
    else:
        name = str(draw.choice(object_names()))
        figure = _object(name, side, draw.uniform(-12, 12), mirrored=draw.random() < 0.5)
        answers = {"object": name, "place": place}
    scene = Image.fromarray(background)
    scene.paste(figure, (left, top), figure)
    return Scene(np.asarray(scene).copy(), answers)


def _shade(colour: str, draw: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = np.clip(np.array(COLOURS[colour]) + draw.normal(0, 9, 3), 0, 255).astype(int)
    return int(red), int(green), int(blue)


def _object(name: str, side: int, angle: float, *, mirrored: bool) -> Image.Image:
    picture = _picture(name)
    if mirrored:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return picture.rotate(angle, Image.Resampling.BICUBIC).resize((side, side), Image.Resampling.LANCZOS)


@cache
def _picture(name: str) -> Image.Image:
    return Image.open(_OBJECTS / f"{name}.png").convert("RGBA")


def _shape(shape: str, fill: tuple[int, int, int], side: int, angle: float) -> Image.Image:
    size = side * _SCALE
    mask = Image.new("L", (size, size), 0)
    pen = ImageDraw.Draw(mask)
    if shape in {"circle", "ring"}:
        pen.ellipse((0.05 * size, 0.05 * size, 0.95 * size, 0.95 * size), fill=255)
        if shape == "ring":
            pen.ellipse((0.28 * size, 0.28 * size, 0.72 * size, 0.72 * size), fill=0)
    else:
        pen.polygon([(x * size, y * size) for x, y in _outline(shape)], fill=255)
    mask = mask.rotate(angle, Image.Resampling.BICUBIC).resize((side, side), Image.Resampling.BOX)
    figure = Image.new("RGBA", (side, side), fill)
    figure.putalpha(mask)
    return figure


def _outline(shape: str) -> list[tuple[float, float]]:
    """Return the corners of a shape in the unit square."""
    a, b = 0.34, 0.66  # the arms of the cross
    corners = {
        "square": [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)],
        "triangle": [(0.5, 0.05), (0.97, 0.92), (0.03, 0.92)],
        "diamond": [(0.5, 0.02), (0.85, 0.5), (0.5, 0.98), (0.15, 0.5)],
        "cross": [
            *[(a, 0.05), (b, 0.05), (b, a), (0.95, a), (0.95, b), (b, b)],
            *[(b, 0.95), (a, 0.95), (a, b), (0.05, b), (0.05, a), (a, a)],
        ],
    }
    if shape in corners:
        return corners[shape]
    if shape == "star":
        radii = [0.48 if k % 2 == 0 else 0.2 for k in range(10)]
        turns = [k * math.pi / 5 for k in range(10)]
        return [(0.5 + r * math.sin(t), 0.52 - r * math.cos(t)) for r, t in zip(radii, turns, strict=True)]
    heart = []
    for t in (2 * math.pi * k / 60 for k in range(60)):
        height = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        heart.append((0.5 + 16 * math.sin(t) ** 3 / 36, 0.46 - height / 36))
    return heart
