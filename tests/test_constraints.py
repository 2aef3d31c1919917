"""Each constraint is the number that it says it is, and does to tokens what it says it does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F
from scipy.special import log_softmax, logsumexp

from eyechart.errors import EyechartError
from eyechart.seeds import rng
from eyechart.subjects.model import ModelSubject
from eyechart.tune.alignment import DRIFT, OTHERS, Alignment
from eyechart.tune.constraints import NAMES, constraints
from eyechart.tune.contrast import TEMPERATURE, Contrast
from eyechart.tune.preserve import Preserve

ALL = np.arange(100)
# A study in small: three contents, each clean and with three distortions.
CONTENTS = np.repeat(["boat", "cat", "hill"], 4)
TARGETS = torch.tensor([0, 1, 2, 3] * 3)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def value(loss: torch.Tensor | None) -> float:
    assert loss is not None
    return loss.item()


def minimise(tokens: torch.Tensor, losses: Any, steps: int = 60, rate: float = 0.05) -> torch.Tensor:
    """Return tokens after Adam on the sum of losses of them."""
    tokens = tokens.float().clone().requires_grad_(True)
    optimiser = torch.optim.Adam([tokens], rate)
    for _ in range(steps):
        optimiser.zero_grad()
        losses(tokens).backward()
        optimiser.step()
    return tokens.detach()


def test_alignment_equals_numpy(internvl: ModelSubject) -> None:
    tokens = torch.stack(internvl.visual_tokens(tiny.images(5)))
    targets = np.array([0, 1, 2, 3, 0])
    constraint = Alignment(internvl, tiny.LABELS)
    table = internvl.model.get_input_embeddings().weight.detach().double().numpy()
    chosen = rng(0, "negatives").choice(len(table), min(OTHERS, len(table)), replace=False)
    ids = [internvl.processor.tokenizer(f" {label}")["input_ids"] for label in tiny.LABELS]
    words = np.concatenate([np.stack([table[i].mean(0) for i in ids]), table[chosen]]) - table.mean(0)
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    visual = tokens.double().numpy()
    away = visual - table.mean(0)
    cosine = (away / np.linalg.norm(away, axis=2, keepdims=True) @ words.T).mean(1)
    by_hand = -log_softmax(10 * cosine, axis=1)[np.arange(5), targets].mean()
    lengths = np.linalg.norm(visual, axis=2) / np.linalg.norm(table, axis=1).mean()
    by_hand += DRIFT * ((lengths - 1) ** 2).mean()
    found = constraint.loss(tokens, torch.from_numpy(targets), ALL[:5])
    assert found.item() == pytest.approx(by_hand, rel=1e-4)


def test_alignment_of_a_perfect_image(internvl: ModelSubject) -> None:
    """Tokens that are the word itself: cosine 1 with it, so the logit is the first scale of 10."""
    constraint = Alignment(internvl, tiny.LABELS)
    logits = constraint.logits(internvl.word_embedding("noise").expand(1, 16, -1))[0]
    assert logits.argmax() == 1
    assert logits[1].item() == pytest.approx(10, abs=1e-4)


def test_alignment_does_not_see_the_order_of_tokens_or_how_they_are_held(internvl: ModelSubject) -> None:
    constraint, tokens = Alignment(internvl, tiny.LABELS), drawn(4, 6, 64).float()
    whole = constraint.loss(tokens, TARGETS[:4], ALL[:4]).item()
    assert constraint.loss(list(tokens), TARGETS[:4], ALL[:4]).item() == pytest.approx(whole, rel=1e-6)
    turned = constraint.loss(tokens[:, torch.randperm(6)], TARGETS[:4], ALL[:4]).item()
    assert turned == pytest.approx(whole, rel=1e-6)
    ragged = [tokens[0], tokens[1, :2], tokens[2, :3], tokens[3]]
    alone = [constraint.logits(one[None])[0] for one in ragged]
    assert torch.allclose(constraint.logits(ragged), torch.stack(alone), atol=1e-5)


def test_alignment_moves_tokens_to_the_right_word(internvl: ModelSubject) -> None:
    constraint, start = Alignment(internvl, tiny.LABELS), drawn(12, 3, 64)
    moved = minimise(start, lambda tokens: constraint.loss(tokens, TARGETS, ALL[:12]))
    with torch.no_grad():
        logits = constraint.logits(moved)
    assert (logits.argmax(1) == TARGETS).all()  # nearest of the labels and of the other words
    lengths = moved.norm(dim=-1) / constraint.length
    assert (lengths - 1).abs().max() < 0.5
    assert (start.norm(dim=-1) / constraint.length).min() > 3


def test_the_temperature_is_learned(internvl: ModelSubject) -> None:
    constraint = Alignment(internvl, tiny.LABELS)
    (scale,) = constraint.parameters()
    tokens = torch.stack([internvl.word_embedding(label) for label in tiny.LABELS])[:, None]
    constraint.loss(tokens, TARGETS[:4], ALL[:4]).backward()  # type: ignore[no-untyped-call]
    assert scale.grad is not None
    assert scale.grad < 0  # all right already: a larger scale is better


def test_contrast_of_four_images_by_hand() -> None:
    """Two contents with two labels each; cosines 1 and 0 or 0.6, so that every term can be written down."""
    x, y, between = [2.0, 0.0], [0.0, 3.0], [0.6, 0.8]
    tokens = torch.tensor([[x], [y], [x], [between]])
    targets = torch.tensor([0, 1, 0, 1])
    t = TEMPERATURE
    terms = [  # one positive and one negative each: -log softmax
        math.log(1 + math.exp((0.0 - 1) / t)),  # x: like x (1), unlike y (0)
        math.log(1 + math.exp((0.0 - 0.8) / t)),  # y: like between (0.8), unlike x (0)
        math.log(1 + math.exp((0.6 - 1) / t)),  # x: like x (1), unlike between (0.6)
        math.log(1 + math.exp((0.6 - 0.8) / t)),  # between: like y (0.8), unlike x (0.6)
    ]
    found = Contrast(["a", "a", "b", "b"]).loss(tokens, targets, ALL[:4])
    assert value(found) == pytest.approx(np.mean(terms), rel=1e-5)


def test_contrast_equals_loops_in_numpy() -> None:
    tokens, rows = drawn(9, 4, 8).float(), np.array([11, 3, 5, 0, 7, 1, 9, 2, 8])
    targets = TARGETS[rows]
    z = tokens.double().numpy().mean(1)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    each = []
    for i in range(9):
        others = [j for j in range(9) if j != i]
        positives = [j for j in others if targets[j] == targets[i]]
        negatives = [j for j in others if targets[j] != targets[i] and CONTENTS[rows[j]] == CONTENTS[rows[i]]]
        if positives and negatives:
            among = logsumexp([z[i] @ z[j] / TEMPERATURE for j in positives + negatives])
            each.append(np.mean([among - z[i] @ z[j] / TEMPERATURE for j in positives]))
    assert 0 < len(each) < 9  # some images have nothing to be compared with
    assert value(Contrast(CONTENTS).loss(tokens, targets, rows)) == pytest.approx(np.mean(each), rel=1e-5)


def test_contrast_without_contents_is_the_published_loss() -> None:
    """With one content every pair counts: cross entropy over all others, averaged over positives."""
    tokens, targets = drawn(8, 1, 5).float(), torch.tensor([0, 1] * 4)
    z = F.normalize(tokens[:, 0], dim=-1)
    near = (z @ z.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    positives = [[j for j in range(8) if j != i and j % 2 == i % 2] for i in range(8)]
    rows = [F.cross_entropy(near[i].expand(3, -1), torch.tensor(positives[i])) for i in range(8)]
    found = Contrast(["one"] * 8).loss(tokens, targets, ALL[:8])
    assert value(found) == pytest.approx(torch.stack(rows).mean().item(), rel=1e-5)


def test_contrast_ignores_pairs_that_differ_in_content_and_label() -> None:
    """The only image that is neither positive nor negative of another may move; nothing is pulled by it."""
    tokens = drawn(4, 1, 8).float().requires_grad_(True)
    found = Contrast(["a", "a", "b", "c"]).loss(tokens, torch.tensor([0, 1, 0, 2]), ALL[:4])
    assert found is not None
    found.backward()  # type: ignore[no-untyped-call]
    assert tokens.grad is not None
    assert tokens.grad[3].abs().max() == 0
    assert tokens.grad[:3].abs().amin(0).max() > 0


def test_contrast_does_not_see_lengths_or_order() -> None:
    tokens, order = drawn(12, 3, 8).float(), torch.randperm(12)
    constraint = Contrast(CONTENTS)
    whole = value(constraint.loss(tokens, TARGETS, ALL[:12]))
    longer = tokens * torch.rand(12, 1, 1).add(0.5)
    assert value(constraint.loss(longer, TARGETS, ALL[:12])) == pytest.approx(whole, rel=1e-5)
    turned = constraint.loss(list(tokens[order]), TARGETS[order], ALL[:12][order.numpy()])
    assert value(turned) == pytest.approx(whole, rel=1e-5)


def test_contrast_with_nothing_to_compare() -> None:
    tokens = drawn(3, 1, 8).float()
    assert Contrast(["a", "a", "b"]).loss(tokens, torch.tensor([0, 1, 2]), ALL[:3]) is None
    assert Contrast(["a", "b", "b"]).loss(tokens[:2], torch.tensor([0, 0]), ALL[:2]) is None
    with pytest.raises(EyechartError, match="no content occurs twice"):
        Contrast(["a", "b", "c"])


def test_contrast_separates_labels_within_each_content() -> None:
    """Content rules where images lie at first; afterwards the distortion does, in every content."""
    content = torch.repeat_interleave(drawn(3, 1, 16), 4, 0)
    start = content + 0.1 * drawn(12, 1, 16, seed=1)
    constraint = Contrast(CONTENTS)

    def nearest(tokens: torch.Tensor) -> torch.Tensor:
        z = F.normalize(tokens[:, 0], dim=-1)
        return (z @ z.T).fill_diagonal_(-1).argmax(1)

    assert (CONTENTS[nearest(start).numpy()] == CONTENTS).all()
    moved = minimise(start, lambda tokens: constraint.loss(tokens, TARGETS, ALL[:12]))
    assert (TARGETS[nearest(moved)] == TARGETS).all()


def test_preserve_by_hand() -> None:
    constraint = Preserve({4: torch.tensor([[3.0, 0.0], [0.0, 4.0]]), 7: torch.tensor([[1.0, 0.0]])})
    tokens = [torch.tensor([[3.0, 1.0], [2.0, 4.0]]), torch.zeros(5, 2), torch.tensor([[0.0, 0.0]])]
    found = constraint.loss(tokens, TARGETS[:3], np.array([4, 5, 7]))
    assert value(found) == pytest.approx(((1 + 4) / 25 + 1) / 2)
    assert constraint.loss(tokens[1:2], TARGETS[:1], np.array([5])) is None


def test_preserve_is_nothing_before_tuning(subject: ModelSubject) -> None:
    images, clean = tiny.images(4), [True, False, True, False]
    constraint = Preserve.of(subject, images, clean)
    assert set(constraint.untuned) == {0, 2}
    tokens = subject.project(subject.pixel_values(images))
    assert value(constraint.loss(tokens, TARGETS[:4], ALL[:4])) < 1e-10
    assert value(constraint.loss(2 * tokens, TARGETS[:4], ALL[:4])) == pytest.approx(1, rel=1e-4)
    with pytest.raises(EyechartError, match="there are none to train on"):
        Preserve.of(subject, images, [False] * 4)


def test_preserve_keeps_clean_images_while_another_loss_pulls(internvl: ModelSubject) -> None:
    start = drawn(12, 3, 64).float()
    alignment = Alignment(internvl, tiny.LABELS)
    clean = TARGETS == 3
    preserve = Preserve({int(row): start[row] for row in clean.nonzero()})

    def pull(tokens: torch.Tensor) -> torch.Tensor:
        return alignment.loss(tokens, TARGETS, ALL[:12])

    def pull_and_hold(tokens: torch.Tensor) -> torch.Tensor:
        kept = preserve.loss(tokens, TARGETS, ALL[:12])
        assert kept is not None
        return pull(tokens) + 10 * kept

    free, held = minimise(start, pull), minimise(start, pull_and_hold)
    moved = [((tokens - start).norm(dim=(1, 2)) / start.norm(dim=(1, 2))) for tokens in (free, held)]
    assert moved[0].min() > 0.5
    assert moved[1][clean].max() < 0.2  # clean images stay
    assert moved[1][~clean].min() > 0.5  # the others follow the pull


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_the_slopes(internvl: ModelSubject, name: str) -> None:
    """Against finite differences in float64 (tokens enter in float32, so steps are not too small)."""
    start = drawn(12, 2, 64).float()
    made = constraints([name], internvl, tiny.LABELS, tiny.images(12), CONTENTS, TARGETS == 3)[name]
    if isinstance(made, Preserve):
        made = Preserve({row: start[row] for row in (3, 7, 11)})
    tokens, direction = start + 0.3 * drawn(12, 2, 64, seed=1).float(), drawn(12, 2, 64, seed=2).float()
    tokens.requires_grad_(True)
    loss = made.loss(tokens, TARGETS, ALL[:12])
    assert loss is not None
    (gradient,) = torch.autograd.grad(loss, tokens)
    step = 1e-2
    with torch.no_grad():
        up, down = (value(made.loss(tokens + s * direction, TARGETS, ALL[:12])) for s in (step, -step))
    assert (gradient * direction).sum().item() == pytest.approx((up - down) / (2 * step), rel=2e-2)


def test_constraints_by_name(internvl: ModelSubject) -> None:
    made = constraints(NAMES, internvl, tiny.LABELS, tiny.images(12), CONTENTS, TARGETS == 3)
    assert [made[name].name for name in NAMES] == list(NAMES)
    assert sum(len(one.parameters()) for one in made.values()) == 1
    with pytest.raises(EyechartError, match="alignment, contrast, preserve"):
        constraints(["aligment"], internvl, tiny.LABELS, [], [], [])
