"""Read a study's configuration; an unknown key or an impossible value is an error that names it."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyechart.errors import EyechartError

if TYPE_CHECKING:
    from eyechart.study import StudyConfig


def study_config(
    path: Path | None,
    *,
    quick: bool = False,
    photos: Path | None = None,
    changes: dict[str, Any] | None = None,
) -> StudyConfig:
    """Return the configuration of a study: defaults, then the YAML file, then the command line.

    Args:
        path: a YAML file with any of the settings, or None.
        quick: start from the settings of a first look.
        photos: a folder of the user's own photographs.
        changes: settings of the command line.

    Raises:
        EyechartError: the file cannot be read, or a key or value is wrong.
    """
    from pydantic import ValidationError

    from eyechart.study import StudyConfig

    start = StudyConfig.quick() if quick else StudyConfig()
    merged = _merge(start.model_dump(), _read(path) if path else {})
    merged = _merge(merged, changes or {})
    if isinstance(merged["dataset"], dict):  # else the validation names the mistake
        if photos is not None:
            merged["dataset"]["photos"] = photos
        merged["dataset"]["seed"] = merged["seed"]
    try:
        return StudyConfig.model_validate(merged)
    except ValidationError as error:
        raise EyechartError(
            _explain(error.errors()[0], merged), "eyechart study --help lists the settings"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise EyechartError(
            f"cannot read the configuration {path}: {error}", "it must be a YAML mapping"
        ) from error
    if not isinstance(found, dict):
        raise EyechartError(f"the configuration {path} is no mapping", "write settings as 'name: value'")
    return found


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        merged[key] = _merge(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _explain(problem: Any, merged: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"the setting {where} is wrong: {problem['msg']} (got {problem['input']!r})"
    siblings: Any = merged
    for part in problem["loc"][:-1]:
        siblings = siblings[part]
    known = [key for key in siblings if key != problem["loc"][-1]]
    near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
    return f"there is no setting {where}" + (f"; did you mean {near[0]}?" if near else "")
