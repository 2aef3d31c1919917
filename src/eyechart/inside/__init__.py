"""Look into a subject: how near its visual tokens lie to the words, where the distortion is readable."""

from __future__ import annotations

from eyechart.inside.config import InsideConfig
from eyechart.inside.look import BASE, STEPS, Look, look_inside, remove_states, steps_of
from eyechart.inside.store import States

__all__ = ["BASE", "STEPS", "InsideConfig", "Look", "States", "look_inside", "remove_states", "steps_of"]
