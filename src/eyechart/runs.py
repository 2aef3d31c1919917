"""Run folders: a study's configuration, answers, tables and report, each file whole or not there."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyechart.errors import EyechartError
from eyechart.provenance import provenance

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run", "provenance", "writing"]

ARMS = ("base", "projector", "vision+projector", "language", "all")
_ARM = re.compile(r"[a-z0-9][a-z0-9+_-]*")


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a file beside ``path`` to write to; it takes the place of ``path`` only when all went well.

    Raises:
        EyechartError: the file system refused (disk full, no permission).
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        raise EyechartError(
            f"cannot write {path}: {error.strerror or error}",
            "free some space or mend the permissions, then run the same command again; it resumes",
        ) from error
    finally:
        with suppress(OSError):  # whatever kept the file from being written is told already
            partial.unlink(missing_ok=True)


@dataclass(frozen=True)
class Run:
    """One run folder. Its methods take paths inside it, e.g. ``"arms/base/content.parquet"``."""

    path: Path

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> Run:
        """Start a run, or take up the one that is there if its configuration is the same.

        Args:
            path: the folder; made if absent.
            config: the resolved configuration, as plain values (str, int, float, bool, None, list, dict).

        Raises:
            EyechartError: the folder holds other files, or a run with another configuration.
        """
        import yaml

        run = cls(path)
        if run.has("config.yaml"):
            run._same_config(config)
            if not run.has("provenance.json"):  # killed between the two files
                run.write_json(provenance(), "provenance.json")
            return run
        if path.is_file() or (path.is_dir() and any(not _left(entry) for entry in path.iterdir())):
            raise EyechartError(f"{path} holds something that is not a run", "name a new or empty folder")
        with writing(path / "config.yaml") as partial:
            partial.write_text(
                yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True), encoding="utf-8"
            )
        run.write_json(provenance(), "provenance.json")
        return run

    @classmethod
    def open(cls, path: Path) -> Run:
        """Return the run in a folder.

        Raises:
            EyechartError: there is none.
        """
        if not (path / "config.yaml").is_file():
            raise EyechartError(f"{path} is not a run folder: it has no config.yaml", "name a run's folder")
        return cls(path)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, as stored."""
        import yaml

        text = (self.path / "config.yaml").read_text(encoding="utf-8")
        try:
            found = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise EyechartError(
                f"{self.path / 'config.yaml'} is damaged: {error}", "start a new run"
            ) from error
        return found if isinstance(found, dict) else {}

    def _same_config(self, config: Mapping[str, Any]) -> None:
        before, now = flatten(self.config), flatten(config)
        differing = [key for key in sorted(before | now) if before.get(key) != now.get(key)]
        if differing:
            told = [f"{key} ({before.get(key, 'absent')} -> {now.get(key, 'absent')})" for key in differing]
            raise EyechartError(
                f"{self.path} holds a run with another configuration: {', '.join(told)}",
                "name another folder with --out, or use the same settings to resume",
            )

    def has(self, name: str) -> bool:
        """Say whether a file or folder is there."""
        return (self.path / name).exists()

    def arm(self, name: str) -> Path:
        """Return the folder of one arm (made if absent), e.g. ``arms/vision+projector``."""
        if not _ARM.fullmatch(name):
            raise EyechartError(f"{name!r} is no name for an arm", "use lower-case letters, digits, + _ -")
        folder = self.path / "arms" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def arms(self) -> list[str]:
        """Return the arms that are there, in the order of the study; others follow by name."""
        folder = self.path / "arms"
        names = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
        return sorted(names, key=lambda name: (ARMS.index(name) if name in ARMS else len(ARMS), name))

    def write_json(self, value: object, name: str) -> Path:
        """Write a JSON file; NumPy scalars become plain numbers, NaN and infinity are errors."""
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
        with writing(self.path / name) as partial:
            partial.write_text(text + "\n", encoding="utf-8")
        return self.path / name

    def read_json(self, name: str) -> Any:
        """Read a JSON file.

        Raises:
            EyechartError: absent or damaged.
        """
        try:
            return json.loads(self._present(name).read_text(encoding="utf-8"))
        except ValueError as error:
            raise EyechartError(f"{self.path / name} is damaged: {error}", "remove it and resume") from error

    def write_table(self, table: pd.DataFrame, name: str) -> Path:
        """Write a table without its index, as Parquet or CSV by the name's ending."""
        with writing(self.path / name) as partial:
            if name.endswith(".parquet"):
                table.to_parquet(partial, index=False)
            else:
                table.to_csv(partial, index=False)
        return self.path / name

    def read_table(self, name: str) -> pd.DataFrame:
        """Read a Parquet or CSV table, or a folder of numbered Parquet shards as one table.

        Raises:
            EyechartError: absent or damaged.
        """
        import pandas as pd

        path = self._present(name)
        if path.is_dir():
            return _shards(path)
        try:
            return pd.read_parquet(path) if name.endswith(".parquet") else pd.read_csv(path)
        except (ValueError, OSError) as error:  # pyarrow's and pandas' errors are ValueErrors
            raise EyechartError(f"{path} is damaged: {error}", "remove it and resume") from error

    def _present(self, name: str) -> Path:
        path = self.path / name
        if not path.exists():
            raise EyechartError(f"{path} is not there", "run the command that makes it; it resumes")
        return path

    @contextmanager
    def timer(self, stage: str) -> Iterator[None]:
        """Time a stage and append it to ``timings.json``, also when it is interrupted (complete = false).

        Each entry: stage, started (UTC), seconds (wall), peak_rss_mib (of the process until then), complete.
        """
        started, clock, complete = datetime.now(UTC), time.perf_counter(), False
        try:
            yield
            complete = True
        finally:
            entry = {
                "stage": stage,
                "started": started.isoformat(timespec="seconds"),
                "seconds": round(time.perf_counter() - clock, 3),
                "peak_rss_mib": peak_rss_mib(),
                "complete": complete,
            }
            before = self.read_json("timings.json") if self.has("timings.json") else []
            self.write_json([*before, entry], "timings.json")


def _left(entry: Path) -> bool:
    """Say whether a file is what a killed process left of one that it was writing, see :func:`writing`."""
    return entry.name.startswith(".") and entry.name.endswith(".partial")


def _shards(folder: Path) -> pd.DataFrame:
    """Read a folder's finished shards, in order; what a killed process left there has another name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = []
    for path in sorted(folder.glob("[0-9]*.parquet")):
        try:
            parts.append(pq.read_table(path))
        except (OSError, pa.ArrowException) as error:
            raise EyechartError(f"{path} is damaged: {error}", "remove it and resume") from error
    if not parts:
        raise EyechartError(f"{folder} holds no table", "run the command that makes it; it resumes")
    table: pd.DataFrame = pa.concat_tables(parts).to_pandas()
    return table


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping as one level with dotted keys; tuples count as lists."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as a plain number, for JSON."""
    return value.item()


def peak_rss_mib() -> float | None:
    """Return the most memory that this process has held, in MiB; None where the system does not tell."""
    # Linux hands ru_maxrss down from the process that started this one; its status file tells its own.
    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="utf-8").splitlines()
        return next((round(int(x.split()[1]) / 2**10, 1) for x in lines if x.startswith("VmHWM:")), None)
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)  # macOS counts bytes
