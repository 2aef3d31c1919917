"""The processes that share a tuning, as ``torchrun`` and ``accelerate launch`` start them."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from eyechart.errors import EyechartError
from eyechart.group import begun

if TYPE_CHECKING:
    from accelerate import PartialState

    from eyechart.tune.config import TuneConfig


def joined(config: TuneConfig) -> PartialState:
    """Join the other processes, if this one was started with any, and return who this one is.

    Raises:
        EyechartError: weights cannot be spread as it was asked for.
    """
    import torch

    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    if config.shard and alone:
        raise EyechartError(
            "weights are spread over several processes, and there is one alone",
            "start them by torchrun --no-python --nproc-per-node N eyechart tune ..., or leave out --shard",
        )
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
        raise EyechartError(
            "accelerate was told to spread the weights (FSDP), which Eyechart does itself",
            "start the processes by torchrun or accelerate launch --multi_gpu; give eyechart tune --shard",
        )
    if config.deepspeed is not None:
        check_deepspeed(Path(config.deepspeed), config)
    elif os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() == "true":
        raise EyechartError(
            "accelerate was told to use DeepSpeed, of which Eyechart wants to know the settings",
            "give eyechart tune --deepspeed FILE, with a settings file in JSON",
        )
    return begun() if alone else begun(cpu=not torch.cuda.is_available())


def check_deepspeed(file: Path, config: TuneConfig) -> None:
    """Refuse beforehand what cannot be done with DeepSpeed; the rest is for DeepSpeed to judge.

    Raises:
        EyechartError: it is not installed, the file is none, or it asks for what the proof rules out.
    """
    if config.shard:
        raise EyechartError("--shard and --deepspeed both spread the weights", "give one of them")
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
        stage = int(settings.get("zero_optimization", {}).get("stage", 0))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise EyechartError(
            f"{file} holds no settings of DeepSpeed: {error}", "see its documentation"
        ) from error
    if wrong := {"optimizer", "scheduler"} & set(settings):
        raise EyechartError(
            f"{file} names its own {' and '.join(sorted(wrong))}, where each component has a rate of its own",
            "leave that out there; --learning-rate and --schedule set it",
        )
    if stage == 3:
        raise EyechartError(
            f"{file} spreads the weights themselves (ZeRO stage 3), which the proof cannot read",
            "give --shard instead, which spreads them too, or stage 2 or 1",
        )
    if find_spec("deepspeed") is None:
        raise EyechartError("DeepSpeed is not installed", "pip install deepspeed, or give --shard instead")
