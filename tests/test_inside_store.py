"""The states on the disk are the states of the model, whatever order, batch or family they were read in."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import reading_process
import tiny
import tiny_families
import torch

from eyechart.errors import EyechartError
from eyechart.inside.config import InsideConfig
from eyechart.inside.reading import read_states, refuse_full
from eyechart.inside.store import States
from eyechart.subjects.model import ModelSubject, Pixels, Prompt
from eyechart.subjects.stages import LAST, PROJECTED, stages

QUESTION = "What is the main distortion of this image?"


def _nothing(_: str) -> None:
    """Say nothing."""


def read(
    subject: ModelSubject,
    shown: Sequence[Pixels],
    folder: Path,
    say: Callable[[str], None] = _nothing,
    **settings: Any,
) -> States:
    """Return the states of some images, with tokens."""
    by_id = {f"i{k}": image for k, image in enumerate(shown)}
    sizes = [image.shape[:2] for image in shown]
    table = pd.DataFrame({"image_id": list(by_id)})
    table["height"], table["width"] = ([size[side] for size in sizes] for side in (0, 1))
    config = InsideConfig(**{"every": 1, "batch": 2} | settings)

    def load(names: Sequence[str]) -> list[Pixels]:
        return [by_id[name] for name in names]

    return read_states(folder, subject, table, load, QUESTION, config, tokens=config.tokens, say=say)


def test_stages_are_the_states_of_the_model(subject: ModelSubject, tmp_path: Path) -> None:
    shown, prompt = tiny.images(5), subject.prompt(QUESTION, (112, 112))
    states = read(subject, shown, tmp_path / "all")
    found = {name: states.pooled(name) for name in states.names}
    names = ["encoder 1", "encoder 2", "encoder output", "projector output", "language 1", "language 2"]
    assert list(found) == [*names, "language last position"]
    widths = [64, 64, 64, 128, 128, 128, 64]
    assert [value.shape for value in found.values()] == [(5, width) for width in widths]
    few = read(subject, shown[:1], tmp_path / "few", every=5)
    assert few.names == (*names[:4], *names[5:], "language last position")
    assert few.kept == ("projector output", "language 2")

    kept: dict[str, torch.Tensor] = {}

    def keeper(name: str) -> Any:
        def keep(module: Any, args: Any, out: Any) -> None:
            kept[name] = out[0] if isinstance(out, tuple) else out

        return keep

    tower = subject.model.get_encoder(modality="image")
    encoder = tower.encoder if hasattr(tower, "encoder") else tower.vision_model.encoder
    blocks = encoder.layer if hasattr(encoder, "layer") else encoder.layers
    hooks = [blocks[0].register_forward_hook(keeper("encoder 1"))]
    hooks.append(blocks[1].register_forward_hook(keeper("encoder 2")))
    hooks.append(subject.language.layers[0].register_forward_hook(keeper("language 1")))
    hooks.append(subject.language.register_forward_hook(lambda m, a, o: kept.update({"language 2": o[0]})))
    inputs = subject.processor(text=[prompt.text] * 5, images=shown, return_tensors="pt")
    with torch.no_grad():
        subject.model(**inputs)
    for hook in hooks:
        hook.remove()
    at = list(prompt.image_positions)
    for name, whole in kept.items():
        seen = (whole[:, at] if name.startswith("language") else whole).numpy()
        by_hand = np.concatenate([seen.mean(1), seen.std(1, ddof=1)], axis=1)
        assert np.allclose(found[name], by_hand, atol=1e-4), name
    assert np.allclose(found["language last position"], kept["language 2"][:, -1].numpy(), atol=1e-4)
    tokens = torch.stack(subject.visual_tokens(shown)).numpy()
    assert np.allclose(found["projector output"][:, :64], tokens.mean(1), atol=1e-4)


class Shown(ModelSubject):
    """A tiny model of any family; the first pixel of an image is the seed of what it is shown."""

    def __init__(self, family: str) -> None:
        super().__init__(family, tiny_families.build(family), None)

    def conversation(self, question: str, answer: str | None = None) -> str:
        """Return nothing: these families have no processor here."""
        return ""

    def inputs(self, images: Sequence[Pixels], text: str) -> dict[str, torch.Tensor]:
        """Return one row for each image."""
        made = [tiny_families.inputs(self.model, int(image[0, 0, 0])) for image in images]
        return {name: torch.cat([one[name][:1] for one in made]) for name in made[0]}

    def prompt(self, question: str, image_size: tuple[int, int]) -> Prompt:
        """Return what every image's prompt is."""
        ids = self.inputs([np.zeros((1, 1, 3), np.uint8)], "")["input_ids"][0].tolist()
        return Prompt("", tuple(ids), tuple(i for i, token in enumerate(ids) if token == tiny_families.IMAGE))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", ["llava", "gemma3", "llava_next", "mllama"])
def test_what_is_kept_is_what_the_stages_are(family: str, tmp_path: Path) -> None:
    subject, shown = Shown(family), [np.full((2, 2, 3), seed, np.uint8) for seed in range(5)]
    states = read(subject, shown, tmp_path / "states", batch=2)
    with torch.no_grad():
        direct = stages(subject.model, subject.inputs(shown, ""))
    assert states.names == tuple(direct)
    language = [name for name in direct if name.startswith("language") and name != LAST]
    assert states.kept == (PROJECTED, *language)
    for name in states.kept:
        assert all(map(partial(torch.allclose, atol=1e-5), states.tokens(name), direct[name])), name
    for name, images in direct.items():
        by_hand = [one[0] if name == LAST else torch.cat([one.mean(0), one.std(0)]) for one in images]
        assert np.allclose(states.pooled(name), torch.stack(by_hand), atol=1e-5), name
    with pytest.raises(EyechartError, match="tokens of 'encoder 1' are not kept"):
        states.tokens("encoder 1")
    if family == "mllama":  # no position is an image's
        with pytest.raises(
            EyechartError, match=r"tokens of 'language 1' are not kept(.|\n)*projector output"
        ):
            states.tokens("language 1")


def test_neither_order_nor_batch_nor_company_changes_values(subject: ModelSubject, tmp_path: Path) -> None:
    shown = [*tiny.images(3), *tiny.images(2, seed=1, side=84), *tiny.images(2, seed=2)]
    one, other = read(subject, shown, tmp_path / "a"), read(subject, shown[::-1], tmp_path / "b", batch=3)
    for name in one.names:
        assert np.allclose(one.pooled(name), other.pooled(name)[::-1], atol=1e-5), name
    for name in one.kept:
        pairs = zip(one.tokens(name), other.tokens(name)[::-1], strict=True)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in pairs), name


def test_bfloat16_rounds_tokens_alone(internvl: ModelSubject, tmp_path: Path) -> None:
    whole = read(internvl, tiny.images(3), tmp_path / "a")
    half = read(internvl, tiny.images(3), tmp_path / "b", precision="bfloat16")
    for name in whole.names:
        assert np.array_equal(whole.pooled(name), half.pooled(name))
    for exact, rounded in zip(whole.tokens(PROJECTED), half.tokens(PROJECTED), strict=True):
        assert rounded.dtype == torch.float32
        assert torch.equal(exact.bfloat16().float(), rounded)
    size = [sum(path.stat().st_size for path in (tmp_path / folder).iterdir()) for folder in "ab"]
    assert size[1] < 0.7 * size[0]


def test_rows_are_asked_for_like_those_of_a_list(internvl: ModelSubject, tmp_path: Path) -> None:
    tokens = read(internvl, tiny.images(70), tmp_path / "states", batch=32).tokens(PROJECTED)
    assert len(tokens) == 70
    assert torch.equal(tokens[-1], tokens[69])
    assert torch.equal(torch.stack(list(tokens[63:66])), torch.stack([tokens[63], tokens[64], tokens[65]]))
    assert torch.allclose(tokens[66], internvl.visual_tokens(tiny.images(70)[66:67])[0], atol=1e-5)
    with pytest.raises(IndexError):
        tokens[70]


def test_the_size_is_told_before_and_right(internvl: ModelSubject, tmp_path: Path) -> None:
    told: list[str] = []
    read(internvl, tiny.images(100), tmp_path / "states", say=told.append, batch=32)
    took = sum(path.stat().st_size for path in (tmp_path / "states").iterdir()) / 2**20
    (mib,) = re.findall(r"images: 100, 7 stages, ([0-9.]+) MiB on the disk", told[0])
    assert float(mib) == pytest.approx(took, rel=0.1)


def test_a_disk_without_room_is_told_before(tmp_path: Path) -> None:
    refuse_full(tmp_path / "states", 1)
    with pytest.raises(EyechartError, match=r"need 1099511627776 MiB on the disk(.|\n)*--precision bfloat16"):
        refuse_full(tmp_path / "states", 2**60)


def test_a_damaged_shard_is_told(internvl: ModelSubject, tmp_path: Path) -> None:
    states = read(internvl, tiny.images(2), tmp_path / "states")
    states.shard(0).write_bytes(states.shard(0).read_bytes()[:1000])
    with pytest.raises(EyechartError, match=r"damaged(.|\n)*remove it"):
        states.pooled(LAST)
    with pytest.raises(EyechartError, match=r"damaged(.|\n)*remove it"):
        states.tokens(PROJECTED)[0]


def test_no_stage_no_token_without_reason(internvl: ModelSubject, tmp_path: Path) -> None:
    states = read(internvl, tiny.images(1), tmp_path / "states", tokens=False)
    with pytest.raises(EyechartError, match="this look keeps none"):
        states.tokens(PROJECTED)
    with pytest.raises(EyechartError, match=r"'retina' was not read(.|\n)*encoder 1"):
        states.pooled("retina")


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Read in a process of its own (see reading_process)."""
    script = Path(reading_process.__file__)
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_killed_reading_is_taken_up_to_the_same_bytes(tmp_path: Path) -> None:
    folder, whole = tmp_path / "killed", tmp_path / "whole"
    assert process("kill", folder).returncode == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert sorted(path.name for path in kept) == ["00000.safetensors", "00001.safetensors"]
    (folder / ".00002.safetensors.1.partial").write_bytes(b"half")
    reading_process.read(folder, 160, 28)
    reading_process.read(whole, 160, 28)
    assert [path.name for path in sorted(folder.iterdir())] == [path.name for path in sorted(whole.iterdir())]
    assert all(path.read_bytes() == (whole / path.name).read_bytes() for path in folder.iterdir())
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a process's own peak")
@pytest.mark.slow
def test_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    done = process("memory", tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1]) < 40  # MiB, of 144 that the further images take
