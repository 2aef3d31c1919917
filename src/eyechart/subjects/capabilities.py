"""What each kind of subject can be asked for."""

from __future__ import annotations

from enum import StrEnum

from eyechart.errors import EyechartError

ENDPOINT_MARK = "://"  # an endpoint is named by its address


class Capability(StrEnum):
    """One thing that a subject may offer."""

    GENERATE = "generated text"
    CHOOSE = "log-likelihoods of whole candidates"
    COMPONENTS = "components"
    VISUAL_TOKENS = "visual tokens"
    STAGES = "stages"


OPEN_MODEL = frozenset(Capability)
ENDPOINT = frozenset({Capability.GENERATE})


def is_endpoint(name: str) -> bool:
    """Say whether a subject's name is the address of an endpoint."""
    return ENDPOINT_MARK in name


def capabilities(name: str) -> frozenset[Capability]:
    """Return what the subject of this name offers; nothing is loaded or asked for that."""
    return ENDPOINT if is_endpoint(name) else OPEN_MODEL


def require(name: str, *needed: Capability) -> None:
    """Refuse a subject that lacks what is needed.

    Raises:
        EyechartError: it lacks something; what, and which subject to name instead, is told.
    """
    lacking = [one.value for one in Capability if one in needed and one not in capabilities(name)]
    if lacking:
        raise EyechartError(
            f"an endpoint gives text only: it has no {', no '.join(lacking)}",
            "name the open model instead (a folder, or an id on the hub); eyechart exam takes endpoints",
        )
