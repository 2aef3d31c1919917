"""Side effects: does a tuned subject still say of clean images what it said before, where nothing was taught?

Before and after tuning, neutral prompts are asked of undistorted images, and the whole distribution of the
next token is kept on disk in float32: 4 bytes x vocabulary for each prompt and image (30 MB for 50 images at
150 000 tokens, a prompt). Divergences are thus exact; a list of the likeliest tokens would not give them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.dataset.dataset import Dataset
from eyechart.errors import EyechartError
from eyechart.measures.statistics import cluster_interval
from eyechart.progress import track
from eyechart.runs import writing
from eyechart.subjects.model import ModelSubject, Pixels, by_size
from eyechart.tune.reach import last_logits

ALL = "all"
IMAGES = 50  # clean images, one a content
_RECORD = "answers.json"


@dataclass(frozen=True)
class Answers:
    """What a subject would say next, kept in a folder: ``<i>.npy`` is prompt i, float32 [images, vocabulary].

    Attributes:
        prompts: the neutral prompts.
        image_ids: names of the images.
        contents: the content of each.
    """

    folder: Path
    prompts: tuple[str, ...]
    image_ids: tuple[str, ...]
    contents: tuple[str, ...]

    def logp(self, prompt: int) -> NDArray[np.float32]:
        """Return the logarithm of the next token's distribution, [images, vocabulary], read as it is used."""
        try:
            found: NDArray[np.float32] = np.load(
                self.folder / f"{prompt}.npy", mmap_mode="r", allow_pickle=False
            )
        except (OSError, ValueError) as error:
            raise EyechartError(
                f"{self.folder / f'{prompt}.npy'} is absent or damaged: {error}",
                "remove the folder and start again",
            ) from error
        return found


@cache
def neutral_prompts() -> tuple[str, ...]:
    """Return the packaged prompts, none of which is about quality."""
    import yaml

    return tuple(yaml.safe_load(Path(__file__).with_name("neutral.yaml").read_text(encoding="utf-8")))


def clean_images(dataset: Dataset, most: int = IMAGES) -> pd.DataFrame:
    """Return the rows of undistorted test images, the first of each content, ``most`` at most.

    Raises:
        EyechartError: the test split has none.
    """
    table = dataset.table("test")
    clean = table[table["distortion"] == "none"].drop_duplicates("content").head(most)
    if clean.empty:
        raise EyechartError(
            f"{dataset.name} has no undistorted test image", "side effects are looked for on clean images"
        )
    return clean.reset_index(drop=True)


def keep_answers(
    subject: ModelSubject,
    images: Sequence[Pixels],
    table: pd.DataFrame,
    folder: Path,
    *,
    prompts: Sequence[str] = (),
    batch: int = 8,
) -> Answers:
    """Keep a subject's next-token distributions; a folder that is complete is read and not made again.

    Args:
        subject: the model.
        images: uint8 HWC RGB, of any sizes.
        table: their rows, with ``image_id`` and ``content``.
        folder: a folder for these answers alone.
        prompts: neutral prompts; none takes the packaged ones.
        batch: images at a time.

    Raises:
        EyechartError: the folder holds answers of other prompts or images, or the disk is full.
    """
    asked = tuple(prompts) or neutral_prompts()
    answers = Answers(folder, asked, tuple(table["image_id"]), tuple(table["content"].astype(str)))
    record = {name: list(value) for name, value in asdict(answers).items() if name != "folder"}
    if (folder / _RECORD).is_file():
        if json.loads((folder / _RECORD).read_text(encoding="utf-8")) != record:
            raise EyechartError(f"{folder} holds answers of other prompts or images", "name another folder")
        return answers
    for i, prompt in enumerate(track(asked, "asking neutral prompts")):
        found = _next_token(subject, images, prompt, batch)
        with writing(folder / f"{i}.npy") as partial, partial.open("wb") as stream:
            np.save(stream, found, allow_pickle=False)
    with writing(folder / _RECORD) as partial:
        partial.write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
    return answers


def _next_token(
    subject: ModelSubject, images: Sequence[Pixels], prompt: str, batch: int
) -> NDArray[np.float32]:
    """Return the logarithm of the distribution of the first token of an answer, [images, vocabulary]."""
    import torch

    text = subject.conversation(prompt)
    found: dict[int, NDArray[np.float32]] = {}
    with torch.no_grad(), subject.precision():
        for rows in by_size(images, batch):
            scores = last_logits(subject.model, subject.inputs([images[i] for i in rows], text))
            found |= zip(rows, scores.log_softmax(-1).cpu().numpy(), strict=True)
    return np.stack([found[i] for i in range(len(images))])


def side_effects(before: Answers, after: Answers, seed: int = 0) -> pd.DataFrame:
    """Compare next-token distributions before and after tuning.

    Args:
        before: of the base.
        after: of the tuned subject, on the same prompts and images.
        seed: of the intervals.

    Returns:
        One row a prompt and one for ``all``: ``agreement``, the share of images whose likeliest next token is
        the same; ``kl``, the mean divergence KL(before || after) in nats, the sum over the vocabulary of
        p log(p / q); each with the ends of its 95 % interval over contents (``agreement_low`` ...); the
        number of ``answers`` and of ``contents``.

    Raises:
        EyechartError: prompts, images or vocabularies differ.
    """
    if (before.prompts, before.image_ids) != (after.prompts, after.image_ids):
        raise EyechartError(
            "the answers before and after tuning are to other prompts or images", "ask both the same"
        )
    rows = []
    for i, prompt in enumerate(before.prompts):
        one, two = before.logp(i), after.logp(i)
        if one.shape != two.shape:
            raise EyechartError(
                f"vocabularies of {one.shape[-1]} and {two.shape[-1]} tokens cannot be compared",
                "compare a tuned subject with its own base",
            )
        same, kl = _compare(one, two)
        rows.append(pd.DataFrame({"prompt": prompt, "content": before.contents, "same": same, "kl": kl}))
    each = pd.concat(rows, ignore_index=True)
    parts = [*each.groupby("prompt", sort=False), (ALL, each)]
    return pd.DataFrame([_row(str(prompt), part, seed) for prompt, part in parts])


def _compare(
    one: NDArray[np.float32], two: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each image whether the likeliest token is the same, and the divergence; image by image."""
    from scipy.special import log_softmax

    same, kl = np.empty(len(one)), np.empty(len(one))
    for i, (p, q) in enumerate(zip(one, two, strict=True)):
        same[i] = p.argmax() == q.argmax()
        # Made to sum to one in float64: 150 000 roundings of float32 would look like a divergence.
        p, q = log_softmax(p.astype(np.float64)), log_softmax(q.astype(np.float64))
        known = p > -np.inf
        kl[i] = (np.exp(p[known]) * (p[known] - q[known])).sum()
    return same, kl


def _row(prompt: str, part: pd.DataFrame, seed: int) -> dict[str, Any]:
    row: dict[str, Any] = {"prompt": prompt}
    for name, column in (("agreement", "same"), ("kl", "kl")):
        found = cluster_interval(part[column], part["content"], seed=seed)
        row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return row | {"answers": len(part), "contents": part["content"].nunique()}
