"""A subject's configuration: from its folder, the cache, or the hub, if that answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eyechart.errors import EyechartError
from eyechart.subjects.options import LoadOptions
from eyechart.subjects.refusals import explain, unreachable

_CONFIG = "config.json"
_SECONDS = 10.0  # that the hub may take for its first word


def read_config(name: str, place: str, options: LoadOptions) -> Any:
    """Return a subject's configuration.

    Args:
        name: the subject, as messages call it.
        place: its folder, or its id on the hub.
        options: how it is loaded.

    Raises:
        EyechartError: it is not there, or cannot be read.
    """
    from transformers import AutoConfig

    import eyechart.models  # noqa: F401 (registers what transformers lacks)

    if not Path(place).is_dir() and not _answers(place, options.revision):
        raise unreachable(name)
    try:
        return AutoConfig.from_pretrained(place, **options.source())
    except EyechartError:
        raise
    except Exception as error:
        raise explain(name, error) from error


def _answers(hub_id: str, revision: str | None) -> bool:
    """Say whether the hub answers, or the cache holds the model's configuration; one request at most.

    Without a network the hub's client tries again for half a minute, and tells every attempt.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(try_to_load_from_cache(hub_id, _CONFIG, revision=revision), str):
        return True
    try:
        get_hf_file_metadata(hf_hub_url(hub_id, _CONFIG, revision=revision), timeout=_SECONDS)
    except HfHubHTTPError:  # an answer; what it says is told by whoever reads the configuration
        return True
    except Exception:  # no answer; each version of the hub's client has another library's errors
        return False
    return True
