"""The zero-shot baseline equals transformers' own pipeline, for CLIP and for SigLIP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tiny  # noqa: E402
from PIL import Image  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers  # noqa: E402
from transformers import (  # noqa: E402
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipProcessor,
    pipeline,
)
from typer.testing import CliRunner  # noqa: E402

from eyechart.cli.main import build  # noqa: E402
from eyechart.dataset import DatasetConfig, build_dataset  # noqa: E402
from eyechart.errors import EyechartError  # noqa: E402
from eyechart.runs import Run  # noqa: E402
from eyechart.subjects.zero_shot import load_zero_shot  # noqa: E402
from eyechart.taxonomy import load_label_map  # noqa: E402
from eyechart.templates.sentences import sentences  # noqa: E402

LABELS = ("blur", "white_noise", "clean")
SIDE = 32


def tokenizer() -> Any:
    """Return a word-piece tokenizer of the sentences, with an end token as CLIP reads it."""
    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    texts = [text for label in sentences(LABELS) for text in label]
    words.train_from_iterator(texts, trainers.WordLevelTrainer(special_tokens=["<unk>", "<pad>", "</s>"]))
    end = words.token_to_id("</s>")
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", end)])
    return PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", pad_token="<pad>", eos_token="</s>", model_max_length=64
    )


def saved(kind: str, folder: Path) -> Path:
    """Save a tiny random model of the real class with its processor."""
    written = tokenizer()
    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**small, "vocab_size": len(written), "max_position_embeddings": 64}
    ends = {"eos_token_id": written.eos_token_id, "bos_token_id": None, "pad_token_id": written.pad_token_id}
    vision = {**small, "image_size": SIDE, "patch_size": 8}
    torch.manual_seed(0)
    if kind == "clip":
        config = CLIPConfig(text_config={**text, **ends}, vision_config=vision, projection_dim=16)
        model, processor = CLIPModel(config), CLIPProcessor(CLIPImageProcessorPil(**_sizes()), written)
    else:
        config = SiglipConfig(text_config={**text, **ends, "projection_size": 32}, vision_config=vision)
        model = SiglipModel(config)
        processor = SiglipProcessor(SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}), written)
    with torch.no_grad():
        for parameter in model.parameters():  # wide enough for answers that depend on the image
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _sizes() -> dict[str, Any]:
    return {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}


@pytest.fixture(scope="module", params=["clip", "siglip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.filterwarnings("ignore")
def test_probabilities_are_those_of_the_pipeline(folder: Path) -> None:
    images = tiny.images(5, side=48)
    texts = ["a photo with blur", "a photo with white noise", "a clean photo"]
    theirs = pipeline("zero-shot-image-classification", model=str(folder))
    mine = np.exp(load_zero_shot(f"clip:{folder}").log_likelihoods(images, [[t] for t in texts], batch=2))
    for image, row in zip(images, mine, strict=True):
        told = theirs(Image.fromarray(image), candidate_labels=texts, hypothesis_template="{}")
        scores = {answer["label"]: answer["score"] for answer in told}
        np.testing.assert_allclose(row, [scores[text] for text in texts], atol=1e-5)
    assert np.ptp(mine, axis=0).min() > 1e-4  # the answers depend on the image


def test_a_label_is_the_mean_of_its_sentences(folder: Path) -> None:
    model, texts = load_zero_shot(f"clip:{folder}"), sentences(LABELS)
    images = tiny.images(3, side=48)
    one = model.log_likelihoods(images, texts)
    repeated = model.log_likelihoods(images, [label * 2 for label in texts])
    turned = model.log_likelihoods(images[::-1], texts[::-1])[::-1, ::-1]
    np.testing.assert_allclose(one, repeated, atol=1e-5)
    np.testing.assert_allclose(one, turned, atol=1e-5)
    first = model.log_likelihoods(images, [label[:1] for label in texts])
    assert np.abs(one - first).max() > 1e-4  # the other sentences count


def test_sentences_name_every_distortion_and_never_clean(tmp_path: Path) -> None:
    blur, noise, clean = sentences(LABELS)
    assert all("blur" in text for text in blur)
    assert all("white noise" in text for text in noise)
    assert not any("{" in text or "clean artifacts" in text for text in [*blur, *noise, *clean])
    assert sentences(["contrast"])[0][0] == "a photo with wrong contrast"
    for name in ("paper8", "families7", "liqe11", "fine"):  # no two labels say the same
        told = sentences(load_label_map(name).labels)
        assert len({tuple(texts) for texts in told}) == len(told)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("distorted: [a photo]\nclean: [a photo]\nwords: {}\n")
    with pytest.raises(EyechartError, match="distorted is wrong"):
        sentences(LABELS, wrong)


def test_a_model_of_another_kind_is_refused(llava: Any, tmp_path: Path) -> None:
    llava.model.save_pretrained(tmp_path)
    with pytest.raises(EyechartError, match=r"does not compare pictures with texts \(llava\)"):
        load_zero_shot(f"clip:{tmp_path}")


def test_a_run_ends_in_a_report(tmp_path: Path) -> None:
    config = DatasetConfig(crop=48, test_contents=2, clean_per_content=1, train_images=32, levels=(3, 5))
    dataset = build_dataset(config, tmp_path / "datasets")
    subject = f"clip:{saved('clip', tmp_path / 'tiny-clip')}"
    given = [subject, str(dataset.path), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(build(), ["exam", *given], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "tiny-clip" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert {3, 5} <= set(Run(tmp_path / "run").read_table("fidelity.csv")["level"])  # what reaches it
    answers = Run(tmp_path / "run").read_table("arms/base/answers")
    assert answers["image_id"].tolist() == dataset.table("test")["image_id"].tolist()
    assert answers["readout"].unique().tolist() == ["choose"]
    best = [dataset.labels[int(np.argmax(row))] for row in answers["logp"]]
    assert answers["predicted"].tolist() == best
    for command in (
        ["inside", *given],
        ["tune", *given, "--train", "vision"],
        ["study", "--subject", subject],
    ):
        refused = CliRunner().invoke(build(), command)
        assert refused.exit_code == 2
        assert "a clip: model chooses among labels only" in refused.output
    assert answers["correct"].tolist() == (answers["predicted"] == answers["label"]).tolist()
