"""A subject that sees: the built-in one, tuned on distortions that nobody overlooks, to plant faults into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eyechart.dataset import Dataset, DatasetConfig, build_dataset
from eyechart.exam import ExamConfig
from eyechart.inside.config import InsideConfig
from eyechart.inside.plants import Known
from eyechart.subjects.model import ModelSubject
from eyechart.templates import load_templates
from eyechart.tune.config import TuneConfig

# Each type changes what its label names and, as far as pictures of 8 bits allow, nothing else.
DATASET = DatasetConfig(
    name="self-check",
    levels=(4, 5),
    types=(
        *("gaussian_blur", "lens_blur", "white_noise", "impulse_noise", "brighten", "darken"),
        *("jpeg", "jpeg2000", "contrast_scale", "saturation_ycbcr", "jitter"),
    ),
    clean_per_content=2,
    train_images=2400,
)
TUNE = TuneConfig(projector_steps=300, alignment_steps=400, steps=24)
EXAM = ExamConfig(templates=("main-distortion", "word-list"), readouts=("choose", "generate"))
INSIDE = InsideConfig(train_images=160, every=15, tokens=False)
SEED = 0
_OFF = "photo"  # a word that names no distortion


def competent_subject(out: Path, say: Callable[[str], None]) -> tuple[ModelSubject, Dataset]:
    """Return the tuned subject and its dataset; each is made once, in ``out``, and a killed run goes on."""
    from eyechart.arms import lesson_of, save_checkpoint
    from eyechart.subjects.loading import load_subject
    from eyechart.tune.arms import arm
    from eyechart.tune.train import tune

    dataset = build_dataset(DATASET, out / "datasets")
    checkpoint = out / "checkpoint"
    if not (checkpoint / "config.json").is_file():
        say("tuning the built-in subject until it sees what there is to see")
        subject = load_subject("nano")
        tune(subject, arm("all"), lesson_of(dataset), TUNE, seed=SEED, cache=out / "cache")
        save_checkpoint(subject, checkpoint)
    return load_subject(str(checkpoint)), dataset


def known(subject: ModelSubject, dataset: Dataset, question: str) -> Known:
    """Return what faults are made from.

    Args:
        subject: without a fault.
        dataset: whose train images are looked at.
        question: that the subject was tuned on.
    """
    import torch

    table = dataset.table("train").iloc[: INSIDE.train_images]
    images = dataset.images("train", table["image_id"])
    size = (images[0].shape[0], images[0].shape[1])
    spelled = [subject.answer_ids(question, label, size) for label in dataset.labels]
    usual = {*subject.prompt(question, size).ids, *(token for answer in spelled for token in answer)}
    others = tuple(
        template.question(dataset.labels)
        for template in load_templates(EXAM.templates)
        if template.split == "held-out" and template.kind != "yes-no"
    )
    strange = {token for other in others for token in subject.prompt(other, size).ids} - usual
    return Known(
        labels=dataset.labels,
        first=tuple(answer[0] for answer in spelled),
        off=subject.answer_ids(question, _OFF, size)[0],
        words=tuple(sorted(strange)),
        others=others,
        images=images,
        tokens=torch.stack(subject.visual_tokens(images)),
        targets=torch.tensor([dataset.labels.index(label) for label in table["label"]]),
    )
