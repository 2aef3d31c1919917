"""mPLUG-Owl2's tokens against SentencePiece itself, on a small model with Llama 2's habits."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyechart.models.mplug_owl2 import MPLUGOwl2ImageProcessor, MPLUGOwl2Processor
from eyechart.models.mplug_owl2.tokenizer import load_tokenizer

sentencepiece = pytest.importorskip("sentencepiece")

SENTENCES = (
    "USER: How would you rate the quality of this image? ASSISTANT: The quality of the image is good",
    "blur, noise,  compression   and    saturation: which is the main distortion? ASSISTANT: noise",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a ``tokenizer.model`` whose pieces of spaces score last, though numbered early."""
    from sentencepiece import sentencepiece_model_pb2

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 20),
        model_writer=written,
        model_type="bpe",
        vocab_size=380,
        byte_fallback=True,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    model: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    model.ParseFromString(written.getvalue())
    spaces = [piece for piece in model.pieces if len(piece.piece) > 1 and set(piece.piece) == {"▁"}]
    assert spaces
    for piece in spaces:
        piece.score = -1e9
    where = tmp_path_factory.mktemp("tokenizer")
    (where / "tokenizer.model").write_bytes(model.SerializeToString())
    settings = {"tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True}
    (where / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return where


@pytest.fixture(scope="module")
def processor(folder: Path) -> Any:
    return MPLUGOwl2Processor(MPLUGOwl2ImageProcessor(), load_tokenizer(str(folder)), image_positions=3)


@pytest.fixture(scope="module")
def pieces(folder: Path) -> Any:
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


CHUNKS = st.text(alphabet="USER: blurnoise,?\n▁é", min_size=0, max_size=24)


@settings(max_examples=300, deadline=None)
@given(chunks=st.lists(CHUNKS, min_size=1, max_size=3))
def test_every_chunk_is_what_sentencepiece_makes_of_it(
    processor: Any, pieces: Any, chunks: list[str]
) -> None:
    made = processor._ids("<|image|>".join(chunks), True)
    encoded = [pieces.encode(chunk) for chunk in chunks]
    first = next((i for i, chunk in enumerate(chunks) if chunk), None)
    expected = []
    for order, ids in enumerate(encoded):
        expected += [0] * 3 if order else []
        expected += [1] if order == first else []
        expected += ids
    assert list(made) == expected


def test_a_space_behind_an_image_keeps_its_own_token(processor: Any, pieces: Any) -> None:
    ids = list(processor._ids("USER: <|image|> ASSISTANT:", True))
    behind = ids[len(ids) - ids[::-1].index(0) :]
    assert pieces.id_to_piece(behind[0]) == "▁"
    assert pieces.id_to_piece(behind[1]).startswith("▁")


def test_saved_as_tokenizer_json_it_cuts_the_same(processor: Any, tmp_path: Path) -> None:
    processor.tokenizer.save_pretrained(tmp_path)
    assert not (tmp_path / "tokenizer.model").exists()
    text = "USER:  blur   or noise?    ASSISTANT:"
    again = load_tokenizer(str(tmp_path))(text)["input_ids"]
    assert again == processor.tokenizer(text)["input_ids"]
