"""What reaches a model: known resizing paths must give the shares that follow from them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tiny  # noqa: E402
from run_fixture import make_run  # noqa: E402

from eyechart.arms import keep_fidelity  # noqa: E402
from eyechart.dataset import DatasetConfig, build_dataset  # noqa: E402
from eyechart.distort import Pixels, distort  # noqa: E402
from eyechart.report import build_report  # noqa: E402
from eyechart.runs import Run  # noqa: E402
from eyechart.subjects.fidelity import fidelity, pixel_path, table  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from eyechart.corpora.photos import packaged_photos, read_photo

    return np.ascontiguousarray(read_photo(packaged_photos()[5].path)[:224, :224])


@pytest.fixture(scope="module")
def eye() -> ModelSubject:
    return tiny.internvl()  # 112 pixels a side


def test_at_native_size_everything_arrives(eye: ModelSubject, photo: Pixels) -> None:
    crop = photo[:112, :112]
    path = pixel_path(eye, 112, 112)
    assert path.seen_pixels == 112 * 112
    (found,) = fidelity(eye, [("white_noise", 3, crop, distort(crop, "white_noise", level=3))])
    shares = np.array([found.share, found.luma, found.chroma, *found.octaves])
    np.testing.assert_allclose(shares, 1.0, atol=0.03)
    assert found.seen_psnr == pytest.approx(found.psnr, abs=0.1)
    assert found.visible


def test_frames_of_a_still_picture_count_once(photo: Pixels) -> None:
    from transformers import Qwen2VLImageProcessorPil

    path = Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=112 * 112)
    eye = ModelSubject("qwen", torch.nn.Linear(1, 1), SimpleNamespace(image_processor=path))
    assert pixel_path(eye, 112, 112).seen_pixels == 112 * 112
    crop = photo[:112, :112]
    (found,) = fidelity(eye, [("white_noise", 3, crop, distort(crop, "white_noise", level=3))])
    assert found.share == pytest.approx(1.0, abs=0.03)
    assert found.seen_psnr == pytest.approx(found.psnr, abs=0.1)


def test_halving_the_size_loses_the_highest_octave_of_noise(eye: ModelSubject, photo: Pixels) -> None:
    assert pixel_path(eye, 224, 224).seen_pixels == 112 * 112
    (noise,) = fidelity(eye, [("white_noise", 5, photo, distort(photo, "white_noise", level=5))])
    # Averaging over four pixels or more keeps at most about a quarter of white noise.
    assert 0.1 < noise.share < 0.35
    assert noise.octaves[0] < 0.15
    assert noise.octaves[3] > 0.85
    (shift,) = fidelity(eye, [("mean_shift", 1, photo, distort(photo, "mean_shift", severity=0.1))])
    assert shift.share > 0.95  # a change of brightness survives any size


def test_a_level_that_does_not_survive_is_told(eye: ModelSubject, photo: Pixels) -> None:
    big = np.repeat(np.repeat(photo, 4, axis=0), 4, axis=1)
    faint = big.copy()
    faint[::2, ::2] ^= 2  # a pattern of the highest frequency
    (found,) = fidelity(eye, [("pattern", 1, big, faint)])
    assert found.psnr < 50
    assert not found.visible
    (strong,) = fidelity(eye, [("darken", 5, big, distort(big, "darken", level=5))])
    assert strong.visible


def test_padding_does_not_count_as_seen(eye: ModelSubject, photo: Pixels) -> None:
    class Padded:
        name, processor = "padded", eye.processor

        def pixel_values(self, images: list[Pixels]) -> Any:
            seen = eye.pixel_values(images)
            return torch.nn.functional.pad(seen, (0, 112))

    crop = photo[:112, :112]
    padded: Any = Padded()
    assert pixel_path(padded, 112, 112).seen_pixels == 112 * 112
    (found,) = fidelity(padded, [("white_noise", 3, crop, distort(crop, "white_noise", level=3))])
    assert found.share == pytest.approx(1.0, abs=0.03)


def test_the_table_has_a_row_a_level_pooled_over_pictures(eye: ModelSubject, photo: Pixels) -> None:
    crops = [photo[:112, :112], photo[112:, 112:]]
    pairs = [("jpeg", level, crop, distort(crop, "jpeg", level=level)) for level in (1, 5) for crop in crops]
    found = table(fidelity(eye, pairs))
    assert found[["distortion", "level"]].to_numpy().tolist() == [["jpeg", 1], ["jpeg", 5]]
    assert {"octave_1", "octave_4", "luma", "chroma"} <= set(found.columns)
    assert found["psnr"].is_monotonic_decreasing


def test_the_report_tells_what_cannot_be_seen_for_this_reason_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base",))
    text = build_report(run.path).read_text(encoding="utf-8")
    section = text[text.index('id="fidelity"') :]
    section = section[: section.index("</section>")]
    assert "12,544" in section
    assert "jitter at level 1" in section
    assert "gaussian_blur at level" not in section  # level 1 equals the picture, level 5 arrives
    assert "<script" not in section


def test_an_arm_files_its_audit_once(tmp_path: Path, eye: ModelSubject) -> None:
    config = DatasetConfig(crop=112, test_contents=2, clean_per_content=1, train_images=8, levels=(5,))
    dataset = build_dataset(config, tmp_path)
    run = Run.create(tmp_path / "run", {"seed": 0})
    keep_fidelity(run, dataset, eye)
    found = run.read_table("fidelity.csv")
    assert set(found["distortion"]) == set(dataset.table("test")["distortion"]) - {"none"}
    assert run.read_json("pixel_path.json")["seen_pixels"] == 112 * 112
    assert found["visible"][found["level"] == 5].all()
    (run.path / "fidelity.csv").write_text("kept")
    keep_fidelity(run, dataset, eye)
    assert (run.path / "fidelity.csv").read_text() == "kept"
