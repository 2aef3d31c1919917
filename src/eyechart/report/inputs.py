"""What a run folder holds by now, read once; what is not there yet is None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from eyechart.exam.shards import finished
from eyechart.measures.coding import headline
from eyechart.runs import Run


@dataclass(frozen=True)
class Inputs:
    """The parts of a run, as the report reads them. A part that no command has made yet is None or empty.

    Attributes:
        run: the run folder.
        config: the resolved configuration.
        dataset: the dataset's card (dataset.json).
        provenance: program, versions, machine.
        timings: one entry per timed stage.
        labels: the labels of the exam, in its order.
        arms: the arms that are there, in the order of the study.
        unfinished: arms that have no DONE file.
        proofs: per arm, what tuning changed.
        every: answers of all arms, also to permuted options and sampled ones.
        answers: those of ``every`` that the headline numbers are of.
        exams: per arm, how it was asked and what that took (exam.json).
        scores: quality scores of all arms; ``targets``: what each scored picture should get.
        prompts, content, distance, contextual, controls, maps, lens, stages, losses: the tables of all arms,
            with a column ``arm``.
        probes, geometry: the same, of the probes' answers and of the geometry of the stages.
        patching, swap, shapley: the same, of causal patching and of swapped components.
        rungs, verdict: the same, of how much each rung keeps, and of where it is lost.
        questions: per arm that was looked into, the id of the template whose question was read; None is the
            first train template.
        random_weights: why the control with random weights was left out; empty where it was not.
        baselines: answers of the baselines.
        set_aside: items left out of the dataset, with the reason.
        gallery: images to show, with the columns image_id and image (PNG bytes).
        fidelity: what of each distortion and level reaches the subject.
        pixel_path: the size at which the subject sees the pictures.
    """

    run: Run
    config: dict[str, Any]
    dataset: dict[str, Any]
    provenance: dict[str, Any]
    timings: list[dict[str, Any]]
    labels: tuple[str, ...]
    arms: tuple[str, ...]
    unfinished: tuple[str, ...]
    proofs: dict[str, dict[str, Any]]
    every: pd.DataFrame | None
    answers: pd.DataFrame | None
    exams: dict[str, dict[str, Any]]
    scores: pd.DataFrame | None
    targets: pd.DataFrame | None
    prompts: pd.DataFrame | None
    content: pd.DataFrame | None
    distance: pd.DataFrame | None
    contextual: pd.DataFrame | None
    controls: pd.DataFrame | None
    maps: pd.DataFrame | None
    lens: pd.DataFrame | None
    stages: pd.DataFrame | None
    probes: pd.DataFrame | None
    geometry: pd.DataFrame | None
    rungs: pd.DataFrame | None
    verdict: pd.DataFrame | None
    questions: dict[str, str | None]
    random_weights: dict[str, Any]
    patching: pd.DataFrame | None
    swap: pd.DataFrame | None
    shapley: pd.DataFrame | None
    losses: pd.DataFrame | None
    baselines: pd.DataFrame | None
    set_aside: pd.DataFrame | None
    gallery: pd.DataFrame | None
    fidelity: pd.DataFrame | None
    pixel_path: dict[str, Any]


def read_inputs(run: Run) -> Inputs:
    """Read a run folder.

    Raises:
        EyechartError: a file is damaged.
    """
    arms = run.arms()
    dataset = _json(run, "dataset.json", {})
    every = _of_arms(run, [arm for arm in arms if finished(run, arm)], "answers")
    answers = None if every is None else headline(every).reset_index(drop=True)
    return Inputs(
        run=run,
        config=run.config,
        dataset=dataset,
        provenance=_json(run, "provenance.json", {}),
        timings=_json(run, "timings.json", []),
        labels=_labels(dataset, answers),
        arms=tuple(arms),
        unfinished=tuple(arm for arm in arms if not run.has(f"arms/{arm}/DONE")),
        proofs=_json_of_arms(run, arms, "proof.json"),
        every=every,
        answers=answers,
        exams=_json_of_arms(run, arms, "exam.json"),
        scores=_of_arms(run, [arm for arm in arms if finished(run, arm, "scores")], "scores"),
        targets=_table(run, "targets.parquet"),
        prompts=_of_arms(run, arms, "prompts.parquet"),
        content=_of_arms(run, arms, "content.parquet"),
        distance=_of_arms(run, arms, "distance.parquet"),
        contextual=_of_arms(run, arms, "contextual.parquet"),
        controls=_of_arms(run, arms, "controls.parquet"),
        maps=_of_arms(run, arms, "maps.parquet"),
        lens=_of_arms(run, arms, "lens.parquet"),
        stages=_of_arms(run, arms, "stages.parquet"),
        probes=_of_arms(run, arms, "probes.parquet"),
        geometry=_of_arms(run, arms, "geometry.parquet"),
        rungs=_of_arms(run, arms, "rungs.parquet"),
        verdict=_of_arms(run, arms, "verdict.parquet"),
        questions={
            arm: look["settings"]["template"] for arm, look in _json_of_arms(run, arms, "inside.json").items()
        },
        random_weights=_json(run, "controls/random_weights.json", {}),
        patching=_of_arms(run, arms, "patching.parquet"),
        swap=_of_arms(run, arms, "swap.parquet"),
        shapley=_of_arms(run, arms, "shapley.parquet"),
        losses=_of_arms(run, arms, "losses.csv"),
        baselines=_table(run, "baselines.parquet"),
        set_aside=_table(run, "set_aside.csv"),
        gallery=_table(run, "gallery.parquet"),
        fidelity=_table(run, "fidelity.csv"),
        pixel_path=_json(run, "pixel_path.json", {}),
    )


def _json(run: Run, name: str, absent: Any) -> Any:
    return run.read_json(name) if run.has(name) else absent


def _json_of_arms(run: Run, arms: list[str], name: str) -> dict[str, dict[str, Any]]:
    return {arm: run.read_json(f"arms/{arm}/{name}") for arm in arms if run.has(f"arms/{arm}/{name}")}


def _table(run: Run, name: str) -> pd.DataFrame | None:
    return run.read_table(name) if run.has(name) else None


def _of_arms(run: Run, arms: list[str], name: str) -> pd.DataFrame | None:
    parts = [
        run.read_table(f"arms/{arm}/{name}").assign(arm=arm) for arm in arms if run.has(f"arms/{arm}/{name}")
    ]
    return pd.concat(parts, ignore_index=True) if parts else None


def _labels(dataset: dict[str, Any], answers: pd.DataFrame | None) -> tuple[str, ...]:
    if "label_map" in dataset:  # in the order of the likelihoods in the answers table
        return tuple(dataset["label_map"]["labels"])
    return tuple(sorted(answers["label"].unique())) if answers is not None else ()
