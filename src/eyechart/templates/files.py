"""Read the YAML files of this folder and those that a user writes in their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eyechart.errors import EyechartError


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        EyechartError: the file is missing, is not YAML, or holds no mapping.
    """
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise EyechartError(f"{path}: cannot be read ({error}).", "Check the path.") from error
    except yaml.YAMLError as error:
        raise EyechartError(f"{path}: not YAML ({error}).", "Mend the line that is named.") from error
    if not isinstance(found, dict):
        raise EyechartError(f"{path}: holds no keys.", "Start from the file that comes with Eyechart.")
    return found


def refuse_unknown(found: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    """Raise an EyechartError unless the keys of ``found`` are exactly those in ``known``."""
    unknown = sorted(str(key) for key in found if key not in known)
    if unknown:
        raise EyechartError(f"{where}: unknown key {', '.join(unknown)}.", f"Keys are {', '.join(known)}.")
    missing = [key for key in known if key not in found]
    if missing:
        raise EyechartError(f"{where}: {', '.join(missing)} is missing.", f"Keys are {', '.join(known)}.")
