"""How an exam is cut does not depend on anything but its images and settings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eyechart.exam.blocks import batches, blocks

SIZES = st.lists(st.sampled_from([(8, 8), (8, 9), (20, 4)]), min_size=1, max_size=40)


@given(count=st.integers(0, 100), block=st.integers(1, 30))
def test_blocks_hold_every_image_once_in_order(count: int, block: int) -> None:
    found = blocks(count, block)
    assert [place for part in found for place in part] == list(range(count))
    assert all(len(part) == block for part in found[:-1])


@given(sizes=SIZES, batch=st.integers(1, 7), block=st.integers(1, 11))
def test_batches_hold_one_size_and_stay_inside_their_block(
    sizes: list[tuple[int, int]], batch: int, block: int
) -> None:
    for part in blocks(len(sizes), block):
        found = batches(part, sizes, batch)
        assert sorted(place for one in found for place in one) == list(part)
        for one in found:
            assert 1 <= len(one) <= batch
            assert len({sizes[place] for place in one}) == 1
            assert one == sorted(one)
        wanted = {size: -(-sum(sizes[place] == size for place in part) // batch) for size in set(sizes)}
        assert len(found) == sum(wanted.values())  # no more than are needed
