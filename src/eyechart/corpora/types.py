"""Which distortions each corpus has: its own code for each, and Eyechart's name of the type.

Sources: the readme files of LIVE release 2, TID2008 and TID2013, the workbook of CSIQ, and
``imdist_generator.m`` of KADID-10k.
"""

from __future__ import annotations

from collections.abc import Mapping

_TID2008 = {
    "01": "white_noise",
    "02": "color_noise",
    "03": "correlated_noise",
    "04": "masked_noise",
    "05": "high_frequency_noise",
    "06": "impulse_noise",
    "07": "quantization",
    "08": "gaussian_blur",
    "09": "denoise",
    "10": "jpeg",
    "11": "jpeg2000",
    "12": "jpeg_transmission",
    "13": "jpeg2000_transmission",
    "14": "non_eccentricity_patch",
    "15": "local_block",
    "16": "mean_shift",
    "17": "contrast_scale",
}

TYPES: Mapping[str, Mapping[str, str]] = {
    "live": {
        "jp2k": "jpeg2000",
        "jpeg": "jpeg",
        "wn": "white_noise",
        "gblur": "gaussian_blur",
        "fastfading": "jpeg2000_transmission",
    },
    "csiq": {
        "awgn": "white_noise",
        "jpeg": "jpeg",
        "jpeg2000": "jpeg2000",
        "fnoise": "pink_noise",
        "blur": "gaussian_blur",
        "contrast": "contrast_scale",
    },
    "tid2008": _TID2008,
    "tid2013": {
        **_TID2008,
        "18": "saturation_ycbcr",
        "19": "multiplicative_noise",
        "20": "comfort_noise",
        "21": "noisy_compression",
        "22": "color_quantization",
        "23": "chromatic_aberration",
        "24": "sparse_sampling",
    },
    "kadid10k": {
        "01": "gaussian_blur",
        "02": "lens_blur",
        "03": "motion_blur",
        "04": "color_diffusion",
        "05": "color_shift",
        "06": "color_quantization",
        "07": "saturation_hsv",  # LIQE and others have 07 and 08 the wrong way round
        "08": "saturation_lab",
        "09": "jpeg2000",
        "10": "jpeg",
        "11": "white_noise",
        "12": "color_noise",
        "13": "impulse_noise",
        "14": "multiplicative_noise",
        "15": "denoise",
        "16": "brighten",
        "17": "darken",
        "18": "mean_shift",
        "19": "jitter",
        "20": "non_eccentricity_patch",
        "21": "pixelate",
        "22": "quantization",
        "23": "color_block",
        "24": "sharpen",
        "25": "contrast_change",
    },
}
