"""A run folder with plausible tables, real photographs and hostile strings, for the tests of the report."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from skimage import data

from eyechart.exam.prompts import PromptRow, prompt_key, write_prompts
from eyechart.exam.shards import write_answers
from eyechart.inside.verdict import IN_PROJECTOR, Finding, sentence
from eyechart.report.gallery import Pixels, keep_gallery
from eyechart.runs import Run
from eyechart.seeds import rng
from eyechart.taxonomy import load_label_map

LABELS = ["blur", "noise", "brightness", "compression", "contrast", "colorfulness", "jitter", "clean"]
SKILL = {"base": 0.08, "projector": 0.45, "vision+projector": 0.75, "language": 0.2, "all": 0.77}
TEMPLATES = {"paper": "train", "plain": "held-out", "letters": "held-out"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "😀 it is \u202eblurred\u202c, مشوش",
    "bell \x07 null \x00 escape \x1b[31m",
    "{{ 7 * 7 }} {% raw %} $\\frac{1}{2}$",
)


def make_run(path: Path, arms: tuple[str, ...] = tuple(SKILL), inside: bool = True, contents: int = 8) -> Run:
    """Write a run folder; ``inside=False`` leaves out distance and stages."""
    config = {"subject": "nano", "seed": 0, "tune": {"steps": 60}, "note": HOSTILE[0]}
    run = Run.create(path, config)
    images = _images(contents)
    run.write_json(_card(images), "dataset.json")
    aside = {"path": ["broken/<b>.png"], "reason": [HOSTILE[1]]}
    run.write_table(pd.DataFrame(aside), "set_aside.csv")
    run.write_table(_baselines(images), "baselines.parquet")
    _keep(run, images)
    run.write_table(_fidelity(), "fidelity.csv")
    run.write_json({"width": 512, "height": 384, "seen_pixels": 12544, "contrast": 1.0}, "pixel_path.json")
    for stage in ("dataset", *(f"tune {arm}" for arm in arms if arm != "base"), "exam"):
        with run.timer(stage):
            pass
    for arm in arms:
        _arm(run, arm, images, inside)
    return run


def _images(contents: int) -> pd.DataFrame:
    rows = []
    for content in ["astronaut", *(f"content {i}" for i in range(contents - 2)), HOSTILE[0]]:
        rows += [(content, "none", 0, "clean")] * 3
        rows += [(content, f"{label}_fine", level, label) for label in LABELS[:-1] for level in (1, 3, 5)]
    table = pd.DataFrame(rows, columns=["content", "distortion", "level", "label"]).assign(corpus="photos")
    ids = [f"{row.content}/{row.distortion}/{row.level}/{i}" for i, row in enumerate(table.itertuples())]
    return table.assign(image_id=ids)


def _card(images: pd.DataFrame) -> dict[str, Any]:
    return {
        "name": "nano <photos>",
        "hash": "0123456789ab",
        "counts": {"train": 400, "test": len(images)},
        "contents": [{"name": "astronaut", "images": 24}, {"name": HOSTILE[0], "images": HOSTILE[1]}],
        "label_map": load_label_map("paper8").plain(),
        "corpora": [{"name": "live"}, {"name": HOSTILE[0]}],
    }


def _baselines(images: pd.DataFrame) -> pd.DataFrame:
    common = ["image_id", "content", "label", "distortion", "level"]
    right = rng(0, "pixels").random(len(images)) < 0.5
    guess = np.where(right, images["label"], rng(1, "pixels").choice(LABELS, len(images)))
    parts = [
        images[common].assign(predicted="clean", baseline="majority"),
        images[common].assign(predicted=guess, baseline="pixel statistics"),
    ]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(correct=table["predicted"] == table["label"])


def _fidelity() -> pd.DataFrame:
    nothing = float("nan")
    rows = [
        ("gaussian_blur", 1, np.inf, np.inf, *[nothing] * 7, False),
        ("gaussian_blur", 5, 24.3, 25.3, 0.79, 0.8, 0.7, 0.01, 0.28, 0.88, 1.06, True),
        ("jitter", 1, 43.2, 52.1, 0.13, 0.14, 0.29, 0.06, 0.32, 1.07, nothing, False),
        (HOSTILE[0], 5, 24.5, 29.8, 0.3, 0.3, 0.28, 0.01, 0.21, 0.83, 1.05, True),
    ]
    names = ["distortion", "level", "psnr", "seen_psnr", "share", "luma", "chroma"]
    return pd.DataFrame(rows, columns=[*names, *(f"octave_{i}" for i in range(1, 5)), "visible"])


@cache
def photographs() -> list[Pixels]:
    """Return parts of four photographs."""
    return [whole[40:168, 120:248] for whole in (data.astronaut(), data.cat(), data.coffee(), data.rocket())]


def picture(number: int, label: str) -> Pixels:
    """Return a part of a photograph, really blurred or noisy where the label says so."""
    pixels = photographs()[number % len(photographs())]
    if label == "blur":
        pixels = cv2.GaussianBlur(pixels, (0, 0), 3)
    if label == "noise":
        pixels = np.clip(pixels + rng(0, number).normal(0, 25, pixels.shape), 0, 255).astype(np.uint8)
    return pixels


def _keep(run: Run, images: pd.DataFrame) -> None:
    label = dict(zip(images["image_id"], images["label"], strict=True))
    number = {name: i for i, name in enumerate(label)}
    keep_gallery(run, images, lambda ids: [picture(number[name], label[name]) for name in ids])


def _arm(run: Run, arm: str, images: pd.DataFrame, inside: bool) -> None:
    run.arm(arm)
    asked = [
        _answers(images, arm, template, kind, readout)
        for template, kind in TEMPLATES.items()
        for readout in ("generate", "choose")
    ]
    table = pd.concat(asked, ignore_index=True)
    texts = {
        name: f"USER: <image>\nWhich distortion? ({name})\n{HOSTILE[0]}\nASSISTANT:" for name in TEMPLATES
    }
    write_answers(run, arm, table.assign(prompt=[prompt_key(texts[name]) for name in table["template"]]))
    write_prompts(
        run, arm, [PromptRow(prompt_key(text), name, 0, None, text) for name, text in texts.items()]
    )
    run.write_table(_content(images, arm), f"arms/{arm}/content.parquet")
    if arm != "base":
        run.write_json(_proof(arm), f"arms/{arm}/proof.json")
        run.write_table(_losses(arm), f"arms/{arm}/losses.csv")
    if inside:
        run.write_table(_distance(images, arm), f"arms/{arm}/distance.parquet")
        run.write_table(_stages(arm), f"arms/{arm}/stages.parquet")
        run.write_table(_verdict(), f"arms/{arm}/verdict.parquet")
        run.write_table(_probes(images), f"arms/{arm}/probes.parquet")
        run.write_table(_geometry(arm), f"arms/{arm}/geometry.parquet")
    (run.arm(arm) / "DONE").touch()


def _answers(images: pd.DataFrame, arm: str, template: str, kind: str, readout: str) -> pd.DataFrame:
    draw = rng(0, arm, template, readout)
    skill = SKILL[arm] * (1 if kind == "train" else 0.7) * (1 if readout == "choose" else 0.9)
    logp = draw.normal(-4, 1, (len(images), len(LABELS)))
    own = images["label"].map(LABELS.index).to_numpy()
    logp[np.arange(len(images)), own] += np.where(
        draw.random(len(images)) < skill, 4 + images["level"] / 3, 0
    )
    predicted = np.array(LABELS, dtype=object)[logp.argmax(1)]
    table = images.assign(
        arm=arm, template=template, template_split=kind, readout=readout, status="label", predicted=predicted
    ).assign(kind="open word", language="en", order=0, repeat=0)
    table["text"] = "" if readout == "choose" else [f"The image shows {word}." for word in predicted]
    if readout == "generate":
        for i, text in enumerate(HOSTILE):
            table.loc[table.index[i::40], "text"] = text
            table.loc[table.index[i::40], ["status", "predicted"]] = ["unparsed", None]
    lists = pd.Series([list(row) if readout == "choose" else None for row in logp], dtype=object)
    correct = (table["predicted"] == table["label"]).fillna(False)
    return table.assign(correct=correct, logp=lists, logp_mean=lists, logp_prior=lists)


def _content(images: pd.DataFrame, arm: str) -> pd.DataFrame:
    parts = []
    for question in ("colour", "shape", "object"):
        right = rng(0, "content", arm, question).random(len(images)) < 0.9 - SKILL[arm] / 4
        parts.append(images[["image_id", "content"]].assign(question=question, label="x", correct=right))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(predicted=np.where(table["correct"], "x", "y"), arm=arm)


def _proof(arm: str) -> dict[str, Any]:
    asked = ["vision", "projector", "language"] if arm == "all" else arm.split("+")
    sizes = {"vision": 93_000_000, "projector": 9_000_000, "language": 135_000_000}
    components = {
        name: {
            "parameters": size,
            "trainable": size if name in asked else 0,
            "changed_tensors": 10 if name in asked else 0,
            "tensors": 10,
            "relative_change": 0.01 if name in asked else 0.0,
            "sha256_before": "a" * 64,
            "sha256_after": ("b" if name in asked else "a") * 64,
        }
        for name, size in sizes.items()
    }
    return {"asked": asked, "components": components, "ok": True}


def _losses(arm: str) -> pd.DataFrame:
    step = np.arange(60)
    lm = 2 * np.exp(-step * SKILL[arm] / 10) + rng(0, "loss", arm).random(60) / 5
    alignment = np.exp(-step / 30)
    rate = np.full(60, 1e-4)
    columns = {"step": step, "seconds": step * 0.5, "loss": lm + 0.1 * alignment, "lm": lm}
    return pd.DataFrame(columns | {"alignment": alignment, "learning_rate": rate})


def _distance(images: pd.DataFrame, arm: str) -> pd.DataFrame:
    draw = rng(0, "distance", arm)
    table = images[["image_id", "content", "label", "distortion", "level"]].assign(arm=arm)
    for kind in ("raw", "centred"):
        table[f"{kind}_own"] = draw.normal(0.05 + SKILL[arm] / 10, 0.02, len(table))
        table[f"{kind}_margin"] = draw.normal(-0.02 + SKILL[arm] / 20, 0.02, len(table))
        table[f"{kind}_rank"] = draw.integers(1, 9, len(table))
        table[f"{kind}_argmax"] = draw.choice(LABELS, len(table))
    p = draw.random(len(table)) * SKILL[arm]
    return table.assign(next_token_p=p, full_p=p / 2, argmax_next=draw.choice(LABELS, len(table)))


def _verdict() -> pd.DataFrame:
    found = Finding(IN_PROJECTOR, "", "projector output")
    row = {"reference": "encoder 4", "reference_score": 0.9, "kept": 0.1, "kept_low": 0.0, "kept_high": 0.2}
    told = sentence(found, {found.rung: row | {"stage": found.rung, "n": 400, "contents": 8}})
    rows = [(scope, found.verdict, found.why, found.rung, told, 400, 8) for scope in ("overall", *LABELS)]
    return pd.DataFrame(rows, columns=["scope", "verdict", "why", "rung", "sentence", "n", "contents"])


STAGES = [f"encoder {i}" for i in range(1, 13)] + ["encoder output", "projector output"]
STAGES += [f"language {i}" for i in (6, 12, 18, 24, 30)] + ["language last position"]


def _stages(arm: str) -> pd.DataFrame:
    rows = []
    for order, name in enumerate(STAGES):
        level = 0.85 if name.startswith("encoder") else 0.7 if name.startswith("projector") else 0.55
        found = {"probe": level + SKILL[arm] / 8, "shuffled": 0.125, "random": 0.3 - order / 100}
        for kind, accuracy in found.items():
            row = {"arm": arm, "stage": name, "order": order, "kind": kind, "accuracy": accuracy}
            rows.append(row | {"low": accuracy - 0.03, "high": accuracy + 0.03, "n": 400, "contents": 8})
    pixels = {"arm": arm, "stage": "pixels", "order": -1, "kind": "pixels", "accuracy": 0.5}
    rows.append(pixels | {"low": 0.46, "high": 0.54, "n": 400, "contents": 8})
    return pd.DataFrame(rows).assign(chance=0.125)


def _probes(images: pd.DataFrame) -> pd.DataFrame:
    """Return the answers of two probes about two thirds of the images."""
    probed = images[["image_id", "content", "label"]].iloc[: 2 * len(images) // 3]
    parts = []
    for stage, order, kind in (("pixel statistics", -1, "pixels"), ("encoder 1", 0, "probe")):
        predicted = rng(0, kind).choice(LABELS, len(probed))
        parts.append(probed.assign(predicted=predicted, stage=stage, order=order, kind=kind))
    return pd.concat(parts, ignore_index=True).assign(cluster=lambda table: table["content"])


def _geometry(arm: str) -> pd.DataFrame:
    rows = []
    for order, name in enumerate(STAGES):
        ends = STAGES[order + 1 : order + 2] + ([] if arm == "base" else ["before"])
        value = 0.9 - SKILL[arm] * order / 40
        rows += [(measure, name, order, end, value) for measure in ("cka", "overlap") for end in ends]
        rows.append(("label_purity", name, order, "", 0.3))
    at = ("projector output", 13)
    rows += [("gap", *at, end, 0.8) for end in ("labels", "vocabulary")]
    rows += [("cone", *at, end, 0.2) for end in ("", "labels", "vocabulary")]
    table = pd.DataFrame(rows, columns=["measure", "stage", "order", "other", "value"])
    table = table.assign(low=table["value"] - 0.05, high=table["value"] + 0.05)
    words = (table["measure"] == "cone") & (table["other"] != "")
    table.loc[words, ["low", "high"]] = np.nan
    return table.assign(arm=arm, chance=0.125, n=400, contents=8)
