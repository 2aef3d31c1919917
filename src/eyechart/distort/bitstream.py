"""Where the coded pixels lie in a compressed stream, and wrong bits in them as a bad channel makes them."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray


def damage_jpeg(stream: bytes, rate: float, burst: int, draw: np.random.Generator) -> bytes:
    """Return a JPEG stream with wrong bits in its entropy-coded segments.

    Byte stuffing is undone before and redone after, so that no marker appears or vanishes: a decoder finds
    the next restart marker and goes on.

    Args:
        stream: baseline JPEG of one scan.
        rate: share of the bits that are wrong, on average.
        burst: mean length in bits of a burst, see :func:`flip_bits`.
        draw: source of chance.
    """
    start = _scan(stream)
    parts = re.split(rb"(\xff[\xd0-\xd7])", stream[start:-2])  # segments and the restart markers between
    segments = [part.replace(b"\xff\x00", b"\xff") for part in parts[::2]]
    damaged = flip_bits(b"".join(segments), rate, burst, draw)
    ends = np.cumsum([len(segment) for segment in segments])
    pieces = [damaged[end - len(segment) : end] for segment, end in zip(segments, ends, strict=True)]
    parts[::2] = [piece.replace(b"\xff", b"\xff\x00") for piece in pieces]
    return stream[:start] + b"".join(parts) + stream[-2:]


def damage_jpeg2000(stream: bytes, rate: float, burst: int, draw: np.random.Generator) -> bytes:
    """Return a JPEG 2000 codestream with wrong bits in its packets, the main and tile headers whole.

    Args:
        stream: codestream of one tile-part, without the JP2 boxes.
        rate: share of the bits that are wrong, on average.
        burst: mean length in bits of a burst, see :func:`flip_bits`.
        draw: source of chance.
    """
    at = 2  # after the start marker come marker segments, each with its length
    while stream[at : at + 2] != b"\xff\x90":  # start of tile-part
        at += 2 + _number(stream, at + 2, 2)
    end = at + _number(stream, at + 6, 4)
    while stream[at : at + 2] != b"\xff\x93":  # start of data
        at += 2 + _number(stream, at + 2, 2)
    start = at + 2
    return stream[:start] + flip_bits(stream[start:end], rate, burst, draw) + stream[end:]


def flip_bits(data: bytes, rate: float, burst: int, draw: np.random.Generator) -> bytes:
    """Return data with bursts of wrong bits at random places; at least one bit is wrong.

    The channel is that of Gilbert and Elliott: as a rule no bit is wrong; now and then a bad state begins
    with a wrong bit, and every further bit of it is wrong with probability one half. It lasts ``burst`` bits
    on average (geometric); 1 gives single wrong bits.
    """
    if not data:
        return data
    bits = 8 * len(data)
    starts = _starts(bits, rate / (1 + (burst - 1) / 2), draw)[:, None]
    lengths = draw.geometric(1 / burst, size=starts.shape)
    after = np.arange(lengths.max())
    wrong = (after < lengths) & (draw.random((len(starts), len(after))) < 0.5)
    wrong[:, 0] = True
    places = (starts + after)[wrong]
    places = places[places < bits]
    damaged = np.frombuffer(data, np.uint8).copy()
    np.bitwise_xor.at(damaged, places >> 3, (128 >> (places & 7)).astype(np.uint8))
    return damaged.tobytes()


def _starts(bits: int, chance: float, draw: np.random.Generator) -> NDArray[np.int64]:
    """Return where bursts begin that have the same chance to begin at every bit; at least one."""
    often = bits * chance
    gaps = draw.geometric(chance, size=math.ceil(often + 6 * math.sqrt(often) + 10))
    places = gaps.cumsum() - 1
    places = places[places < bits]
    return places if len(places) else draw.integers(bits, size=1)


def _scan(stream: bytes) -> int:
    """Return where the entropy-coded data of a JPEG stream begin."""
    at = 2
    while True:
        marker, length = stream[at + 1], _number(stream, at + 2, 2)
        at += 2 + length
        if marker == 0xDA:  # start of scan
            return at


def _number(stream: bytes, at: int, size: int) -> int:
    return int.from_bytes(stream[at : at + size], "big")
