"""Models that load by a short name, and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from eyechart.subjects.components import families

_TABLE = Path(__file__).parent / "presets.yaml"
_UNKNOWN = "unknown"
_BYTES = {"bfloat16": 2, "float32": 4}


class Preset(BaseModel):
    """One model; see presets.yaml, which explains the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hub: str
    type: str
    parameters: float | None = Field(None, gt=0)
    licence: str = ""


@cache
def presets() -> Mapping[str, Preset]:
    """Return the presets by name."""
    found = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return {name: Preset.model_validate(entry) for name, entry in found.items()}


def preset_rows() -> list[dict[str, str]]:
    """Return one row of text for each preset; what is not known is said to be.

    ``components`` is *proved* where every parameter of a tiny model of the class was changed and only what
    lies downstream followed (tests/test_prove.py); memory is that of the weights, in units of 10^9 bytes.
    """
    return [
        {
            "name": name,
            "hub": preset.hub or "(built in)",
            "type": preset.type,
            "parameters": f"{preset.parameters:.3g}B" if preset.parameters else _UNKNOWN,
            **{
                f"{kind} GB": f"{preset.parameters * size:.1f}" if preset.parameters else _UNKNOWN
                for kind, size in _BYTES.items()
            },
            "licence": preset.licence or _UNKNOWN,
            "components": "proved" if families()[preset.type].proved else "",
        }
        for name, preset in presets().items()
    ]
