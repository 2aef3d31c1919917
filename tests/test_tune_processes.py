"""A killed tuning goes on as if nothing had been, and several processes do what one does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

import tune_process  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from eyechart.cli.main import build  # noqa: E402
from eyechart.dataset import DatasetConfig, build_dataset  # noqa: E402
from eyechart.subjects.loading import load_subject  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402

SCRIPT = Path(tune_process.__file__)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tuning that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    tune_process.run(folder, "all")
    return folder


def apart(one: Path, two: Path) -> tuple[float, float]:
    """Return the largest difference of losses, and of weights."""
    left, right = (
        pd.read_csv(folder / "losses.csv").drop(columns=["seconds", "phase"]) for folder in (one, two)
    )
    a, b = load_file(one / "weights"), load_file(two / "weights")
    assert left.shape == right.shape
    assert a.keys() == b.keys()
    return float(np.nanmax(abs(left - right))), max(float((a[n] - b[n]).abs().max()) for n in a)


def test_killed_again_and_again_it_ends_in_the_same_weights(whole: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(tmp_path), "all"]
    # 8 images are read for the features, then 4 a step: the kills strike in the fourth step of the alignment,
    # then, since that is done by then, in the fourth step of the answer.
    for reads, phase in ((8 + 4 * 3 + 2, "alignment"), (4 * 4 + 4 * 3 + 2, "answer")):
        killed = subprocess.run([*command, str(reads)], env=ENVIRONMENT, capture_output=True, check=False)
        assert killed.returncode == -signal.SIGKILL
        left = {path.parent.name: path.name for path in (tmp_path / "cache").glob("*/checkpoint-*")}
        assert [(name.split("-")[1], at) for name, at in left.items()] == [(phase, "checkpoint-2")]
        (tmp_path / "cache" / next(iter(left)) / "checkpoint-4").mkdir()  # begun to be written when killed
    subprocess.run([*command, "0"], env=ENVIRONMENT, capture_output=True, check=True)
    assert apart(whole, tmp_path) == (0.0, 0.0)
    assert not list((tmp_path / "cache").glob("*/checkpoint-*"))


def launched(*command: str) -> None:
    """Run a command in two processes that know of each other."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", port]
    done = subprocess.run([*launcher, *command], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_two_processes_have_the_losses_of_one(whole: Path, tmp_path: Path) -> None:
    launched(str(SCRIPT), str(tmp_path), "all", "0")
    losses, weights = apart(whole, tmp_path)
    assert losses < 1e-4
    assert weights < 1e-4


def test_the_command_in_two_processes_leaves_what_one_leaves(internvl: ModelSubject, tmp_path: Path) -> None:
    subject, found = tmp_path / "tiny", {}
    internvl.model.save_pretrained(subject)
    internvl.processor.save_pretrained(subject)
    config = DatasetConfig(name="tiny", train_images=12, test_contents=2, levels=(3,))
    dataset = build_dataset(config, tmp_path / "sets").path
    command = ["tune", str(subject), str(dataset), "--train", "vision+projector", "--dtype", "float32"]
    command += ["--projector-steps", "3", "--alignment-steps", "3", "--steps", "3", "--batch", "4"]
    assert CliRunner().invoke(build(), [*command, "--out", str(tmp_path / "one")]).exit_code == 0
    eyechart = str(Path(sys.executable).with_name("eyechart"))
    launched("--no-python", eyechart, *command, "--out", str(tmp_path / "two"))
    for name in ("one", "two"):
        folder = tmp_path / name
        left = {path.name for path in folder.iterdir()}
        assert {"checkpoint", "losses.csv", "proof.json", "side_effects.csv", "plan.json"} <= left
        assert not left & {"cache", "before", "after"}
        assert "vision" in (folder / "checkpoint" / "README.md").read_text(encoding="utf-8")
        found[name] = pd.read_csv(folder / "losses.csv")[["loss", "lm", "alignment"]]
    assert np.allclose(found["one"], found["two"], atol=1e-4, equal_nan=True)
    assert load_subject(str(tmp_path / "two" / "checkpoint")).components()
