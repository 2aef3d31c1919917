"""Where a result came from: program, command, versions and machine; not its user, host or folders."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from eyechart import __version__

PACKAGES = (
    "torch",
    "transformers",
    "openai",
    "peft",
    "scikit-learn",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "pillow",
    "opencv-python-headless",
    "matplotlib",
)


def provenance() -> dict[str, object]:
    """Return what a reader needs to judge or repeat a run.

    Keys: command (as typed, None outside the command line), eyechart, commit (None outside a checkout),
    modified (bool or None), started (UTC, ISO 8601), python, platform, cpu, cores (available to this
    process), memory_gib, packages (name -> version, or None if absent).
    """
    commit, modified = _commit(Path(__file__).resolve().parents[2])
    return {
        "command": _command(),
        "eyechart": __version__,
        "commit": commit,
        "modified": modified,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": _cores(),
        "memory_gib": _memory(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _command() -> str | None:
    program = Path(sys.argv[0]).name
    return shlex.join([program, *sys.argv[1:]]) if program == "eyechart" else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit(root: Path) -> tuple[str | None, bool | None]:
    """Return (commit, whether files differ from it) of a checkout, or (None, None)."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None, None

    def ask(*arguments: str) -> str:
        call = [git, "-C", str(root), *arguments]
        return subprocess.run(call, capture_output=True, text=True, check=True, timeout=30).stdout.strip()  # noqa: S603

    try:
        return ask("rev-parse", "HEAD"), bool(ask("status", "--porcelain"))
    except (subprocess.SubprocessError, OSError):
        return None, None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):  # not a POSIX system
        return None
