"""Architectures that transformers lacks. Importing this package registers them with its Auto classes."""

from eyechart.models import mplug_owl2 as mplug_owl2
