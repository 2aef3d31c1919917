"""Noise against its statistics and against plain computations of its definition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.fft import dctn

from eyechart.distort import Pixels, distort, find
from eyechart.distort.blocks import LUMINANCE, cosine, from_blocks, from_cosine, to_blocks
from eyechart.distort.comfort_noise import _luma_chroma, _rgb
from eyechart.distort.draws import ENTRIES, normal_table, uniform_table, words
from eyechart.distort.masked_noise import masking
from eyechart.seeds import rng

VARIANCE = {"white_noise", "correlated_noise", "pink_noise", "high_frequency_noise"}
GREY = np.full((300, 320, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from eyechart.corpora.photos import packaged_photos, read_photo

    return np.ascontiguousarray(read_photo(packaged_photos()[3].path)[100:292, 120:376])


def added(name: str, severity: float, image: Pixels = GREY) -> NDArray[np.float64]:
    return distort(image, name, severity=severity).astype(np.float64) - image


def test_tables_hold_equal_parts_of_their_distributions() -> None:
    normal, uniform = normal_table(), uniform_table()
    for table in (normal, uniform):
        assert table.shape == (ENTRIES,)
        np.testing.assert_allclose(table, -table[::-1], atol=1e-12)  # no bias
        assert np.var(table) == pytest.approx(1)
    np.testing.assert_allclose(normal, stats.norm.ppf((np.arange(ENTRIES) + 0.5) / ENTRIES), rtol=1e-3)
    assert stats.kurtosis(uniform) == pytest.approx(-1.2, abs=1e-6)


def test_words_are_uniform_and_as_many_as_asked() -> None:
    found = words(rng(1, "words"), 301, 7, 3)
    assert found.shape == (301, 7, 3)
    assert found.mean() == pytest.approx(32767.5, rel=0.02)
    assert words(rng(1, "words"), 1, 1, 3).tolist() == found.ravel()[:3].reshape(1, 1, 3).tolist()


@pytest.mark.parametrize("name", sorted(VARIANCE))
@pytest.mark.parametrize("variance", [0.0005, 0.003])
def test_additive_noise_has_its_variance_and_no_mean(name: str, variance: float) -> None:
    noise = added(name, variance)
    # Rounding adds 1/12. Truncation, as other implementations do it, would give a mean of -0.5.
    assert noise.var() == pytest.approx(255**2 * variance + 1 / 12, rel=0.02)
    assert abs(noise.mean()) < 0.25
    assert abs(stats.skew(noise, axis=None)) < 0.1
    assert (
        abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.15
    )  # channels by themselves


def test_white_noise_is_that_of_scikit_image() -> None:
    random_noise = pytest.importorskip("skimage.util").random_noise
    ours = distort(GREY, "white_noise", severity=0.01) / 255.0
    other = random_noise(GREY, "gaussian", rng=1, var=0.01)
    assert (
        stats.ks_2samp(
            ours.ravel() + np.random.default_rng(1).uniform(-1, 1, ours.size) / 510, other.ravel()
        ).pvalue
        > 0.001
    )


def test_color_noise_has_equal_variance_in_luma_and_chroma() -> None:
    weights = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    noise = added("color_noise", 0.003) / 255
    np.testing.assert_allclose(np.cov((noise @ weights.T).reshape(-1, 3).T), 0.003 * np.eye(3), atol=1e-4)
    assert abs(noise.mean()) < 0.001


def test_impulses_hit_single_values_with_either_sign() -> None:
    noisy = distort(GREY, "impulse_noise", severity=0.02)
    assert set(np.unique(noisy)) == {0, 128, 255}
    assert (noisy == 0).mean() == pytest.approx(0.01, rel=0.1)
    assert (noisy == 255).mean() == pytest.approx(0.01, rel=0.1)
    assert ((noisy != 128).sum(axis=2) > 1).mean() < 0.002  # other implementations hit whole pixels
    denser = distort(GREY, "impulse_noise", severity=0.05)
    np.testing.assert_array_equal(denser[noisy != 128], noisy[noisy != 128])
    assert (distort(GREY, "impulse_noise", severity=1.0) != 128).all()


@pytest.mark.parametrize("value", [60, 120, 180])
def test_multiplicative_noise_is_uniform_and_speckle_is_gaussian(value: int) -> None:
    flat = np.full_like(GREY, value)
    uniform, normal = added("multiplicative_noise", 0.02, flat), added("speckle_noise", 0.15, flat)
    assert uniform.std() == pytest.approx(value * np.sqrt(0.02), rel=0.02)
    assert np.abs(uniform).max() <= value * np.sqrt(0.06) + 1
    assert stats.kurtosis(uniform, axis=None) == pytest.approx(-1.2, abs=0.05)
    assert normal[normal < 255 - value].std() == pytest.approx(value * 0.15, rel=0.02)
    assert stats.kurtosis(normal, axis=None) == pytest.approx(0, abs=0.15)
    assert (distort(np.zeros_like(GREY), "speckle_noise", severity=0.6) == 0).all()


@pytest.mark.parametrize("peak", [5.0, 25.0, 80.0, 2000.0])
@pytest.mark.parametrize("value", [0, 3, 128, 230])
def test_poisson_noise_counts_photons(peak: float, value: int) -> None:
    noisy = distort(np.full_like(GREY, value), "poisson_noise", severity=peak)
    counts = np.arange(int(4 * peak) + 30)
    levels = np.minimum(np.rint(counts * 255 / peak), 255).astype(int)
    expected = np.bincount(levels, stats.poisson.pmf(counts, value / 255 * peak), minlength=256)
    found = np.bincount(noisy.ravel(), minlength=256) / noisy.size
    assert np.abs(found - expected).sum() < 0.03


def spectrum(noise: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the frequency in cycles a pixel and the power, flat, over all channels."""
    frequency = np.hypot(np.fft.fftfreq(noise.shape[0])[:, None], np.fft.fftfreq(noise.shape[1]))
    power = (np.abs(np.fft.fft2(noise, axes=(0, 1))) ** 2).mean(axis=-1) / noise[..., 0].size
    return frequency.ravel(), power.ravel()


def test_pink_noise_falls_as_one_over_f() -> None:
    frequency, power = spectrum(added("pink_noise", 0.01))
    used = (frequency > 0.01) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[used]), np.log(power[used]), 1)[0]
    assert slope == pytest.approx(-2, abs=0.05)  # of power, -1 of amplitude
    assert power[0] < 1e-3 * power[1]


def test_high_frequency_noise_has_no_low_frequencies() -> None:
    frequency, power = spectrum(added("high_frequency_noise", 0.003))
    expected = 255**2 * 0.003 * (1 - np.exp(-2 * (np.pi * 1.5 * frequency) ** 2)) ** 2
    low, high = frequency < 0.03, frequency > 0.3
    assert power[low].mean() < 0.01 * power[high].mean()
    assert power[high].mean() / power.mean() == pytest.approx(
        expected[high].mean() / expected.mean(), rel=0.02
    )


def test_correlated_noise_has_the_spectrum_of_its_box() -> None:
    _, power = spectrum(added("correlated_noise", 0.01))
    down, right = (np.fft.fftfreq(side) for side in GREY.shape[:2])
    box = ((1 + 2 * np.cos(2 * np.pi * down))[:, None] * (1 + 2 * np.cos(2 * np.pi * right))) ** 2 / 9
    assert np.corrcoef(power, box.ravel())[0, 1] > 0.8  # each power is exponentially distributed
    np.testing.assert_allclose(power.sum() / box.sum(), 255**2 * 0.01, rtol=0.03)


@pytest.mark.parametrize("name", sorted({*VARIANCE, "color_noise"}))
def test_noise_leaves_the_image_sharp(name: str) -> None:
    board = np.where(np.indices(GREY.shape[:2]).sum(axis=0) % 2, 100, 150).astype(np.uint8)
    chequered = np.repeat(board[..., None], 3, axis=2)
    difference = added(name, 0.001, chequered) - added(name, 0.001)  # the same draw on both
    assert np.abs(difference).max() <= 1
    assert added(name, 0.001).std() > 5


def masking_effect(block: NDArray[np.float64]) -> float:
    """Return the masking effect of a block as PSNR-HVS-M's authors compute it, one value after the other."""

    def spread(part: NDArray[np.float64]) -> float:
        return float(np.var(part, ddof=1) * part.size)

    transformed, energy = dctn(block, norm="ortho"), 0.0
    for k in range(8):
        for m in range(8):
            if (k, m) != (0, 0):
                energy += transformed[k, m] ** 2 * (10 / LUMINANCE[k, m]) ** 2
    whole = spread(block)
    if whole:
        whole = sum(spread(block[i : i + 4, j : j + 4]) for i in (0, 4) for j in (0, 4)) / whole
    return float(np.sqrt(energy * whole) / 32)


def test_masking_is_that_of_psnr_hvs_m(photo: Pixels) -> None:
    blocks = to_blocks(np.moveaxis(photo, -1, 0).astype(np.int64))
    found = masking(blocks)
    for place in ((0, 0, 0), (1, 5, 9), (2, 20, 3), (0, 23, 31)):
        assert found[place] == pytest.approx(masking_effect(blocks[place].astype(np.float64)), rel=1e-9)
    edge = np.repeat(np.array([[20] * 4 + [220] * 4]), 8, axis=0)
    assert masking(edge) == 0  # its quarters are flat
    assert masking(np.full((8, 8), 77)) == 0


def test_masked_noise_lies_in_texture_and_grows_with_what_masks_it() -> None:
    texture = np.random.default_rng(1).integers(96, 160, (160, 160, 3), dtype=np.uint8)
    half = np.concatenate([np.full_like(texture, 128), texture], axis=1)
    noise = added("masked_noise", 0.05, half)
    assert (noise[:, :160] == 0).all()
    coefficients = cosine(to_blocks(np.moveaxis(noise[:, 160:], -1, 0)))
    threshold = (
        masking(to_blocks(np.moveaxis(texture, -1, 0).astype(np.int64)))[..., None, None]
        * (LUMINANCE / 10) ** 2
    )
    ratio = coefficients / threshold
    assert ratio[..., 5:, 5:].std() == pytest.approx(0.05, rel=0.03)
    assert ratio[..., 5:, :3].std() == pytest.approx(0.05, rel=0.1)  # with noise of rounding
    assert np.abs(coefficients[..., 0, 0]).max() < 3  # the mean of a block is kept but for rounding


def test_comfort_noise_replaces_what_the_quantiser_loses(photo: Pixels) -> None:
    step = 3.0 * LUMINANCE
    before = cosine(to_blocks(_luma_chroma(photo)))
    after = cosine(to_blocks(_luma_chroma(distort(photo, "comfort_noise", severity=3.0))))
    lost = np.abs(before) < step / 2
    lost[..., 0, 0] = False
    clear = ~lost & (np.abs(before) > 2 * step)
    error = (after - before)[clear & (LUMINANCE > 0)]
    assert np.percentile(np.abs(error / np.broadcast_to(step, before.shape)[clear]), 90) < 0.6
    luma = (0, Ellipsis)
    assert (after[luma] ** 2)[lost[luma]].sum() == pytest.approx(
        (before[luma] ** 2)[lost[luma]].sum(), rel=0.1
    )
    assert abs(np.corrcoef(after[luma][lost[luma]], before[luma][lost[luma]])[0, 1]) < 0.1  # made up
    assert np.abs(after - before)[luma][..., 0, 0].mean() < 3


def test_blocks_and_colours_come_back_as_they_were(photo: Pixels) -> None:
    odd = photo[:61, :75]
    planes = _luma_chroma(odd)
    blocks = to_blocks(planes)
    assert blocks.shape == (3, 8, 10, 8, 8)
    back = _rgb(from_blocks(from_cosine(cosine(blocks)), 61, 75))
    np.testing.assert_allclose(back, odd, atol=1e-9)
    np.testing.assert_allclose(
        planes[:, 3, 4],
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]] @ odd[3, 4],
        atol=1e-3,
    )


def test_levels_are_those_published() -> None:
    sigmas = {"depictqa": (0.05, 0.1, 0.15, 0.2, 0.25), "imagenet_c": (0.08, 0.12, 0.18, 0.26, 0.38)}
    for corpus, sigma in sigmas.items():
        np.testing.assert_allclose(np.sqrt(find("white_noise").levels[corpus]), sigma)
    np.testing.assert_allclose(np.sqrt(find("white_noise").ranges["live"]), (0.012, 2.0))
    published: dict[str, dict[str, tuple[float, ...]]] = {
        "impulse_noise": {
            "depictqa": (0.01, 0.03, 0.05, 0.07, 0.1),
            "imagenet_c": (0.03, 0.06, 0.09, 0.17, 0.27),
        },
        "speckle_noise": {
            "depictqa": (0.14, 0.21, 0.28, 0.35, 0.42),
            "imagenet_c": (0.15, 0.2, 0.35, 0.45, 0.6),
        },
        "poisson_noise": {"depictqa": (80, 60, 40, 25, 15), "imagenet_c": (60, 25, 12, 5, 3)},
    }
    for name, corpora in published.items():
        for corpus, levels in corpora.items():
            assert find(name).levels[corpus] == levels
