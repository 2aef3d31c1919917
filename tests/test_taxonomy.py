"""Label maps: the shipped one is whole, and mistakes in one's own are told by their key."""

from __future__ import annotations

from pathlib import Path

import pytest

from eyechart.distort import registry
from eyechart.errors import EyechartError
from eyechart.taxonomy import load_label_map

SHIPPED = Path(load_label_map.__code__.co_filename).parent / "label_maps" / "paper8.yaml"


def test_the_shipped_map_gives_every_type_its_label() -> None:
    found = load_label_map("paper8")
    expected = ("blur", "noise", "brightness", "compression", "contrast", "colorfulness", "jitter", "clean")
    assert found.labels == expected
    for corpus in ("photos", "dead_leaves"):
        assert found.label(corpus, "none") == "clean"
        assert {found.label(corpus, name) for name in registry()} == set(expected) - {"clean"}
    families = {"spatial": "jitter", "color": "colorfulness"}
    for name, distortion in registry().items():
        assert found.label("photos", name) == families.get(distortion.family, distortion.family)
    assert found.distortions("photos", "blur") == ("gaussian_blur", "lens_blur", "motion_blur")


def test_a_map_of_ones_own_may_refuse_a_type_with_a_reason(tmp_path: Path) -> None:
    text = SHIPPED.read_text().replace("jpeg2000: compression", "jpeg2000: {label: null, reason: too slow}")
    found = load_label_map(str(_written(tmp_path, text)))
    assert found.label("photos", "jpeg2000") is None
    assert found.reasons["photos", "jpeg2000"] == "too slow"
    assert found.distortions("photos", "compression") == ("jpeg",)
    with pytest.raises(EyechartError, match="live/jp2k"):
        found.label("live", "jp2k")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("    jpeg: compression\n", "", "photos.jpeg is missing"),
        ("    jpeg: compression\n", "    jpg: compression\n", "jpe?g is"),
        ("    jpeg: compression\n", "    jpeg: compresion\n", "photos.jpeg: 'compresion' is no label"),
        ("    jpeg: compression\n", "    jpeg: {label: null}\n", "photos.jpeg is neither"),
        ("    jpeg: compression\n", "    jpeg: {label: null, reason: ' '}\n", "photos.jpeg is neither"),
        ("    jpeg: compression\n", "    jpeg: compression\n    jpeg: blur\n", "'jpeg' comes twice"),
        ("    none: clean\n", "    none: {label: null, reason: why}\n", "photos.none has no label"),
        ("[blur, ", "[blur, blur, ", "blur twice"),
        ("[blur, ", "[blur, haze, ", "haze"),
        ("  dead_leaves: *made\n", "", "dead_leaves"),
        ("version: 1\n", "", "name, version, labels, map"),
        ("version: 1\n", "version: one\n", "version must be"),
        ("map:\n", "map: [\n", "no valid YAML"),
    ],
)
def test_mistakes_are_told_by_their_key(tmp_path: Path, before: str, after: str, told: str) -> None:
    text = SHIPPED.read_text()
    assert before in text
    with pytest.raises(EyechartError, match=told):
        load_label_map(str(_written(tmp_path, text.replace(before, after))))


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(EyechartError, match="paper8"):
        load_label_map("paper9")


def _written(folder: Path, text: str) -> Path:
    path = folder / "map.yaml"
    path.write_text(text)
    return path
