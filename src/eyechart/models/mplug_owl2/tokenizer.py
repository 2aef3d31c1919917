"""Llama's tokenizer as SentencePiece means it, from a checkpoint that has ``tokenizer.model`` alone.

transformers 5 reads such a file, but puts its merges in the order of the pieces' numbers. SentencePiece goes
by their scores. In Llama 2's file the pieces of several spaces come first by number and last by score, so
that " word" behind an image would be cut into other tokens than in training.
"""

from __future__ import annotations

from typing import Any

from tokenizers.models import BPE
from transformers import AutoTokenizer


def load_tokenizer(name: str, **kwargs: Any) -> Any:
    """Return a checkpoint's tokenizer; from ``tokenizer.model``, with its merges in the order of the scores.

    Args:
        name: a folder, or an id on the hub.
        kwargs: for ``AutoTokenizer.from_pretrained``.
    """
    tokenizer = AutoTokenizer.from_pretrained(name, **kwargs)
    if file := getattr(tokenizer, "vocab_file", None):
        tokenizer.backend_tokenizer.model = _merges_by_score(file)
    return tokenizer


def _merges_by_score(file: str) -> BPE:
    """Return the byte-pair model of a SentencePiece file: the pair that scores highest merges first."""
    from sentencepiece import SentencePieceProcessor

    pieces = SentencePieceProcessor(model_file=file)
    count = pieces.get_piece_size()
    vocabulary = {pieces.id_to_piece(i): i for i in range(count)}
    special = {i for i in range(count) if pieces.is_control(i) or pieces.is_unknown(i) or pieces.is_byte(i)}
    ordinary = sorted(set(range(count)) - special, key=lambda i: (-pieces.get_score(i), i))
    words = [pieces.id_to_piece(i) for i in ordinary]
    cuts = [(word[:at], word[at:]) for word in words for at in range(1, len(word))]
    merges = [(left, right) for left, right in cuts if left in vocabulary and right in vocabulary]
    return BPE(vocab=vocabulary, merges=merges, fuse_unk=True, byte_fallback=True)
