"""Label maps: the shipped ones are whole, and mistakes in one's own are told by their key."""

from __future__ import annotations

from pathlib import Path

import pytest

from eyechart.corpora.types import TYPES
from eyechart.distort import registry
from eyechart.errors import EyechartError
from eyechart.taxonomy import LabelMap, load_label_map

FOLDER = Path(load_label_map.__code__.co_filename).parent / "label_maps"
SHIPPED = FOLDER / "paper8.yaml"
NAMES = ("paper8", "families7", "liqe11", "fine")


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_map_assigns_every_type_of_every_corpus(name: str) -> None:
    found = load_label_map(name)
    assert found.name == name
    made = ("none", *registry())
    types = {corpus: ("none", *types.values()) for corpus, types in TYPES.items()}
    others = {**dict.fromkeys(("photos", "dead_leaves"), made), "koniq10k": ("authentic", *made)}
    for corpus, known in {**types, **others}.items():
        assert found.label(corpus, "none") == "clean"
        for distortion in known:
            label, reason = found.label(corpus, distortion), found.reason(corpus, distortion)
            assert (label in found.labels) != bool(reason), (corpus, distortion)
    assert found.label("koniq10k", "authentic") is None
    assert LabelMap.of_plain(found.plain()) == found


def test_there_are_no_other_shipped_maps() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(NAMES)


def test_a_type_has_the_same_label_in_every_corpus() -> None:
    """Otherwise the label would tell the corpus; signed types are a matter of levels, not of the maps."""
    for name in NAMES:
        labels: dict[str, set[str | None]] = {}
        for (_, distortion), label in load_label_map(name).entries.items():
            labels.setdefault(distortion, set()).add(label)
        assert all(len(found) == 1 for found in labels.values()), name


def test_the_papers_labels_follow_the_names() -> None:
    found = load_label_map("paper8")
    expected = ("blur", "noise", "brightness", "compression", "contrast", "colorfulness", "jitter", "clean")
    assert found.labels == expected
    first = {
        "blur": {"gaussian_blur", "lens_blur", "motion_blur"},
        "noise": {"white_noise", "color_noise", "impulse_noise", "multiplicative_noise"},
        "brightness": {"brighten", "darken"},
        "compression": {"jpeg", "jpeg2000"},
        "contrast": {"contrast_change"},
        "colorfulness": {"saturation_hsv", "saturation_lab"},
        "jitter": {"jitter"},
    }
    for label, types in first.items():
        assert types <= set(found.distortions("photos", label))
        assert types & set(TYPES["kadid10k"].values()) <= set(found.distortions("kadid10k", label))


def test_the_fine_map_names_every_type_and_the_families_are_kadids() -> None:
    fine, families = load_label_map("fine"), load_label_map("families7")
    assert all(label in (kind, "clean") for (_, kind), label in fine.entries.items() if kind != "authentic")
    kadid = {  # the paper's families, by code
        "blur": range(1, 4),
        "color": range(4, 9),
        "compression": range(9, 11),
        "noise": range(11, 16),
        "brightness": range(16, 19),
        "spatial": range(19, 24),
        "sharpness and contrast": range(24, 26),
    }
    for family, codes in kadid.items():
        for code in codes:
            assert families.label("kadid10k", TYPES["kadid10k"][f"{code:02d}"]) == family


def test_the_liqe_map_is_that_of_liqe() -> None:
    """dist_map of zwx8981/LIQE, BIQA_benchmark.py, for the codes of LIVE, CSIQ and KADID-10k."""
    found = load_label_map("liqe11")
    codes = {
        "jpeg2000 compression": ("live/jp2k", "live/fastfading", "csiq/jpeg2000", "kadid10k/09"),
        "jpeg compression": ("live/jpeg", "csiq/jpeg", "kadid10k/10"),
        "noise": ("live/wn", "csiq/awgn", "csiq/fnoise", *(f"kadid10k/{code}" for code in range(11, 16))),
        "blur": ("live/gblur", "csiq/blur", "kadid10k/01", "kadid10k/02", "kadid10k/03", "kadid10k/05"),
        "color": ("kadid10k/04", "kadid10k/07", "kadid10k/08"),
        "contrast": ("csiq/contrast", "kadid10k/24", "kadid10k/25"),
        "overexposure": ("kadid10k/16",),
        "underexposure": ("kadid10k/17",),
        "spatial": ("kadid10k/19", "kadid10k/20", "kadid10k/21", "kadid10k/23"),
        "quantization": ("kadid10k/06", "kadid10k/22"),
        "other": ("kadid10k/18",),
    }
    assert (*codes, "clean") == found.labels
    told = {name: label for label, names in codes.items() for name in names}
    assert len(told) == 5 + 6 + 25
    for name, label in told.items():
        corpus, code = name.split("/")
        assert found.label(corpus, TYPES[corpus][code]) == label, name


def test_what_a_map_leaves_out_is_listed_with_its_reason() -> None:
    found = load_label_map("paper8")
    rows = found.left_out(["live", "tid2008"])
    assert [row["distortion"] for row in rows] == [
        "denoise",
        "jpeg2000_transmission",
        "jpeg_transmission",
        "local_block",
        "non_eccentricity_patch",
        "quantization",
    ]
    assert [row["corpora"] for row in rows if row["distortion"] == "jpeg2000_transmission"] == [
        "live, tid2008"
    ]
    assert all(row["reason"] for row in rows)
    assert "authentic" in [row["distortion"] for row in found.left_out(["koniq10k"])]
    assert load_label_map("families7").left_out(["live", "csiq", "kadid10k"]) == []


def test_a_map_of_ones_own_may_refuse_a_type_with_a_reason(tmp_path: Path) -> None:
    text = SHIPPED.read_text().replace("jpeg2000: compression", "jpeg2000: {label: null, reason: too slow}")
    found = load_label_map(str(_written(tmp_path, text)))
    assert found.label("photos", "jpeg2000") is None
    assert found.reason("photos", "jpeg2000") == "too slow"
    assert "jpeg2000" not in found.distortions("photos", "compression")
    with pytest.raises(EyechartError, match="live/jp2k"):
        found.label("live", "jp2k")


def test_a_corpus_without_a_section_is_one_of_the_others() -> None:
    found = load_label_map("paper8")
    assert found.label("folder", "jpeg") == found.label("koniq10k", "jpeg") == "compression"
    assert found.label("imagenet_c", "snow") is None
    with pytest.raises(EyechartError, match="under others"):
        found.label("folder", "rain")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("    jpeg: compression\n", "", "photos.jpeg is missing"),
        ("    jpeg: compression\n", "    jpeg: compresion\n", "photos.jpeg: 'compresion' is no label"),
        ("    jpeg: compression\n", "    jpeg: {label: null}\n", "photos.jpeg is neither"),
        ("    jpeg: compression\n", "    jpeg: {label: null, reason: ' '}\n", "photos.jpeg is neither"),
        ("    jpeg: compression\n", "    jpeg: compression\n    jpeg: blur\n", "'jpeg' comes twice"),
        ("    none: clean\n", "    none: {label: null, reason: why}\n", "photos.none has no label"),
        ("    pink_noise: noise\n    gaussian", "    gaussian", "csiq.pink_noise is missing"),
        ("  csiq:\n", "  csiq:\n    lens_blur: blur\n", "csiq.lens_blur is no distortion of this corpus"),
        ("  csiq:\n", "  csiqq:\n", "map.csiq is missing"),
        ("    jitter: jitter\n", "    jitter: jitter\n    rain: noise\n", "photos.rain is no distortion"),
        ("  csiq:\n", "  cid:\n    none: clean\n  csiq:\n", "map.cid is no corpus"),
        ("  dead_leaves: *made\n", "  dead_leaves: all\n", "map.dead_leaves holds no types"),
        ("    authentic: {label: null", "    wild: {label: null", "others.authentic is missing"),
        ("[blur, ", "[blur, blur, ", "blur twice"),
        ("[blur, ", "[blur, haze, ", "haze"),
        ("  dead_leaves: *made\n", "", "dead_leaves"),
        ("version: 2\n", "", "name, version, labels, map"),
        ("version: 2\n", "version: one\n", "version must be"),
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
