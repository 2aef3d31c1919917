"""Eyechart: an eye test for vision-language models."""

__version__ = "0.1.0"
