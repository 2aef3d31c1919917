"""What a subject still sees of content: drawn scenes on the exam's own photographs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from eyechart.corpora.drawn import QUESTIONS, Scene, choices, draw_scene
from eyechart.exam.blocks import batches
from eyechart.exam.engine import Scheme, read
from eyechart.exam.forest import Ask
from eyechart.progress import track
from eyechart.seeds import rng
from eyechart.subjects.model import ModelSubject, Pixels


def content_scenes(
    backgrounds: Sequence[Pixels], names: Sequence[str], count: int, seed: int
) -> pd.DataFrame:
    """Draw ``count`` scenes on undistorted images.

    Args:
        backgrounds: clean images, uint8 HWC RGB.
        names: the content of each.
        count: number of scenes.
        seed: the run's seed.

    Returns:
        One row a scene: image_id, content, scene.
    """
    rows = []
    for index in range(count):
        at = index % len(backgrounds)
        scene = draw_scene(backgrounds[at], rng(seed, "content", index))
        rows.append({"image_id": f"scene/{index}", "content": names[at], "scene": scene})
    return pd.DataFrame(rows)


def examine_content(
    subject: ModelSubject, arm: str, scenes: pd.DataFrame, batch: int = 32, scheme: Scheme = "shared"
) -> pd.DataFrame:
    """Ask each scene the questions that apply to it; the likeliest of the possible answers counts.

    Args:
        subject: the model.
        arm: what the answers are filed under.
        scenes: see :func:`content_scenes`.
        batch: most images at a time.
        scheme: how the subject is asked (see :mod:`eyechart.exam.engine`).

    Returns:
        image_id, content, question, label, predicted, arm, correct: one row a scene and question.
    """
    drawn: list[Scene] = scenes["scene"].tolist()
    sizes = [(scene.image.shape[0], scene.image.shape[1]) for scene in drawn]
    found: dict[tuple[str, int], str] = {}
    for places in track(batches(range(len(drawn)), sizes, batch), f"{arm}: content"):
        images, size = [drawn[i].image for i in places], sizes[places[0]]
        asks = [_ask(subject, question, size) for question in QUESTIONS]
        for question, reading in zip(QUESTIONS, read(subject, images, asks, scheme=scheme), strict=True):
            best = reading.logp.argmax(1)
            found |= {(question, i): choices(question)[k] for i, k in zip(places, best, strict=True)}
    rows = [
        (*scenes.loc[i, ["image_id", "content"]], question, scene.answers[question], found[question, i], arm)
        for question in QUESTIONS
        for i, scene in enumerate(drawn)
        if question in scene.answers
    ]
    answers = pd.DataFrame(rows, columns=["image_id", "content", "question", "label", "predicted", "arm"])
    return answers.assign(correct=answers["predicted"] == answers["label"])


def _ask(subject: ModelSubject, question: str, size: tuple[int, int]) -> Ask:
    text = QUESTIONS[question]
    answers = tuple(subject.answer_ids(text, choice, size) for choice in choices(question))
    return Ask(subject.prompt(text, size), answers)
