"""The plain way: a transformers Trainer over images and texts; frozen by requires_grad, nothing kept."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from typing import Any

from eyechart.subjects.components import components
from eyechart.subjects.model import ModelSubject
from eyechart.tune.config import TuneConfig
from eyechart.tune.lesson import Lesson


def epoch(subject: ModelSubject, train: str, lesson: Lesson, config: TuneConfig, *, bf16: bool) -> float:
    """Train one component for one epoch, and return its seconds.

    The processor sees every image again in every epoch, the model all of its parts, and every position is
    scored over the vocabulary, as the model does when it is given labels.

    Args:
        subject: the model, changed in place.
        train: ``projector`` or ``language``, the latter by the same adapters as in Eyechart.
        lesson: images, labels and the question.
        config: batch and rank.
        bf16: whether the Trainer's ``bf16`` is on.
    """
    from transformers import Trainer, TrainingArguments

    model = _trainable(subject, train, config)
    rows = list(range(len(lesson.targets)))
    with tempfile.TemporaryDirectory(prefix="eyechart-") as folder:
        settings = TrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=config.batch,
            learning_rate=5e-4,
            bf16=bf16,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            use_cpu=subject.device.type == "cpu",
        )
        trainer = Trainer(
            model, settings, train_dataset=rows, data_collator=lambda some: collate(subject, lesson, some)
        )
        begun = time.perf_counter()
        trainer.train()
        return time.perf_counter() - begun


def collate(subject: ModelSubject, lesson: Lesson, rows: Sequence[int]) -> dict[str, Any]:
    """Return the processor's output for some images with their answers, and labels on the answers alone."""
    question = lesson.questions[0]
    asked = subject.conversation(question)
    texts = [subject.conversation(question, lesson.labels[lesson.targets[row]]) for row in rows]
    images = [[lesson.images[row]] for row in rows]
    batch = subject.processor(text=texts, images=images, padding=True, return_tensors="pt")
    alone = subject.processor(text=[asked], images=images[:1], return_tensors="pt")["input_ids"].shape[1]
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    start = batch["attention_mask"].argmax(1)  # rows may be padded on the left
    for row, first in enumerate(start.tolist()):
        labels[row, : first + alone] = -100
    return {**batch, "labels": labels}


def _trainable(subject: ModelSubject, train: str, config: TuneConfig) -> Any:
    """Return the model with gradients in one component alone."""
    from peft import LoraConfig, get_peft_model
    from torch import nn

    model = subject.model.requires_grad_(False)
    parts = components(model)
    if train == "language":
        layers = [
            name
            for name, module in model.named_modules()
            if type(module) is nn.Linear
            and f"{name}.weight" in parts[train]
            and module is not model.get_output_embeddings()
        ]
        rank = config.lora_rank
        return get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers))
    for parameter in parts[train].values():
        parameter.requires_grad_(True)
    return model
