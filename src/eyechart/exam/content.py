"""What a subject still sees of content: drawn scenes on the exam's own photographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from eyechart.corpora.drawn import QUESTIONS, Scene, choices, draw_scene
from eyechart.exam.engine import ask
from eyechart.seeds import rng
from eyechart.subjects.model import ModelSubject, Pixels


def content_scenes(
    backgrounds: Sequence[Pixels], names: Sequence[str], count: int, seed: int
) -> pd.DataFrame:
    """Draw ``count`` scenes on undistorted images.

    Args:
        backgrounds: clean images, uint8 HWC RGB of one size.
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


def examine_content(subject: ModelSubject, arm: str, scenes: pd.DataFrame) -> pd.DataFrame:
    """Ask each scene the questions that apply to it; the likeliest of the possible answers counts.

    Returns:
        image_id, content, question, label, predicted, correct, arm: one row a scene and question.
    """
    drawn: list[Scene] = scenes["scene"].tolist()
    tokens = subject.visual_tokens([scene.image for scene in drawn])
    size = drawn[0].image.shape[:2]
    parts = []
    for question, text in QUESTIONS.items():
        rows = np.array([i for i, scene in enumerate(drawn) if question in scene.answers])
        options = choices(question)
        candidates = tuple(subject.answer_ids(text, option, size) for option in options)
        readings = ask(
            subject,
            tokens[rows],
            subject.prompt(text, size),
            candidates,
            new_tokens=0,
            what=f"{arm}: {question}",
        )
        part = scenes.iloc[rows][["image_id", "content"]].assign(
            question=question,
            label=[drawn[i].answers[question] for i in rows],
            predicted=[options[i] for i in readings.logp.argmax(1)],
            arm=arm,
        )
        parts.append(part)
    answers = pd.concat(parts, ignore_index=True)
    return answers.assign(correct=answers["predicted"] == answers["label"])
