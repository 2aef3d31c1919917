"""What can be known of a subject before anything is made: it is there, of the right kind, and fits."""

from __future__ import annotations

from eyechart.subjects.capabilities import ZERO_SHOT_MARK, is_zero_shot
from eyechart.subjects.hub import read_config
from eyechart.subjects.loading import placing, skeleton
from eyechart.subjects.memory import refuse_too_large
from eyechart.subjects.names import resolve
from eyechart.subjects.options import LoadOptions
from eyechart.subjects.refusals import refuse_no_contrast


def refuse_early(name: str, options: LoadOptions) -> None:
    """Refuse a subject that its name, its configuration and the options already forbid.

    Called before a run folder is made, which would otherwise keep the configuration of the wrong subject.

    Args:
        name: an open model, or ``clip:`` and a model that compares pictures with texts.
        options: how it is loaded.

    Raises:
        EyechartError: there is no such subject, the hub cannot be reached, the model is of another kind or
            too large, or what an option needs is not here.
    """
    if is_zero_shot(name):
        bare = name.removeprefix(ZERO_SHOT_MARK)
        refuse_no_contrast(bare, read_config(bare, resolve(bare), options))
    else:
        refuse_too_large(name, skeleton(name, options), options)
    placing(options)
