"""What cannot be a subject is refused with the reason before its weights are read; the options arrive."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tiny  # noqa: E402
import tiny_families  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from eyechart.cli.main import build  # noqa: E402
from eyechart.errors import EyechartError  # noqa: E402
from eyechart.subjects.check import check_subject  # noqa: E402
from eyechart.subjects.loading import load_subject, skeleton  # noqa: E402
from eyechart.subjects.memory import free_memory, weights_need  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402
from eyechart.subjects.options import LoadOptions  # noqa: E402

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def whole(llava: ModelSubject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    llava.model.save_pretrained(folder)
    llava.processor.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of a whole subject, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "subject"))


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def without_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors["multi_modal_projector.linear_1.bias"]
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def truncated(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def text_only(folder: Path) -> None:
    from transformers import LlamaForCausalLM

    LlamaForCausalLM(tiny._language()).save_pretrained(folder)


def clip(folder: Path) -> None:
    from transformers import CLIPConfig

    CLIPConfig().save_pretrained(folder)


def encoder_decoder(folder: Path) -> None:
    from transformers import Florence2Config

    Florence2Config().save_pretrained(folder)


def fuyu(folder: Path) -> None:
    from transformers import FuyuConfig

    FuyuConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2).save_pretrained(folder)


def remote(folder: Path) -> None:
    code = {"AutoConfig": "code.Config", "AutoModelForImageTextToText": "code.Model"}
    edited(folder / "config.json", lambda config: config.update(model_type="wonder", auto_map=code))


def needs_timm(folder: Path) -> None:
    from transformers import FastVlmConfig

    FastVlmConfig().save_pretrained(folder)


def needs_torchvision(folder: Path) -> None:
    tiny_families.build("qwen2_vl").save_pretrained(folder)
    (folder / "processor_config.json").unlink()
    names = {"processor_class": "Qwen2VLProcessor", "image_processor_type": "Qwen2VLImageProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(names))


def with_token(folder: Path) -> None:
    for path in folder.glob("token*"):
        path.unlink()


DAMAGES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "no file named model.safetensors", "vision-language"),
    "half a file": (truncated, "not fully covered", "vision-language"),
    "a tensor is missing": (without_a_tensor, "1 tensors are missing .*linear_1.bias", "random numbers"),
    "no image processor": (lambda f: (f / "processor_config.json").unlink(), "no image processor", "save"),
    "no tokenizer": (with_token, "it has no tokenizer", "save its processor"),
    "no chat template": (
        lambda f: (f / "chat_template.jinja").unlink(),
        "no chat template",
        "--chat-template FILE",
    ),
    "configuration is no JSON": (lambda f: (f / "config.json").write_text("{"), "valid JSON", "folder"),
    "unknown model_type": (
        lambda f: edited(f / "config.json", lambda config: config.update(model_type="wonder")),
        "does not know its model_type",
        "update transformers",
    ),
    "remote code": (remote, "needs Python code", "--trust-remote-code"),
    "text only": (text_only, r"a language model without a vision encoder \(llama\)", "subjects list"),
    "encoder and decoder": (encoder_decoder, r"writes with a decoder \(bart\)", "examine the endpoint"),
    "no vision encoder": (fuyu, "no vision encoder of its own", "as a whole"),
    "compares only": (clip, r"compares pictures with texts \(clip\)", "exam clip:"),
    "needs timm": (needs_timm, "it needs timm, which is not installed", "pip install timm"),
    "needs torchvision": (needs_torchvision, "it needs torchvision", "pip install torchvision"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_lacking_is_told(folder: Path, damage: str) -> None:
    if damage.startswith("needs") and find_spec(damage.removeprefix("needs ")):
        pytest.skip("it is installed")
    make, what, remedy = DAMAGES[damage]
    make(folder)
    with pytest.raises(EyechartError, match=what) as raised:
        load_subject(str(folder))
    assert remedy in raised.value.remedy
    assert "\n" not in raised.value.what


class _Hub(BaseHTTPRequestHandler):
    """Answers as the hub does for a model whose terms were not accepted, or that is not there."""

    def do_HEAD(self) -> None:
        code = {"gated": "GatedRepo", "none": "RepoNotFound"}.get(self.path.split("/")[2], "RevisionNotFound")
        self.send_response(403 if code == "GatedRepo" else 404)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", "told by the hub")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815

    def log_message(self, *_: Any) -> None:
        return


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("owner/gated", "its repository is gated"),
        ("owner/none", "the hub has no such model"),
        ("owner/there", "it has no such --revision"),
        ("owner/unreached", "the hub cannot be reached"),
    ],
)
def test_what_the_hub_refuses_is_told(monkeypatch: pytest.MonkeyPatch, name: str, told: str) -> None:
    from huggingface_hub import constants

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", name == "owner/unreached")
    try:
        with pytest.raises(EyechartError, match=told):
            load_subject(name, LoadOptions(revision="v9"))
    finally:
        server.shutdown()
        server.server_close()


def test_remote_code_runs_only_when_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(folder.parent / "modules"))
    remote(folder)
    (folder / "code.py").write_text(
        "from transformers import LlavaConfig, LlavaForConditionalGeneration\n\n\n"
        "class Config(LlavaConfig):\n    model_type = 'wonder'\n\n\n"
        "class Model(LlavaForConditionalGeneration):\n    config_class = Config\n"
    )
    with pytest.raises(EyechartError, match="needs Python code"):
        load_subject(str(folder))
    assert not (folder.parent / "modules").exists()
    subject = load_subject(str(folder), LoadOptions(trust_remote_code=True))
    assert type(subject.model).__module__.startswith("transformers_modules")
    assert len(subject.visual_tokens(tiny.images(1))) == 1


def test_memory_is_that_of_the_loaded_weights(whole: Path, llava: ModelSubject) -> None:
    counted = sum(parameter.numel() for parameter in llava.model.parameters())
    for dtype, size in ((None, 4), ("float32", 4), ("bfloat16", 2), ("float16", 2)):
        options = LoadOptions(dtype=dtype)  # type: ignore[arg-type]
        need = weights_need(skeleton(str(whole), options), options)
        assert sum(need.parameters.values()) == counted
        assert need.total == size * counted
        loaded = load_subject(str(whole), options).model
        assert sum(p.numel() * p.element_size() for p in loaded.parameters()) == need.total
    assert set(need.parameters) == {"vision", "projector", "language"}


def test_quantised_matrices_count_with_their_scales(llava: ModelSubject) -> None:
    head = llava.model.get_output_embeddings()
    matrices = [m for m in llava.model.modules() if isinstance(m, torch.nn.Linear) and m is not head]
    inside = sum(m.weight.numel() for m in matrices)
    rest = sum(p.numel() for p in llava.model.parameters()) - inside
    for width, bits in (("8bit", 8.0), ("4bit", 4.5)):
        need = weights_need(llava.model, LoadOptions(quantize=width))  # type: ignore[arg-type]
        assert need.total == pytest.approx(inside * bits / 8 + rest * 2, abs=3)


def test_what_does_not_fit_is_refused_unread(folder: Path) -> None:
    (folder / WEIGHTS).unlink()  # it is not looked for
    wide = {"hidden_size": 16384, "intermediate_size": 65536, "num_hidden_layers": 120}
    edited(folder / "config.json", lambda config: config["text_config"].update(wide, head_dim=128))
    with pytest.raises(
        EyechartError, match=r"does not fit: its weights take [\d.]+ GB, [\d.]+ GB are free on"
    ):
        load_subject(str(folder))
    told = CliRunner().invoke(build(), ["subjects", "memory", str(folder), "--dtype", "bfloat16"])
    assert told.exit_code == 1
    assert "language" in told.output
    free, where = free_memory(None)
    assert 0 < free < 1e15
    assert where


def test_a_smaller_type_is_offered_where_it_fits(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = sum(load_file(whole / WEIGHTS)[name].numel() for name in load_file(whole / WEIGHTS)) * 2
    monkeypatch.setattr("eyechart.subjects.memory.free_memory", lambda _: (int(half * 1.2), "the CPU"))
    with pytest.raises(EyechartError, match=r"--dtype bfloat16 .* or --quantize 8bit .* or --quantize 4bit"):
        load_subject(str(whole))
    assert load_subject(str(whole), LoadOptions(dtype="bfloat16")).model.dtype is torch.bfloat16


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_options_reach_the_model_and_it_answers(whole: Path, dtype: Any) -> None:
    import pandas as pd

    from eyechart.exam.shards import IMAGE_COLUMNS

    options = LoadOptions(dtype=dtype, device_map="cpu", attn_implementation="sdpa")
    subject = load_subject(str(whole), options)
    assert subject.model.config._attn_implementation == "sdpa"
    assert subject.compute == "float32"  # no second type beside the chosen one
    assert {p.dtype for p in subject.model.parameters()} == {getattr(torch, dtype)}
    images = tiny.images(2)
    table = pd.DataFrame([("a", "a", "photos", "blur", 1, "blur")] * 2, columns=IMAGE_COLUMNS)
    answers = tiny.examine(subject, table, images)
    wanted = tiny.examine(load_subject(str(whole), LoadOptions(dtype="float32")), table, images)
    found, right = (np.stack(a[a["readout"] == "choose"]["logp"].tolist()) for a in (answers, wanted))
    np.testing.assert_allclose(found, right, atol=1e-3 if dtype == "float32" else 1.0)
    claims = check_subject(subject, images, tensors=1)
    if dtype == "float32":
        assert [claim.claim for claim in claims if not claim.holds] == []


def test_the_head_gets_the_states_of_a_few_positions_in_one_piece(whole: Path, llava: ModelSubject) -> None:
    """Else torch multiplies a batch image by image, each with a copy of weights that are frozen."""
    lies: list[bool] = []
    for model in (llava.model, load_subject(str(whole)).model):
        head = model.get_output_embeddings()
        hook = head.register_forward_hook(lambda _, args, __: lies.append(args[0].is_contiguous()))
        with torch.no_grad():
            model(input_ids=torch.ones(2, 5, dtype=torch.long), logits_to_keep=2)
        hook.remove()
    assert lies == [False, True]


def test_weights_are_put_back_bit_for_bit_after_asking(whole: Path) -> None:
    subject = load_subject(str(whole), LoadOptions(dtype="float32"))
    subject.compute = "bfloat16"
    before = {name: p.detach().clone() for name, p in subject.model.named_parameters()}

    def fail() -> None:
        with subject.asking():
            assert {p.dtype for p in subject.model.parameters()} == {torch.bfloat16}
            assert not torch.is_grad_enabled()
            with subject.asking():
                seen = subject.inputs(tiny.images(1), subject.conversation("?"))
                assert seen["pixel_values"].dtype == torch.bfloat16
            assert subject.model.dtype == torch.bfloat16
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert all(torch.equal(p, before[name]) for name, p in subject.model.named_parameters())
    assert {p.dtype for p in subject.model.parameters()} == {torch.float32}


def test_quantisation_without_its_library_and_before_tuning_is_told(whole: Path) -> None:
    options = LoadOptions(quantize="4bit")
    with pytest.raises(EyechartError, match="cannot be tuned"):
        options.refuse_tuning()
    with pytest.raises(EyechartError, match="dtype is 'fp16'"):
        LoadOptions(dtype="fp16")  # type: ignore[arg-type]
    if find_spec("bitsandbytes") is None:
        with pytest.raises(EyechartError, match="needs bitsandbytes, which is not installed"):
            load_subject(str(whole), options)
        return
    options = LoadOptions(quantize="8bit")  # 4-bit blocks are wider than this model
    subject = load_subject(str(whole), options)
    told = weights_need(skeleton(str(whole)), options).total
    assert subject.model.get_memory_footprint() == pytest.approx(told, rel=0.01)
    exact = torch.cat(load_subject(str(whole)).visual_tokens(tiny.images(2)))
    assert float((torch.cat(subject.visual_tokens(tiny.images(2))) - exact).norm() / exact.norm()) < 0.05
