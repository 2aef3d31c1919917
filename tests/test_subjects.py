"""A subject shows the model what the ordinary call shows it; its parameters fall into three parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from eyechart.errors import EyechartError
from eyechart.subjects.components import COMPONENTS, components, projector_of
from eyechart.subjects.loading import load_subject, native_precision
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.names import resolve

SIZE = (112, 112)
QUESTION = "What is the main distortion of this image?"


def test_prompt_is_the_exact_string(subject: ModelSubject) -> None:
    prompt = subject.prompt(QUESTION, SIZE)
    assert prompt.text == f"USER: <image>{QUESTION} ASSISTANT:"
    shown = subject.processor.tokenizer.decode(prompt.ids)
    assert shown == f"USER: {'<image>' * 16}{QUESTION} ASSISTANT:"


def test_image_positions_are_the_visual_tokens(subject: ModelSubject) -> None:
    prompt = subject.prompt(QUESTION, SIZE)
    tokens = subject.visual_tokens(tiny.images(1))
    assert len(prompt.image_positions) == len(tokens[0]) == 16
    image = subject.model.config.image_token_id
    assert [i for i, token in enumerate(prompt.ids) if token == image] == list(prompt.image_positions)


@pytest.mark.parametrize("label", tiny.LABELS)
def test_answer_begins_with_a_space_and_ends_the_turn(subject: ModelSubject, label: str) -> None:
    ids = subject.answer_ids(QUESTION, label, SIZE)
    assert ids[-1] in subject.end_ids
    assert not set(ids[:-1]) & subject.end_ids
    assert subject.processor.tokenizer.decode(ids[:-1]) == f" {label}"


def test_answer_of_a_template_that_changes_the_prompt_is_refused(internvl: ModelSubject) -> None:
    template = internvl.processor.chat_template
    try:
        internvl.processor.chat_template = template.replace(" ASSISTANT:{% endif %}", " BOT:{% endif %}")
        with pytest.raises(EyechartError, match="renders the prompt differently"):
            internvl.answer_ids(QUESTION, "blur", SIZE)
        internvl.processor.chat_template = template.replace(tiny.END, "")
        with pytest.raises(EyechartError, match="does not end"):
            internvl.answer_ids(QUESTION, "blur", SIZE)
    finally:
        internvl.processor.chat_template = template


def test_visual_tokens_are_what_enters_the_language_model(subject: ModelSubject) -> None:
    shown = tiny.images(3)
    prompt = subject.prompt(QUESTION, SIZE)
    seen: list[torch.Tensor] = []

    def keep(module: Any, args: Any, kwargs: Any) -> None:
        seen.append(kwargs["inputs_embeds"])

    hook = subject.language.register_forward_pre_hook(keep, with_kwargs=True)
    inputs = subject.processor(text=[prompt.text] * 3, images=shown, return_tensors="pt")
    with torch.no_grad():
        subject.model(**inputs)
    hook.remove()
    assert inputs["input_ids"].tolist() == [list(prompt.ids)] * 3
    tokens = torch.stack(subject.visual_tokens(shown))
    assert torch.equal(seen[0][:, list(prompt.image_positions)], tokens)
    assert torch.equal(seen[0], subject.embed(prompt, tokens))


def test_word_embedding_is_the_mean_over_its_tokens(subject: ModelSubject) -> None:
    ids = subject.processor.tokenizer(" compression")["input_ids"]
    assert len(ids) > 1
    table = subject.model.get_input_embeddings().weight.detach().numpy()
    assert np.allclose(subject.word_embedding("compression").numpy(), table[ids].mean(0), atol=1e-6)


def test_components_partition_the_parameters(subject: ModelSubject) -> None:
    parts = components(subject.model)
    assert tuple(parts) == COMPONENTS
    names = [name for parameters in parts.values() for name in parameters]
    assert sorted(names) == sorted(name for name, _ in subject.model.named_parameters())
    assert all("vision_tower" in name for name in parts["vision"])
    assert all("multi_modal_projector" in name for name in parts["projector"])
    assert not any("vision" in name or "projector" in name for name in parts["language"])
    inside = {id(p) for p in projector_of(subject.model).parameters()}
    assert inside == {id(p) for p in parts["projector"].values()}


def test_model_without_projector_is_refused() -> None:
    class Blind(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower, self.text = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)

        def get_encoder(self, modality: str) -> torch.nn.Module:
            return self.tower

        def get_decoder(self) -> torch.nn.Module:
            return self.text

        def get_output_embeddings(self) -> None:
            return None

    with pytest.raises(EyechartError, match="recognised as projector"):
        components(Blind())
    with pytest.raises(EyechartError, match="recognised as projector"):
        projector_of(Blind())


def test_resolve_takes_folders_and_hub_ids(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert resolve(str(tmp_path)) == str(tmp_path)
    assert resolve("HuggingFaceTB/SmolVLM-256M-Instruct") == "HuggingFaceTB/SmolVLM-256M-Instruct"


def test_resolve_suggests_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(EyechartError, match="did you mean nano"):
        resolve("nanno")
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(EyechartError, match=f"did you mean {tmp_path / 'checkpoint'}"):
        resolve(str(tmp_path / "checkpiont"))
    with pytest.raises(EyechartError, match="holds no model"):
        resolve(str(tmp_path / "checkpoint"))


@pytest.mark.usefixtures("fp32")
def test_saved_subject_loads_by_its_folder(subject: ModelSubject, tmp_path: Path) -> None:
    subject.model.save_pretrained(tmp_path)
    subject.processor.save_pretrained(tmp_path)
    again = load_subject(str(tmp_path))
    assert again.name == tmp_path.name
    assert again.prompt(QUESTION, SIZE) == subject.prompt(QUESTION, SIZE)
    shown = tiny.images(2)
    assert torch.equal(torch.stack(again.visual_tokens(shown)), torch.stack(subject.visual_tokens(shown)))


def test_damaged_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "no-such-model"}')
    with pytest.raises(EyechartError, match="cannot load the subject"):
        load_subject(str(tmp_path))


def test_native_precision() -> None:
    assert native_precision() in {"float32", "bfloat16"}
