"""Align the built-in subject to content, once: what it learns here ships with the package.

    python scripts/align_nano.py --out src/eyechart/data/nano

The pretrained vision encoder stays as it is. Stage 1 anchors the projected tokens of drawn scenes at the
embeddings of the words that are true of them, without running the language model. Stage 2 teaches the
language model, by a LoRA adapter, to read visual tokens: half of each batch are questions on drawn scenes,
half are pseudo images made of embeddings of random words with a question for the main one. No distorted image
is shown and no distortion is named.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from eyechart.corpora.dead_leaves import dead_leaves
from eyechart.corpora.drawn import QUESTIONS, Scene, choices, draw_scene
from eyechart.corpora.photos import packaged_photos, read_photo
from eyechart.exam.content import examine_content
from eyechart.progress import track
from eyechart.seeds import rng
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.nano.adapter import LORA, save_adapter
from eyechart.subjects.nano.assemble import IMAGE_SIDE, assemble
from eyechart.subjects.nano.fetch import cache_folder
from eyechart.subjects.quick import keep_memory
from eyechart.tune.features import projector_inputs
from eyechart.tune.loss import answer_losses

SCENES, HELD_OUT = 5000, 600
SIZE = (IMAGE_SIDE, IMAGE_SIDE)
ANCHOR_STEPS, ANCHOR_BATCH = 900, 64
READ_STEPS, READ_BATCH = 200, 24
WORDS = 500  # random words that stage 1 must tell the true ones from
# Stems of every word for a distortion: the adapter must not have met them.
FORBIDDEN = [
    "blur",
    "focus",
    "sharp",
    "nois",
    "grain",
    "speckl",
    "static",
    "bright",
    "dark",
    "dim",
    "light",
    "shad",
    "expos",
    "glow",
    "compress",
    "jpeg",
    "artifact",
    "block",
    "pixel",
    "contrast",
    "fade",
    "wash",
    "flat",
    "haz",
    "fog",
    "color",
    "colour",
    "satur",
    "vivid",
    "tint",
    "hue",
    "gray",
    "grey",
    "jitter",
    "shak",
    "warp",
    "wav",
    "distort",
    "corrupt",
    "clean",
    "clear",
    "pristine",
    "perfect",
    "normal",
    "undistort",
    "quality",
    "bad",
    "poor",
    "good",
    "fine",
    "degrad",
    "damag",
    "error",
    "fault",
    "defect",
]
FORMS = ("{q}", "{q} Answer with one word.", "{q} Choose from: {options}.")
MAIN = ("subject", "topic", "thing", "theme", "feature", "element", "point", "property", "word", "idea")


def main() -> None:
    """Run both stages, measure content on held-out photographs, save adapter and card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    keep_memory()
    started = time.time()
    subject = ModelSubject("nano", *assemble(cache_folder() / "sources"))
    train = scenes(SCENES, "train", options.seed)
    features = projector_inputs(subject, [s.image for s in train], None)
    anchor(subject, train, features, options.seed)
    print(f"anchored after {time.time() - started:.0f} s", flush=True)
    read(subject, train, features, options.seed)
    save_adapter(subject.model, options.out)
    held_out = scenes(HELD_OUT, "test", options.seed)
    rows = pd.DataFrame({"image_id": range(HELD_OUT), "content": "held out", "scene": held_out})
    answers = examine_content(subject, "base", rows)
    card = {
        "seed": options.seed,
        "scenes": SCENES,
        "anchor_steps": ANCHOR_STEPS,
        "read_steps": READ_STEPS,
        "seconds": round(time.time() - started),
        "held_out": answers.groupby("question")["correct"].agg(["mean", "size"]).round(3).to_dict("index"),
        "chance": {question: round(1 / len(choices(question)), 3) for question in QUESTIONS},
    }
    print(json.dumps(card, indent=1))
    (options.out / "alignment.json").write_text(json.dumps(card, indent=1) + "\n")


def scenes(count: int, split: str, seed: int) -> list[Scene]:
    """Draw scenes on native-resolution crops of the photographs of a split (train: half dead leaves)."""
    backgrounds = [read_photo(p.path) for p in packaged_photos() if p.split == split]
    if split == "train":
        backgrounds += [dead_leaves(seed + i, 384, 512) for i in range(len(backgrounds))]
    drawn = []
    for index in range(count):
        draw = rng(seed, "align", split, index)
        photo = backgrounds[index % len(backgrounds)]
        top = int(draw.integers(photo.shape[0] - IMAGE_SIDE + 1))
        left = int(draw.integers(photo.shape[1] - IMAGE_SIDE + 1))
        drawn.append(draw_scene(photo[top : top + IMAGE_SIDE, left : left + IMAGE_SIDE].copy(), draw))
    return drawn


def common_words(tokenizer: Any) -> list[int]:
    """Return the ids of common one-token words, none of which names a distortion or is an answer of ours."""
    answers = {answer for question in QUESTIONS for answer in choices(question)}
    found = []
    for token, index in tokenizer.get_vocab().items():
        word = token.removeprefix("\u0120")
        plain = token.startswith("\u0120") and word.isascii() and word.isalpha() and word.islower()
        common = plain and 3 <= len(word) <= 11 and index < 25000 and word not in answers
        if common and not word.startswith(tuple(FORBIDDEN)):
            found.append(index)
    return sorted(found)


def anchor(subject: ModelSubject, train: list[Scene], features: torch.Tensor, seed: int) -> None:
    """Stage 1: some visual token of a scene must be close to each word that is true of the scene."""
    projector = subject.projector
    answers = sorted({answer for question in QUESTIONS for answer in choices(question)})
    table = subject.model.get_input_embeddings().weight.detach().float()
    centre = table.mean(0)
    targets = F.normalize(torch.stack([subject.word_embedding(a) for a in answers]) - centre, dim=-1)
    common = torch.tensor(common_words(subject.processor.tokenizer))
    norm = table[common].norm(dim=-1).mean()
    true = torch.zeros(len(train), len(answers))
    for row, scene in enumerate(train):
        true[row, [answers.index(a) for a in scene.answers.values()]] = 1
    optimiser = torch.optim.AdamW(projector.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, ANCHOR_STEPS, pct_start=0.1)
    draw = rng(seed, "anchor")
    for step in track(range(ANCHOR_STEPS), "anchoring the projector"):
        rows = torch.from_numpy(draw.choice(len(train), ANCHOR_BATCH, replace=False))
        tokens = projector(features[rows].float())
        others = F.normalize(table[common[draw.choice(len(common), WORDS, replace=False)]] - centre, dim=-1)
        near = 20 * F.normalize(tokens - centre, dim=-1) @ torch.cat([targets, others]).T
        scores = torch.logsumexp(near, dim=1)  # the best token decides: [batch, words]
        wrong = torch.cat([1 - true[rows], torch.ones(len(rows), WORDS)], dim=1)
        against = torch.logsumexp(scores.masked_fill(wrong == 0, -1e9), dim=1, keepdim=True)
        each = F.softplus(against - scores[:, : len(answers)])
        loss = (each * true[rows]).sum() / true[rows].sum()
        loss = loss + 0.1 * (tokens.norm(dim=-1) / norm - 1).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 150 == 0 or step == ANCHOR_STEPS - 1:
            print(f"  anchor {step} loss {loss.item():.3f}", flush=True)


def read(subject: ModelSubject, train: list[Scene], features: torch.Tensor, seed: int) -> None:
    """Stage 2: the language model learns, by an adapter, to read visual tokens."""
    from peft import LoraConfig, get_peft_model

    projector, tokenizer = subject.projector, subject.processor.tokenizer
    get_peft_model(subject.model, LoraConfig(**LORA))
    adapter = [p for n, p in subject.model.named_parameters() if "lora_" in n]
    projector.requires_grad_(True)
    groups = [{"params": adapter, "lr": 1e-3}, {"params": list(projector.parameters()), "lr": 3e-4}]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, [1e-3, 3e-4], READ_STEPS, pct_start=0.1)
    common, draw, half = np.array(common_words(tokenizer)), rng(seed, "read"), READ_BATCH // 2
    for step in track(range(READ_STEPS), "teaching the language model to read visual tokens"):
        rows = torch.from_numpy(draw.choice(len(train), half, replace=False))
        pseudo, words = pseudo_images(subject, common, half, draw)
        tokens = torch.cat([projector(features[rows].float()), pseudo])
        asked = [scene_question(train[i], draw) for i in rows.tolist()] + [main_word(w, draw) for w in words]
        prompts = [subject.prompt(question, SIZE) for question, _ in asked]
        answers = [subject.answer_ids(question, answer, SIZE) for question, answer in asked]
        losses = answer_losses(subject, tokens, prompts, answers)
        optimiser.zero_grad()
        losses.mean().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(adapter, 1.0)
        optimiser.step()
        schedule.step()
        if step % 20 == 0 or step == READ_STEPS - 1:
            print(
                f"  read {step} real {losses[:half].mean():.3f} pseudo {losses[half:].mean():.3f}", flush=True
            )
    subject.model.requires_grad_(False)


def main_word(word: str, draw: np.random.Generator) -> tuple[str, str]:
    """Return a question for the main word of a pseudo image, in one of several forms, and its answer."""
    form = str(draw.choice(("What is the main {m} of this image?", "Name the main {m} of the picture.")))
    return form.format(m=draw.choice(MAIN)) + str(draw.choice(("", " Answer with one word."))), word


def scene_question(scene: Scene, draw: np.random.Generator) -> tuple[str, str]:
    """Return a question about a scene, in one of several forms, and its true answer."""
    question = str(draw.choice(list(scene.answers)))
    options = draw.permutation(np.array(choices(question)))[:6].tolist()
    if scene.answers[question] not in options:
        options[int(draw.integers(len(options)))] = scene.answers[question]
    form = str(draw.choice(FORMS))
    return form.format(q=QUESTIONS[question], options=", ".join(options)), scene.answers[question]


def pseudo_images(
    subject: ModelSubject, common: NDArray[np.int64], count: int, draw: np.random.Generator
) -> tuple[torch.Tensor, list[str]]:
    """Return visual tokens that mix embeddings of random words, [count, 16, d], and each one's main word."""
    table = subject.model.get_input_embeddings().weight.detach().float()
    size = subject.model.config.image_seq_length
    tokens, words = [], []
    for _ in range(count):
        main, *others = draw.choice(common, 6, replace=False).tolist()
        slots = np.where(draw.random(size) < draw.uniform(0.5, 1.0), main, draw.choice(others, size))
        clean = table[torch.from_numpy(slots)]
        noise = torch.from_numpy(draw.normal(size=(size, clean.shape[1]))).float()
        noise *= clean.norm(dim=-1, keepdim=True) / noise.norm(dim=-1, keepdim=True)
        share = float(draw.uniform(0, 0.8))
        tokens.append((1 - share) * clean + share * noise)
        words.append(subject.processor.tokenizer.decode([main]).strip())
    return torch.stack(tokens), words


if __name__ == "__main__":
    main()
