"""``eyechart doctor``: what will run is judged by what is there, each refusal with a remedy."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from eyechart.doctor import EXTRAS, Gpu, Machine, checks, examine, gpu_remedy, parse_gpus

GOOD = Machine(
    cpu="a processor",
    cores=2,
    memory=16e9,
    disk_here=50e9,
    disk_cache=50e9,
    gpus=(),
    cuda="",
    missing=dict.fromkeys(EXTRAS, ()),
    weights=True,
)
H100 = Gpu("NVIDIA H100", 85e9, 84e9, 9.0)


@pytest.mark.parametrize(
    ("change", "told", "remedy"),
    [
        ({"memory": 2e9}, "2.0 GB of memory are free, it wants 5.0 GB", "larger machine"),
        ({"disk_here": 1e8}, "100.0 MB of disk are free", "EYECHART_CACHE"),
        ({"disk_cache": 1e8}, "100.0 MB of disk are free", "EYECHART_CACHE"),
        (
            {"missing": {**GOOD.missing, "models": ("torch",)}},
            "not installed: torch",
            "pip install 'eyechart[models]'",
        ),
        (
            {"missing": {**GOOD.missing, "report": ("matplotlib",)}},
            "matplotlib",
            "pip install 'eyechart[report]'",
        ),
    ],
)
def test_the_study_is_refused_with_a_remedy(change: dict[str, object], told: str, remedy: str) -> None:
    study = checks(replace(GOOD, **change))[0]  # type: ignore[arg-type]
    assert not study.runs
    assert told in study.told
    assert remedy in study.remedy


def test_the_study_runs_where_all_is_there() -> None:
    study = checks(GOOD)[0]
    assert study.runs
    assert study.remedy == ""
    assert "are fetched once" in checks(replace(GOOD, weights=False))[0].told
    assert checks(replace(GOOD, memory=None))[0].runs  # a system that does not tell is not refused


def test_larger_memory_allows_more_and_never_less() -> None:
    sizes = [4e9, 8e9, 16e9, 48e9, 200e9]
    found = [sum(check.runs for check in checks(replace(GOOD, memory=size))) for size in sizes]
    assert found == sorted(found)
    assert found[0] < found[-1] == len(checks(GOOD))


def test_a_gpu_decides_where_it_can_be_used() -> None:
    with_gpu = replace(GOOD, gpus=(H100,), cuda="12.8")
    told = {check.name: check for check in checks(with_gpu)}
    seven = next(check for name, check in told.items() if "7b" in name and name.endswith(": exam"))
    assert seven.runs
    assert "NVIDIA H100" in seven.told
    for_cpu = replace(with_gpu, cuda="")
    assert not any("H100" in check.told for check in checks(for_cpu))
    assert "built for CPUs" in gpu_remedy(for_cpu)
    assert "no NVIDIA driver" in gpu_remedy(GOOD)
    assert gpu_remedy(with_gpu) == ""


def test_quantised_weights_are_offered_where_they_can_be() -> None:
    small = replace(GOOD, gpus=(Gpu("small", 12e9, 11e9, 8.6),), cuda="12.8")
    exam, lora = (
        next(check for check in checks(small) if "7b" in check.name and check.name.endswith(what))
        for what in ("exam", "LoRA")
    )
    assert exam.runs
    assert "--quantize 4bit" in exam.told
    assert not lora.runs


def test_what_nvidia_smi_prints_is_read() -> None:
    text = (
        "NVIDIA H100 80GB HBM3, 81559, 81004, 9.0\nTesla T4, 15360, 14900, 7.5\nbroken, [N/A], [N/A], 8.0\n"
    )
    first, second = parse_gpus(text)
    assert first.name == "NVIDIA H100 80GB HBM3"
    assert first.total == 81559 * 2**20
    assert first.bfloat16
    assert not second.bfloat16


def test_endpoints_need_their_extra() -> None:
    last = checks(replace(GOOD, missing={**GOOD.missing, "endpoints": ("openai",)}))[-1]
    assert not last.runs
    assert last.remedy == "pip install 'eyechart[endpoints]'"


def test_what_is_found_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EYECHART_CACHE", str(tmp_path / "not" / "yet"))
    machine, versions = examine()
    assert machine.cores >= 1
    assert machine.disk_cache > 0
    assert not machine.weights
    assert versions["torch"] != "not installed"
    assert not any(machine.missing.values())


def test_the_command_is_fast_and_tells_no_secret(tmp_path: Path) -> None:
    secrets = {"OPENAI_API_KEY": "sk-hidden", "HF_TOKEN": "hf_hidden"}
    call = [sys.executable, "-c", "from eyechart.cli.main import main; main()", "doctor"]
    began = os.times().children_user
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **secrets})
    assert os.times().children_user - began < 3  # of computing, whatever else the machine does
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hidden" not in done.stdout + done.stderr
    assert "built-in study" in done.stdout
    assert "torch" in done.stdout


def test_the_command_exits_with_1_where_the_study_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from eyechart import doctor
    from eyechart.cli.main import build

    monkeypatch.setattr(doctor, "STUDY_MEMORY", 1e18)
    shown = CliRunner().invoke(build(), ["doctor"])
    assert shown.exit_code == 1
    assert "NO   built-in study" in shown.output
