"""How much memory a subject's weights take, told from its configuration before any weight is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyechart.errors import EyechartError
from eyechart.subjects.components import components
from eyechart.subjects.options import LoadOptions
from eyechart.subjects.refusals import DEVICE

BITS = {"float32": 32.0, "bfloat16": 16.0, "float16": 16.0}
# Quantised matrices with their scales: bitsandbytes keeps a float32 for each 64 weights (4 bit), or for each
# row (8 bit, next to nothing).
QUANTIZED_BITS = {"4bit": 4.5, "8bit": 8.0}
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Need:
    """The weights of each component: how many parameters, and how many bytes they take as loaded."""

    parameters: Mapping[str, int]
    size: Mapping[str, int]

    @property
    def total(self) -> int:
        """Return the bytes of all components."""
        return sum(self.size.values())


def weights_need(skeleton: Any, options: LoadOptions) -> Need:
    """Return what the weights of a model take; working memory comes on top.

    Args:
        skeleton: the model, on the meta device or any other.
        options: how it is loaded. What bitsandbytes quantises (linear layers, not the output head) counts
            with its scales; a checkpoint that is published quantised counts with its own number of bits.

    Raises:
        EyechartError: the model has no vision encoder, projector or language model.
    """
    plain = BITS[options.dtype or ("bfloat16" if options.quantize else "float32")]
    packed = _quantized_bits(skeleton.config, options)
    matrices = set() if packed is None else {id(weight) for weight in _quantizable(skeleton)}
    parts = components(skeleton)
    bits = {
        name: sum(p.numel() * (packed if id(p) in matrices and packed else plain) for p in part.values())
        for name, part in parts.items()
    }
    return Need(
        {name: sum(p.numel() for p in part.values()) for name, part in parts.items()},
        {name: round(found / 8) for name, found in bits.items()},
    )


def refuse_too_large(name: str, skeleton: Any, options: LoadOptions) -> None:
    """Raise an EyechartError if a model's weights exceed the memory that is free where they would lie."""
    need, (free, where) = weights_need(skeleton, options).total, free_memory(options.device_map)
    if need <= free:
        return
    ways = [LoadOptions(dtype="bfloat16"), LoadOptions(quantize="8bit"), LoadOptions(quantize="4bit")]
    flags = ["--dtype bfloat16", "--quantize 8bit", "--quantize 4bit"]
    sizes = [weights_need(skeleton, way).total for way in ways]
    fitting = [f"{flag} ({gigabytes(size)})" for flag, size in zip(flags, sizes, strict=True) if size <= free]
    raise EyechartError(
        f"{name} does not fit: its weights take {gigabytes(need)}, {gigabytes(free)} are free on {where}",
        f"load it with {' or '.join(fitting)}"
        if fitting
        else "free some memory, or name a smaller subject (eyechart subjects list)",
    )


def free_memory(device_map: str | None) -> tuple[int, str]:
    """Return the bytes that are free where a subject would be loaded, and the name of that place.

    Raises:
        EyechartError: there is no such device.
    """
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    spread = device_map is not None and device_map.startswith(("auto", "balanced", "sequential"))
    if spread and gpus:
        on_gpus = sum(torch.cuda.mem_get_info(index)[0] for index in range(gpus))
        return on_gpus + free_ram(), f"{gpus} GPU(s) and the CPU"
    if device_map is not None and not spread:
        _refuse_no_device(device_map, gpus)
    if gpus and (device_map is None or device_map.startswith("cuda")):
        device = torch.device(device_map or "cuda")
        return torch.cuda.mem_get_info(device)[0], f"the GPU {torch.cuda.get_device_name(device)}"
    return free_ram(), "the CPU"


def _refuse_no_device(told: str, gpus: int) -> None:
    import torch

    try:
        device = torch.device(told)
    except RuntimeError:
        raise EyechartError(f"there is no device {told!r}", DEVICE) from None
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise EyechartError(f"there is no GPU {told}: {gpus} are seen", DEVICE)


def gigabytes(size: float) -> str:
    """Return a size in bytes as text, in units of 10^9 bytes (10^6 below one)."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _quantized_bits(config: Any, options: LoadOptions) -> float | None:
    """Return the bits of a quantised weight; None if nothing is quantised, or in a way that is not known."""
    if options.quantize is not None:
        return QUANTIZED_BITS[options.quantize]
    published = getattr(config, "quantization_config", None) or {}
    found = published if isinstance(published, dict) else published.to_dict()
    if found.get("load_in_4bit") or found.get("bits") == 4:
        return QUANTIZED_BITS["4bit"]
    return QUANTIZED_BITS["8bit"] if found.get("load_in_8bit") or found.get("bits") == 8 else None


def _quantizable(model: Any) -> Iterator[Any]:
    import torch

    head = model.get_output_embeddings()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and module is not head:
            yield module.weight


def free_ram() -> int:
    """Return the bytes of memory that this process may still take, a container's limit included."""
    import psutil

    free = int(psutil.virtual_memory().available)
    limit, used = _CGROUP / "memory.max", _CGROUP / "memory.current"
    if limit.is_file() and used.is_file() and (most := limit.read_text().strip()) != "max":
        free = min(free, int(most) - int(used.read_text()) + _reclaimable())
    return free


def _reclaimable() -> int:
    """Return the bytes of a container's page cache that the kernel gives back when asked."""
    lines = (_CGROUP / "memory.stat").read_text().splitlines()
    known = {name: int(value) for name, value in map(str.split, lines)}
    return known.get("inactive_file", 0) + known.get("active_file", 0)
