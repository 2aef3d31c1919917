"""The built-in subject as one ordinary checkpoint in the cache, built once."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from eyechart.errors import EyechartError
from eyechart.subjects.nano.adapter import FILE, merge_adapter
from eyechart.subjects.nano.assemble import assemble
from eyechart.subjects.nano.fetch import cache_folder, sha256_of

LEARNED = Path(__file__).parent.parent.parent / "data" / "nano"  # what the alignment learned, shipped


def nano_folder() -> Path:
    """Return the folder of the built-in subject, built the first time (200 MB fetched, 0.7 GB written).

    The folder's name carries the sha256 of the shipped adapter, so that a newer one is never mixed with an
    old checkpoint; ``model.sha256`` beside the weights finds a damaged cache, which is then built again.

    Raises:
        EyechartError: the parts cannot be fetched, or the cache cannot be written.
    """
    key = sha256_of(LEARNED / FILE)[:12]
    folder = cache_folder() / f"nano-{key}"
    if _whole(folder):
        return folder
    print("building the built-in subject (once) ...", file=sys.stderr, flush=True)
    sources = cache_folder() / "sources"
    model, processor = assemble(sources)
    merge_adapter(model, LEARNED)
    try:
        with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
            fresh = Path(scratch) / "nano"
            model.save_pretrained(fresh)
            processor.save_pretrained(fresh)
            (fresh / "model.sha256").write_text(_size_and_hash(fresh / "model.safetensors"))
            if folder.exists():
                shutil.rmtree(folder)
            fresh.replace(folder)
    except OSError as error:
        raise EyechartError(
            f"cannot write the built-in subject to {folder}: {error}",
            "free some space (1.5 GB) or name another folder in EYECHART_CACHE",
        ) from error
    return folder


def _whole(folder: Path) -> bool:
    """Tell whether the checkpoint is complete; its content is compared by hash, which takes half a second."""
    record, weights = folder / "model.sha256", folder / "model.safetensors"
    if not (record.is_file() and weights.is_file() and (folder / "config.json").is_file()):
        return False
    return record.read_text() == _size_and_hash(weights)


def _size_and_hash(path: Path) -> str:
    with path.open("rb") as stream:
        return f"{path.stat().st_size} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n"
