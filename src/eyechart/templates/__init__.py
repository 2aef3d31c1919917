"""Wordings of the exam's question, and what the answers to them say."""

from __future__ import annotations

from eyechart.templates.lexicon import Lexicon, load_lexicon
from eyechart.templates.load import load_templates, set_names
from eyechart.templates.parse import Parsed, parse
from eyechart.templates.questions import Question, questions
from eyechart.templates.template import Template

__all__ = [
    "Lexicon",
    "Parsed",
    "Question",
    "Template",
    "load_lexicon",
    "load_templates",
    "parse",
    "questions",
    "set_names",
]
