"""The group of processes that ``torchrun`` or ``accelerate launch`` started: begun so that it can end.

A thread of the group that still lets go of a tensor while the interpreter ends aborts its process, after all
work is done (https://github.com/pytorch/pytorch/pull/179291). So the group ends before, with its threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accelerate import PartialState


def begun(**settings: Any) -> PartialState:
    """Join the other processes, with settings of accelerate's ``PartialState``."""
    # Its functions' defaults name the group that is there when it is imported, which then never ends.
    import torch.distributed.nn  # noqa: F401
    from accelerate import PartialState

    return PartialState(**settings)


def ended() -> None:
    """Leave the other processes, if there are any, when nothing is left to be told."""
    import gc

    from accelerate import PartialState

    gc.collect()  # a trainer and its model refer to each other, and to the group
    PartialState().destroy_process_group()
