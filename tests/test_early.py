"""What cannot be a subject is refused before a run folder is made, and at once where no network is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from transformers import CLIPConfig  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from eyechart.cli.main import build  # noqa: E402
from eyechart.dataset import Dataset, DatasetConfig, build_dataset  # noqa: E402
from eyechart.errors import EyechartError  # noqa: E402
from eyechart.subjects.early import refuse_early  # noqa: E402
from eyechart.subjects.loading import skeleton  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402
from eyechart.subjects.options import LoadOptions  # noqa: E402

PLAIN = LoadOptions()
URL = "http://localhost:1/v1#m"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = DatasetConfig(crop=48, test_contents=2, clean_per_content=1, train_images=32, levels=(5,))
    return build_dataset(config, tmp_path_factory.mktemp("datasets"))


@pytest.fixture(scope="module")
def asked(llava: ModelSubject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model that is asked, without its weights, which are not looked for."""
    folder = tmp_path_factory.mktemp("asked")
    llava.model.config.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model that compares pictures with texts."""
    folder = tmp_path_factory.mktemp("compared")
    CLIPConfig().save_pretrained(folder)
    return folder


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let nobody answer at the hub's address; return the folder of the cache, which is empty."""
    from huggingface_hub import constants, file_download

    address = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    for module in (constants, file_download):
        if hasattr(module, "HUGGINGFACE_CO_URL_TEMPLATE"):
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", address)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("command", ["exam", "score", "inside", "tune", "study"])
def test_a_wrong_subject_leaves_no_run_behind(
    command: str, dataset: Dataset, compared: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for subject, told in ((tmp_path / "empty", "holds no model"), (compared, "exam clip:")):
        given = {
            "tune": ["tune", str(subject), str(dataset.path), "--train", "projector"],
            "study": ["study", "--subject", str(subject), "--quick"],
        }.get(command, [command, str(subject), str(dataset.path)])
        result = CliRunner().invoke(build(), [*given, "--out", str(tmp_path / "run")])
        assert result.exit_code == 2, result.output
        assert told in " ".join(result.output.split())
        assert not (tmp_path / "run").exists()


def test_a_model_to_be_asked_is_not_compared(dataset: Dataset, asked: Path, tmp_path: Path) -> None:
    given = ["exam", f"clip:{asked}", str(dataset.path), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(build(), given)
    assert result.exit_code == 2
    assert "does not compare pictures with texts (llava)" in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()


def test_the_right_kind_passes(asked: Path, compared: Path) -> None:
    refuse_early(str(asked), PLAIN)
    refuse_early(f"clip:{compared}", PLAIN)
    refuse_early("nano", LoadOptions(device_map="cpu", attn_implementation="eager"))


@pytest.mark.parametrize("name", ["owner/absent", "clip:owner/absent", "gemma3-4b"])
def test_without_a_network_nothing_is_tried_again(
    name: str, no_hub: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EyechartError, match="the hub cannot be reached"):
        refuse_early(name, PLAIN)
    # a retry is what the hub's client would wait for, and tell of
    assert "Retrying" not in caplog.text + "".join(capfd.readouterr())


def test_without_a_network_the_cache_serves(no_hub: Path, asked: Path) -> None:
    commit = "0" * 40
    kept = no_hub / "models--owner--kept"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(commit)
    (kept / "snapshots" / commit).mkdir(parents=True)
    shutil.copy(asked / "config.json", kept / "snapshots" / commit)
    assert skeleton("owner/kept").config.model_type == "llava"


@pytest.mark.parametrize(
    ("options", "told", "remedy"),
    [
        (LoadOptions(device_map="nowhere"), "no device 'nowhere'", "--device-map"),
        (LoadOptions(device_map="cuda:99"), "no GPU cuda:99", "--device-map"),
        (LoadOptions(attn_implementation="bogus"), '"bogus"` is not supported', "--attn-implementation"),
    ],
)
def test_a_wrong_option_gets_the_remedy_of_that_option(
    asked: Path, options: LoadOptions, told: str, remedy: str
) -> None:
    with pytest.raises(EyechartError, match=told) as refused:
        refuse_early(str(asked), options)
    assert remedy in refused.value.remedy
    assert "vision-language" not in refused.value.remedy


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["subjects", "fidelity", URL], "gives text only: it has no pixels behind its own resizing name"),
        (["subjects", "memory", URL], "gives text only: it has no components name"),
        (["subjects", "check", URL], "gives text only: it has no components name"),
        (["subjects", "check", "clip:x/y"], "among labels only: it has no components name"),
        (["study", "--subject", URL], "gives text only: it has no components name"),
        (["study", "--subject", "clip:x/y"], "among labels only: it has no components name"),
        (["templates", "show", "paper", "--subject", "clip:x/y"], "is asked nothing"),
    ],
)
def test_a_refusal_names_only_what_matters(command: list[str], told: str, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "run")] if command[0] == "study" else []
    result = CliRunner().invoke(build(), [*command, *out])
    assert result.exit_code == 2
    assert told in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()
