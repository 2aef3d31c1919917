"""A killed tuning goes on as if nothing had been, and several processes do what one does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

import tune_process  # noqa: E402
from forked import ended, pair, started  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from eyechart.cli.main import build  # noqa: E402
from eyechart.dataset import DatasetConfig, build_dataset  # noqa: E402
from eyechart.errors import EyechartError  # noqa: E402
from eyechart.subjects.loading import load_subject  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402
from eyechart.tune.config import TuneConfig  # noqa: E402
from eyechart.tune.processes import check_deepspeed, joined  # noqa: E402

TORCHRUN = ("torch.distributed.run", "--nproc-per-node", "2", "--master-port")
# "--cpu" starts one process, as it leaves the rest to MPI; "--multi_gpu" starts them, with GPUs or without.
ACCELERATE = (
    *("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"),
    *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port"),
)
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
    # 8 images are read for the features, then 4 a step: the kills strike in the fourth step of the alignment,
    # then, since that is done by then, in the fourth step of the answer.
    for reads, phase in ((8 + 4 * 3 + 2, "alignment"), (4 * 4 + 4 * 3 + 2, "answer")):
        killed = started(tune_process.run, tmp_path, "all", reads)
        killed.join()
        assert killed.exitcode == -signal.SIGKILL
        left = {path.parent.name: path.name for path in (tmp_path / "cache").glob("*/checkpoint-*")}
        assert [(name.split("-")[1], at) for name, at in left.items()] == [(phase, "checkpoint-2")]
        (tmp_path / "cache" / next(iter(left)) / "checkpoint-4").mkdir()  # begun to be written when killed
    ended(started(tune_process.run, tmp_path, "all"))
    assert apart(whole, tmp_path) == (0.0, 0.0)
    assert not list((tmp_path / "cache").glob("*/checkpoint-*"))


def launched(*command: str, by: tuple[str, ...] = TORCHRUN) -> None:
    """Run a command in two processes that know of each other."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launcher = [sys.executable, "-m", *by, port]
    done = subprocess.run([*launcher, *command], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_two_processes_have_the_losses_of_one(whole: Path, tmp_path: Path) -> None:
    ended(*pair(tune_process.run, tmp_path, "all"))
    losses, weights = apart(whole, tmp_path)
    assert losses < 1e-4
    assert weights < 1e-4


def test_weights_spread_over_two_processes_have_the_losses_of_one(whole: Path, tmp_path: Path) -> None:
    ended(*pair(partial(tune_process.run, shard=True), tmp_path, "all"))
    losses, weights = apart(whole, tmp_path)
    assert losses < 1e-4
    assert weights < 1e-4
    # of what trains, a process holds a half, but for what does not divide
    held, of = json.loads((tmp_path / "held").read_text(encoding="utf-8"))
    assert 0.45 * of < held < 0.6 * of


@pytest.mark.slow
@pytest.mark.parametrize("shard", [False, True])
def test_two_processes_killed_again_and_again_end_in_the_same_weights(shard: bool, tmp_path: Path) -> None:
    run = partial(tune_process.run, shard=shard)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    cache = tmp_path / "killed" / "cache"
    ended(*pair(run, tmp_path / "whole", "all"))
    for reads, phase in ((8 + 2 * 3 + 1, "alignment"), (2 * 4 + 2 * 3 + 1, "answer")):
        for one in pair(run, tmp_path / "killed", "all", reads):
            one.join()
            assert one.exitcode != 0
        left = {path.parent.name: path.name for path in cache.glob("*/checkpoint-*")}
        assert [(name.split("-")[1], at) for name, at in left.items()] == [(phase, "checkpoint-2")]
    ended(*pair(run, tmp_path / "killed", "all"))
    assert apart(tmp_path / "whole", tmp_path / "killed") == (0.0, 0.0)


@pytest.mark.slow
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
    launched("--no_python", eyechart, *command, "--shard", "--out", str(tmp_path / "spread"), by=ACCELERATE)
    for name in ("one", "two", "spread"):
        folder = tmp_path / name
        left = {path.name for path in folder.iterdir()}
        assert {"checkpoint", "losses.csv", "proof.json", "side_effects.csv", "plan.json"} <= left
        assert not left & {"cache", "before", "after"}
        assert "vision" in (folder / "checkpoint" / "README.md").read_text(encoding="utf-8")
        found[name] = pd.read_csv(folder / "losses.csv")[["loss", "lm", "alignment"]]
    weights = {name: load_file(tmp_path / name / "checkpoint" / "model.safetensors") for name in found}
    for name in ("two", "spread"):
        assert np.allclose(found["one"], found[name], atol=1e-4, equal_nan=True)
        assert weights[name].keys() == weights["one"].keys()
        assert all(torch.allclose(value, weights["one"][n], atol=1e-4) for n, value in weights[name].items())
        assert load_subject(str(tmp_path / name / "checkpoint")).components()


def test_what_cannot_be_spread_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(EyechartError, match="one alone"):
        joined(TuneConfig(shard=True))
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(EyechartError, match="accelerate was told to spread"):
        joined(TuneConfig())
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "false")
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(EyechartError, match="give eyechart tune --deepspeed FILE"):
        joined(TuneConfig())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("{", "holds no settings"),
        ('{"zero_optimization": []}', "holds no settings"),
        ('{"zero_optimization": {"stage": 3}}', "give --shard instead"),
        ('{"optimizer": {"type": "AdamW"}}', "names its own optimizer"),
    ],
)
def test_deepspeed_settings_that_cannot_be_used_are_told(tmp_path: Path, settings: str, told: str) -> None:
    file = tmp_path / "ds.json"
    file.write_text(settings, encoding="utf-8")
    with pytest.raises(EyechartError) as caught:
        check_deepspeed(file, TuneConfig())
    assert told in str(caught.value)


@pytest.mark.skipif(find_spec("deepspeed") is not None, reason="DeepSpeed is installed")
def test_deepspeed_that_is_not_installed_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ds.json"
    file.write_text('{"zero_optimization": {"stage": 2}}', encoding="utf-8")
    with pytest.raises(EyechartError, match="DeepSpeed is not installed"):
        joined(TuneConfig(deepspeed=str(file)))
