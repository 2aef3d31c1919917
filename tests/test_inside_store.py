"""The states on the disk are the states of the model, whatever order, batch or family they were read in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tiny
import torch

from eyechart.inside.config import InsideConfig
from eyechart.inside.reading import read_states
from eyechart.inside.store import States
from eyechart.subjects.model import ModelSubject, Pixels

QUESTION = "What is the main distortion of this image?"


def read(subject: ModelSubject, shown: Sequence[Pixels], folder: Path, **settings: Any) -> States:
    """Return the states of some images, with tokens."""
    by_id = {f"i{k}": image for k, image in enumerate(shown)}
    sizes = [image.shape[:2] for image in shown]
    table = pd.DataFrame({"image_id": list(by_id)})
    table["height"], table["width"] = ([size[side] for size in sizes] for side in (0, 1))
    config = InsideConfig(**{"every": 1, "batch": 2} | settings)

    def load(names: Sequence[str]) -> list[Pixels]:
        return [by_id[name] for name in names]

    return read_states(folder, subject, table, load, QUESTION, config, tokens=config.tokens)


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
