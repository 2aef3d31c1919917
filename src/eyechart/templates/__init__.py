"""Wordings of the exam's question, and what the answers to them say."""

from __future__ import annotations

from eyechart.templates.lexicon import Lexicon, load_lexicon
from eyechart.templates.load import Template, load_templates
from eyechart.templates.parse import Parsed, parse

__all__ = ["Lexicon", "Parsed", "Template", "load_lexicon", "load_templates", "parse"]
