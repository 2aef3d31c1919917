"""Presets: what the table says agrees with transformers' classes, and their names load."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest
from published_sizes import PUBLISHED
from typer.testing import CliRunner

from eyechart.cli.main import build
from eyechart.configuration import study_config
from eyechart.errors import EyechartError
from eyechart.subjects.components import families
from eyechart.subjects.names import resolve
from eyechart.subjects.options import LoadOptions
from eyechart.subjects.presets import preset_rows, presets

COMMANDS = ("exam", "inside", "tune", "study", "subjects check", "subjects memory", "subjects fidelity")


def test_every_preset_names_a_known_family_and_an_id_of_its_own() -> None:
    found = presets()
    assert len(found) >= 25
    assert {preset.type for preset in found.values()} <= set(families())
    ids = [preset.hub for preset in found.values()]
    assert len(set(ids)) == len(ids)
    for name, preset in found.items():
        assert re.fullmatch(r"[a-z0-9.-]+", name)
        assert name == "nano" or re.fullmatch(r"[\w.-]+/[\w.-]+", preset.hub)


def test_presets_agree_with_the_size_in_their_names() -> None:
    for name, preset in presets().items():
        stated = re.search(r"-([\d.]+)([bm])$", name)
        if stated and preset.parameters and name != "llava-onevision-0.5b":  # the language model's alone
            size = float(stated[1]) / (1000 if stated[2] == "m" else 1)
            assert 0.8 * size <= preset.parameters <= 1.4 * size, name


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_those_of_the_published_configurations(name: str) -> None:
    torch = pytest.importorskip("torch")
    from transformers import CONFIG_MAPPING, AutoModelForImageTextToText

    import eyechart.models  # noqa: F401
    from eyechart.subjects.memory import weights_need

    preset = presets()[name]
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(CONFIG_MAPPING[preset.type](**PUBLISHED[name]))
    need = weights_need(model, LoadOptions(dtype="bfloat16"))
    assert need.total / 2e9 == pytest.approx(preset.parameters, rel=0.0025)
    assert all(need.parameters[part] > 0 for part in ("vision", "projector", "language"))


def test_names_resolve_and_misspelt_ones_get_the_nearest(tmp_path: Path) -> None:
    assert resolve("qwen2-vl-2b") == "Qwen/Qwen2-VL-2B-Instruct"
    assert resolve("nano") == "nano"
    with pytest.raises(EyechartError, match=r"did you mean qwen2-vl-2b"):
        resolve("qwen2vl-2b")
    with pytest.raises(EyechartError, match="eyechart subjects list"):
        resolve("zzzz")
    for name in presets():  # a name with one letter left out finds itself
        near = difflib.get_close_matches(name[:2] + name[3:], presets(), n=3)
        assert name in near


def test_a_folder_of_a_presets_name_is_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gemma3-4b").mkdir()
    (tmp_path / "gemma3-4b" / "config.json").write_text("{}")
    assert resolve("gemma3-4b") == "gemma3-4b"


def test_the_list_says_what_is_known_and_leaves_out_the_rest() -> None:
    rows = {row["name"]: row for row in preset_rows()}
    assert rows["llava-1.5-7b"] | {"hub": "", "licence": ""} == {
        "name": "llava-1.5-7b",
        "hub": "",
        "type": "llava",
        "parameters": "7.06B",
        "bfloat16 GB": "14.1",
        "float32 GB": "28.2",
        "licence": "",
        "components": "proved",
    }
    assert rows["qwen3-vl-8b"]["float32 GB"] == "35.1"
    assert rows["q-instruct"]["licence"] == "unknown"  # no source says it
    assert all(row[title] for row in rows.values() for title in row if title != "components")
    bare, listed = (CliRunner().invoke(build(), ["subjects", *more]) for more in ([], ["list"]))
    assert bare.exit_code == listed.exit_code == 0
    assert bare.output == listed.output
    assert all(name in listed.output and row["hub"] in listed.output for name, row in rows.items())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_loads_a_subject_takes_the_options(command: str) -> None:
    told = CliRunner().invoke(build(), [*command.split(), "--help"], env={"COLUMNS": "200"})
    assert told.exit_code == 0
    for name in ("dtype", "device-map", "quantize", "attn-implementation", "revision", "trust-remote-code"):
        assert f"--{name}" in told.output
    wrong = CliRunner().invoke(build(), [*command.split(), "--dtype", "int3"], env={"COLUMNS": "200"})
    assert wrong.exit_code == 2
    assert "bfloat16" in wrong.output


def test_options_of_loading_are_none_of_an_endpoints(tmp_path: Path) -> None:
    given = ["http://localhost:1/v1#m", str(tmp_path), "--out", str(tmp_path / "run"), "--dtype", "float16"]
    told = CliRunner().invoke(build(), ["exam", *given])
    assert told.exit_code == 2
    assert "--dtype is for models that are loaded here" in told.output


def test_a_study_takes_the_options_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("load: {dtype: float16, device_map: auto}\n")
    config = study_config(path, changes={"load": LoadOptions(dtype="bfloat16").changed()})
    assert config.load == LoadOptions(dtype="bfloat16", device_map="auto")
    for wrong in ("dtype: int3", "type: float16"):
        path.write_text(f"load: {{{wrong}}}\n")
        with pytest.raises(EyechartError, match=r"load\..*type"):
            study_config(path)
