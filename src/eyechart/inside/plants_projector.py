"""Faults of the projector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from eyechart.inside.plants import ANY, NO_FAULT, Hook, Known, Plant, changed
from eyechart.inside.verdict import IN_LANGUAGE, IN_PROJECTOR, IN_WORDS, NOT_READ, PERCEIVED, UNKNOWN
from eyechart.seeds import rng
from eyechart.subjects.model import ModelSubject
from eyechart.tune.arms import arm
from eyechart.tune.config import TuneConfig
from eyechart.tune.lesson import Lesson
from eyechart.tune.train import tune

if TYPE_CHECKING:
    import torch

_STEPS = 150  # of training on shuffled labels
_AFTER = (IN_LANGUAGE, NOT_READ)  # places that lie behind the projector
_ERASED = ("noise", "contrast", "compression", "colorfulness")  # which the healthy subject perceives


def projector_plants() -> tuple[Plant, ...]:
    """Return the faults of the projector."""
    return (
        Plant(
            "projector of rank 2",
            "projector",
            (IN_PROJECTOR,),
            "only two directions are left, those in which clean images differ and the labels' means do not",
            _narrow,
            others=(IN_PROJECTOR, *NO_FAULT),
        ),
        Plant(
            "projector that hands on one image",
            "projector",
            (IN_PROJECTOR,),
            "every image gives the same tokens",
            _constant,
            others=(IN_PROJECTOR,),
        ),
        *(
            Plant(
                f"projector without {label}",
                "projector",
                (PERCEIVED,),
                f"tokens on the side of {label} are exchanged for those of an image of any other label: one "
                "label in eight is lost, and each of the others is named for a seventh of its images",
                partial(_without, label),
                {label: (IN_PROJECTOR,)},
            )
            for label in _ERASED
        ),
        Plant(
            "projector with turned axes",
            "projector",
            (NOT_READ, IN_LANGUAGE),
            "a rotation keeps every distance, so that a probe behind it reads what one before it reads; but "
            "the language model has never met such tokens. Whether its last position still carries what "
            "they tell cannot be foreseen; the places before it would be wrong",
            _turned,
            others=(*_AFTER, IN_WORDS, UNKNOWN, PERCEIVED),
        ),
        Plant(
            "projector of shuffled labels",
            "projector",
            (NOT_READ, IN_LANGUAGE),
            "fresh weights, trained on shuffled labels, are a smooth map that keeps what it is given, but "
            "not in the language model's words; which place behind it fails cannot be foreseen",
            _shuffled,
            others=ANY,
        ),
    )


def _means(known: Known) -> torch.Tensor:
    """Return each label's mean token, less their mean, [labels, width]."""
    import torch

    means = torch.stack([known.tokens[known.targets == i].mean((0, 1)) for i in range(len(known.labels))])
    return means - means.mean(0)


def _narrow(subject: ModelSubject, known: Known) -> list[Hook]:
    """Keep the two directions of clean images' tokens that are left beside those of the labels' means."""
    import torch

    clean = known.tokens[known.targets == known.labels.index("clean")].flatten(0, 1)
    between = torch.linalg.svd(_means(known), full_matrices=False).Vh[: len(known.labels) - 1]
    middle = known.tokens.mean((0, 1))
    rest = (clean - clean.mean(0)) - (clean - clean.mean(0)) @ between.T @ between
    kept = torch.linalg.svd(rest, full_matrices=False).Vh[:2]

    def narrow(tokens: torch.Tensor) -> torch.Tensor:
        base, axes = middle.to(tokens), kept.to(tokens)
        narrowed: torch.Tensor = base + (tokens - base) @ axes.T @ axes
        return narrowed

    return [changed(subject.projector, narrow)]


def _constant(subject: ModelSubject, known: Known) -> list[Hook]:
    """Hand on the mean image of the train images."""
    mean = known.tokens.mean(0)
    return [changed(subject.projector, lambda tokens: mean.to(tokens).expand_as(tokens))]


def _without(label: str, subject: ModelSubject, known: Known) -> list[Hook]:
    """Exchange the tokens of images that look like ``label`` for those of train images of other labels."""
    import torch
    from sklearn.linear_model import LogisticRegression

    own = known.targets == known.labels.index(label)
    pooled = known.tokens.mean(1)
    middle, spread = pooled.mean(0), pooled.std(0)
    fitted = LogisticRegression(C=0.1, max_iter=1000).fit((pooled - middle) / spread, own)
    weights = torch.from_numpy(fitted.coef_[0]).float()
    others = known.tokens[~own]

    def exchange(tokens: torch.Tensor) -> torch.Tensor:
        seen = ((tokens.float().cpu().mean(1) - middle) / spread) @ weights + float(fitted.intercept_[0])
        # Which image comes in its place follows from the tokens, so that one image always gives the same.
        draw = (tokens.float().cpu().abs().sum((1, 2)) * 1000).long() % len(others)
        return torch.where((seen > 0)[:, None, None].to(tokens.device), others[draw].to(tokens), tokens)

    return [changed(subject.projector, exchange)]


def _turned(subject: ModelSubject, known: Known) -> list[Hook]:
    """Turn the tokens about their mean by a random rotation."""
    import torch

    width = known.tokens.shape[-1]
    random = torch.randn(width, width, generator=torch.Generator().manual_seed(0))
    turn, middle = torch.linalg.qr(random).Q, known.tokens.mean((0, 1))

    def rotate(tokens: torch.Tensor) -> torch.Tensor:
        base = middle.to(tokens)
        turned: torch.Tensor = base + (tokens - base) @ turn.to(tokens)
        return turned

    return [changed(subject.projector, rotate)]


def _shuffled(subject: ModelSubject, known: Known) -> list[Hook]:
    """Train the projector anew, on shuffled labels."""
    import torch

    before = {name: value.clone() for name, value in subject.projector.state_dict().items()}
    torch.manual_seed(0)
    for module in subject.projector.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    targets = rng(0, "shuffled targets").permutation(known.targets.numpy())
    lesson = Lesson(known.images, targets, known.labels, known.others)
    tune(subject, arm("projector-aligned"), lesson, TuneConfig(projector_steps=_STEPS), seed=0)
    return [_Restored(subject.projector, before)]


@dataclass(frozen=True)
class _Restored:
    """Weights that are put back."""

    module: Any
    weights: Mapping[str, torch.Tensor]

    def remove(self) -> None:
        self.module.load_state_dict(self.weights)
