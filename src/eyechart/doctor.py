"""What this machine has, what will run on it, and what to do about what will not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eyechart.provenance import PACKAGES, provenance
from eyechart.subjects.memory import free_ram, gigabytes
from eyechart.subjects.nano.fetch import cache_folder
from eyechart.subjects.presets import presets

STUDY_MEMORY = 5e9  # bytes: the built-in study took 4.8 GB at most
STUDY_DISK = 2e9  # bytes of its run, its dataset and its weights
EXAMINED = ("qwen2-vl-2b", "qwen2.5-vl-7b")
# Rules of thumb, of the weights; "eyechart plan" computes them: an exam holds the weights and a fifth more,
# LoRA half as much again, full tuning the weights, their gradients, two moments and a copy.
NEEDS = {"exam": 1.2, "tune by LoRA": 1.5, "tune in full": 5.0}
WIDTHS = {"": 4.0, "--dtype bfloat16": 2.0, "--quantize 4bit": 0.6}  # bytes of a weight
ROOM = 2e9  # bytes of images, caches and the program
EXTRAS = {"models": "open models", "report": "figures", "endpoints": "endpoints"}
ABSENT = "not installed"
_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class Gpu:
    """One GPU: memory in bytes, and its CUDA compute capability."""

    name: str
    total: float
    free: float
    capability: float

    @property
    def bfloat16(self) -> bool:
        """Say whether it computes in bfloat16 by itself (Ampere and newer)."""
        return self.capability >= 8


@dataclass(frozen=True)
class Check:
    """One thing that will or will not run: why, and what to do about it if not."""

    name: str
    runs: bool
    told: str
    remedy: str = ""


@dataclass(frozen=True)
class Machine:
    """What was found, in bytes; ``memory`` is None where the system does not tell.

    Attributes:
        cpu, cores, memory: memory is what is free.
        disk_here, disk_cache: free at the current folder and at the cache.
        gpus: those that the NVIDIA driver tells of.
        cuda: the CUDA version that torch was built for; "" where there is no torch, or one for CPUs.
        missing: per extra, the packages that are not installed.
        weights: whether the built-in subject is in the cache.
    """

    cpu: str
    cores: int
    memory: float | None
    disk_here: float
    disk_cache: float
    gpus: tuple[Gpu, ...]
    cuda: str
    missing: dict[str, tuple[str, ...]]
    weights: bool


def examine() -> tuple[Machine, dict[str, str]]:
    """Return what this machine has, and the versions of what is installed. Nothing is loaded for that."""
    found = provenance()
    versions = {"eyechart": str(found["eyechart"]), "python": str(found["python"])}
    versions |= {name: _version(name) for name in PACKAGES}
    cache = cache_folder()
    machine = Machine(
        cpu=str(found["cpu"]),
        cores=int(str(found["cores"])),
        memory=_memory(),
        disk_here=_free(Path.cwd()),
        disk_cache=_free(cache),
        gpus=_gpus(),
        cuda=_cuda(),
        missing={extra: _missing(extra) for extra in EXTRAS},
        weights=any(cache.glob("nano-*")),
    )
    return machine, versions


def checks(machine: Machine) -> list[Check]:
    """Return what will run and what will not; the first is the built-in study."""
    return [
        _study(machine),
        *(check for name in EXAMINED for check in _subject(name, machine)),
        _needs(
            "endpoint: exam", "endpoints", machine, "an OpenAI-compatible address; its key comes from you"
        ),
    ]


def _study(machine: Machine) -> Check:
    name = "built-in study (make study)"
    for extra in ("models", "report"):
        if machine.missing[extra]:
            return _needs(name, extra, machine, "")
    memory, disk = machine.memory, min(machine.disk_here, machine.disk_cache)
    if memory is not None and memory < STUDY_MEMORY:
        told = f"{gigabytes(memory)} of memory are free, it wants {gigabytes(STUDY_MEMORY)}"
        return Check(name, False, told, "close other programs, or take a larger machine")
    if disk < STUDY_DISK:
        told = f"{gigabytes(disk)} of disk are free, it wants {gigabytes(STUDY_DISK)}"
        return Check(name, False, told, "free some, or set EYECHART_CACHE and --out to a larger disk")
    weights = "its weights are here" if machine.weights else "its weights (200 MB) are fetched once"
    return Check(name, True, f"under 20 minutes on two cores; {weights}")


def _subject(name: str, machine: Machine) -> Iterator[Check]:
    """Yield whether a model of this size can be examined, tuned by LoRA, and tuned in full."""
    parameters = (presets()[name].parameters or 0) * 1e9
    usable = [gpu for gpu in machine.gpus if machine.cuda]
    gpu = max(usable, key=lambda one: one.free, default=None)
    room, where = (gpu.free, gpu.name) if gpu else (machine.memory, "the CPU, slowly")
    for what, factor in NEEDS.items():
        title = f"{name} ({parameters / 1e9:.1f} G parameters): {what}"
        needs = {option: factor * width * parameters + ROOM for option, width in WIDTHS.items()}
        if what != "exam" or gpu is None:
            needs.pop("--quantize 4bit")  # quantised weights cannot be tuned, and want a GPU
        if machine.missing["models"]:
            yield _needs(title, "models", machine, "")
        elif room is None:
            yield Check(title, False, f"wants about {gigabytes(needs[''])}; free memory is not known here")
        else:
            yield _fitting(title, needs, room, where)


def _fitting(title: str, needs: dict[str, float], room: float, where: str) -> Check:
    """Return the first way of loading that fits; the plain one is the first of ``needs``."""
    for option, need in needs.items():
        if need <= room:
            how = f" with {option}" if option else ""
            return Check(title, True, f"about {gigabytes(need)}{how}, on {where}")
    least = min(needs.values())
    told = f"wants about {gigabytes(least)}, {gigabytes(room)} are free on {where.split(',')[0]}"
    return Check(title, False, told, "name a smaller subject, or use a machine with that memory")


def _needs(name: str, extra: str, machine: Machine, told: str) -> Check:
    missing = machine.missing[extra]
    if not missing:
        return Check(name, True, told)
    return Check(name, False, f"not installed: {', '.join(missing)}", f"pip install 'eyechart[{extra}]'")


def gpu_remedy(machine: Machine) -> str:
    """Return why no GPU will be used, and what to do about it; "" where one will."""
    if not machine.gpus:
        return "none found (no NVIDIA driver answers); everything computes on the CPU"
    if "torch" in machine.missing["models"]:
        return "not used, since torch is not installed; pip install 'eyechart[models]'"
    if not machine.cuda:
        return "not used, since torch was built for CPUs; install a CUDA build of torch (pytorch.org)"
    return ""


def _missing(extra: str) -> tuple[str, ...]:
    """Return the packages of an extra that are not installed."""
    wanted = [one for one in importlib.metadata.requires("eyechart") or [] if _of(one, extra)]
    names = (found[0] for one in wanted if (found := _NAME.match(one)))
    return tuple(name for name in names if _version(name) == ABSENT)


def _of(requirement: str, extra: str) -> bool:
    return re.search(rf"""extra\s*==\s*['"]{extra}['"]""", requirement) is not None


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ABSENT


def _memory() -> float | None:
    try:
        return float(free_ram())
    except (ImportError, OSError):  # psutil comes with the models extra
        return None


def _free(folder: Path) -> float:
    """Return the free bytes where a folder is, or would be."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    return float(shutil.disk_usage(there).free)


def _cuda() -> str:
    """Return the CUDA version that torch was built for, from its files: importing it takes seconds."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return ""
    text = (Path(found.origin).parent / "version.py").read_text(encoding="utf-8")
    version = re.search(r"""^cuda\b.*=\s*['"]([\d.]+)['"]""", text, re.MULTILINE)
    return version[1] if version else ""


def _gpus() -> tuple[Gpu, ...]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    asked = "--query-gpu=name,memory.total,memory.free,compute_cap"
    call = [program, asked, "--format=csv,noheader,nounits"]
    try:
        text = subprocess.run(call, capture_output=True, text=True, check=True, timeout=10).stdout  # noqa: S603
    except (subprocess.SubprocessError, OSError):
        return ()
    return tuple(parse_gpus(text))


def parse_gpus(text: str) -> Iterator[Gpu]:
    """Yield the GPUs in ``nvidia-smi``'s lines of name, memory (MiB), free memory and capability."""
    for line in text.splitlines():
        parts = [part.strip() for part in line.rsplit(",", 3)]
        try:
            name, (total, free, capability) = parts[0], (float(part) for part in parts[1:])
        except ValueError:  # a GPU that does not tell, or is shared in parts
            continue
        yield Gpu(name, total * 2**20, free * 2**20, capability)
