"""Find a subject by name; a misspelt one gets the nearest names."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from eyechart.errors import EyechartError
from eyechart.subjects.capabilities import OPEN_MODEL, capabilities, lacking
from eyechart.subjects.presets import presets

BUILT_IN = ("nano",)
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def resolve(name: str) -> str:
    """Return what loads a subject: ``nano``, a folder with a model, or an id on the hub.

    A preset's short name gives its id on the hub.

    Raises:
        EyechartError: there is no such subject; the nearest presets and folders beside it are suggested,
            or it is the address of an endpoint.
    """
    if capabilities(name) != OPEN_MODEL:
        raise lacking(name)
    if name in BUILT_IN:
        return name
    path = Path(name)
    if (path / "config.json").is_file():
        return str(path)
    if name in presets():
        return presets()[name].hub
    if path.is_dir():
        raise EyechartError(
            f"the folder {name} holds no model (no config.json)", "name a saved model's folder"
        )
    if _HUB_ID.fullmatch(name) and not path.parent.is_dir():
        return name
    beside = [str(p) for p in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(name, [*presets(), *beside], n=3, cutoff=0.5) or list(BUILT_IN)
    raise EyechartError(
        f"there is no subject {name!r}",
        f"did you mean {' or '.join(near)}? A subject is one of eyechart subjects list, a folder, or an id "
        "on the hub (owner/model)",
    )
