"""The exam of a model that compares pictures with sentences, from its name to the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.arms import keep_fidelity
from eyechart.dataset import load_dataset
from eyechart.exam.prompts import PromptRow, prompt_key, write_prompts
from eyechart.exam.shards import IMAGE_COLUMNS, finished, write_answers
from eyechart.runs import Run
from eyechart.study import file_dataset, study_report
from eyechart.subjects.early import refuse_early
from eyechart.subjects.options import LoadOptions
from eyechart.subjects.zero_shot import load_zero_shot
from eyechart.templates.sentences import sentences

ARM, TEMPLATE = "base", "sentences"
_AS_IT_IS = LoadOptions()


def zero_shot_run(
    subject: str,
    dataset: Path,
    out: Path,
    *,
    seed: int,
    load: LoadOptions = _AS_IT_IS,
    say: Callable[[str], None] = print,
) -> Path:
    """Examine a CLIP or SigLIP model zero-shot in a run folder; returns the report.

    Raises:
        EyechartError: no such model or dataset, or the folder holds another run.
    """
    refuse_early(subject, load)
    found = load_dataset(dataset)
    texts = sentences(found.labels)
    plan = {"subject": subject, "load": asdict(load), "arms": [ARM], "seed": seed}
    run = Run.create(out, {**plan, "dataset": {"hash": found.hash}, "sentences": texts})
    file_dataset(run, found, seed, say)
    if not finished(run, ARM):
        model = load_zero_shot(subject, load)
        keep_fidelity(run, found, model)
        with run.timer(f"{ARM}: exam"):
            logp = model.log_likelihoods(found.images("test"), texts)
        answers = zero_shot_answers(found.table("test"), logp, found.labels, texts)
        write_answers(run, ARM, answers)
        key = answers["prompt"].iloc[0]
        told = zip(found.labels, texts, strict=True)
        write_prompts(run, ARM, [PromptRow(key, TEMPLATE, 0, label, "\n".join(own)) for label, own in told])
    (run.arm(ARM) / "DONE").touch()
    return study_report(run, say)


def zero_shot_answers(
    table: pd.DataFrame,
    logp: NDArray[np.float64],
    labels: Sequence[str],
    texts: Sequence[Sequence[str]],
) -> pd.DataFrame:
    """Return log-likelihoods as an answers table (see :mod:`eyechart.exam.shards`), one choice an image.

    Args:
        table: the images' rows of the dataset.
        logp: [images, labels].
        labels: the candidates.
        texts: the sentences of each label.
    """
    best = [labels[i] for i in logp.argmax(1)]
    answers = table[IMAGE_COLUMNS].reset_index(drop=True)
    return answers.assign(
        arm=ARM,
        template=TEMPLATE,
        template_split="train",  # nobody trained on them; "train" is the kind of the report's main numbers
        kind=TEMPLATE,
        language="en",
        order=0,
        prompt=prompt_key(*(text for label in texts for text in label)),
        readout="choose",
        repeat=0,
        text="",
        status="label",
        predicted=best,
        logp=list(logp),
        correct=[named == label for named, label in zip(best, answers["label"], strict=True)],
    )
