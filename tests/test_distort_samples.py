"""Real pictures of KADID-10k and LIVE against Eyechart's own of the same type and level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eyechart.distort import Pixels, calibrate, distort, psnr

DATA = Path(__file__).parents[2] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="real samples of the corpora are not there")


def read(name: str) -> Pixels:
    with Image.open(DATA / name) as image:
        return np.array(image.convert("RGB"))


@pytest.mark.parametrize(("name", "level"), [("I01_01_02", 2), ("I01_01_05", 5)])
def test_kadid_blur_is_reproduced_with_its_stretch(name: str, level: int) -> None:
    reference, real = (read(f"kadid10k/samples/images/{file}.png") for file in ("I01", name))
    assert psnr(distort(reference, "gaussian_blur", level=level, stretch=True), real) >= 55
    if level == 5:  # without the stretch the picture is another one
        assert psnr(distort(reference, "gaussian_blur", level=level), real) < 25


def test_kadid_color_quantization_has_its_eight_colors() -> None:
    reference, real = (read(f"kadid10k/samples/images/{file}.png") for file in ("I01", "I01_06_05"))
    made = distort(reference, "color_quantization", level=5, stretch=True)
    assert len(np.unique(made.reshape(-1, 3), axis=0)) == len(np.unique(real.reshape(-1, 3), axis=0)) == 8
    assert psnr(made, reference) == pytest.approx(psnr(real, reference), abs=0.3)


@pytest.mark.parametrize("number", [3, 5])
def test_a_jpeg_of_live_is_reproduced(number: int) -> None:
    reference, real = (
        read("live/samples/refimgs/monarch.bmp"),
        read(f"live/samples/distorted/jpeg_monarch_{number}.bmp"),
    )
    quality = calibrate(reference, "jpeg", psnr=psnr(real, reference)).severity
    assert psnr(distort(reference, "jpeg", severity=quality), real) > 50


def test_white_noise_of_tid_and_live_is_white_gaussian_and_as_strong() -> None:
    for reference_name, real_name in (
        ("tid2013/samples/reference_images/I01.BMP", "tid2013/samples/distorted_images/i01_01_5.bmp"),
        ("live/samples/refimgs/monarch.bmp", "live/samples/distorted/wnoise_monarch_5.bmp"),
    ):
        reference, real = read(reference_name), read(real_name)
        found = calibrate(reference, "white_noise", psnr=psnr(real, reference))
        assert found.reached
        made = distort(reference, "white_noise", severity=found.severity)
        middle = (reference > 90) & (reference < 165)  # where nothing is clipped
        for share in (1, 5, 25, 75, 95, 99):
            ours, theirs = (
                np.percentile((image.astype(int) - reference)[middle], share) for image in (made, real)
            )
            assert ours == pytest.approx(theirs, abs=1.01)
