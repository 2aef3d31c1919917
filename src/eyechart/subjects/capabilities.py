"""What each kind of subject can be asked for."""

from __future__ import annotations

from enum import StrEnum

from eyechart.errors import EyechartError

ENDPOINT_MARK = "://"  # an endpoint is named by its address
ZERO_SHOT_MARK = "clip:"  # before the name of a model that compares pictures with texts


class Capability(StrEnum):
    """One thing that a subject may offer."""

    GENERATE = "generated text"
    CHOOSE = "log-likelihoods of whole candidates"
    PIXELS = "pixels behind its own resizing"
    PROMPT = "exact prompts"
    COMPONENTS = "components"
    VISUAL_TOKENS = "visual tokens"
    STAGES = "stages"
    WORDS = "word embeddings"


OPEN_MODEL = frozenset(Capability)
ENDPOINT = frozenset({Capability.GENERATE})
ZERO_SHOT = frozenset({Capability.CHOOSE, Capability.PIXELS})


def is_endpoint(name: str) -> bool:
    """Say whether a subject's name is the address of an endpoint."""
    return ENDPOINT_MARK in name


def is_zero_shot(name: str) -> bool:
    """Say whether a subject's name is that of a model to be compared zero-shot."""
    return name.startswith(ZERO_SHOT_MARK)


def capabilities(name: str) -> frozenset[Capability]:
    """Return what the subject of this name offers; nothing is loaded or asked for that."""
    if is_endpoint(name):
        return ENDPOINT
    return ZERO_SHOT if is_zero_shot(name) else OPEN_MODEL


def require(name: str, *needed: Capability) -> None:
    """Refuse a subject that lacks what is needed.

    Raises:
        EyechartError: it lacks something; what, and which subject to name instead, is told.
    """
    missing = [one for one in Capability if one in needed and one not in capabilities(name)]
    if missing:
        raise lacking(name, *missing)


def lacking(name: str, *missing: Capability) -> EyechartError:
    """Return the refusal of a subject, by its name, that lacks some capabilities.

    None are named where the whole model is needed.
    """
    kind = "an endpoint gives text only" if is_endpoint(name) else "a clip: model chooses among labels only"
    lacks = f"it has no {', no '.join(missing)}" if missing else "this needs the model itself"
    return EyechartError(
        f"{kind}: {lacks}",
        "name the open model instead (a folder, or an id on the hub); eyechart exam takes endpoints and "
        "clip: models",
    )
