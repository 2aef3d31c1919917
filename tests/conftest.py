"""Fixtures shared by the tests: tiny subjects of the real classes, and computation in float32."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from eyechart.subjects.model import ModelSubject


os.environ["LOKY_MAX_CPU_COUNT"] = "1"  # tests run on every core already


@pytest.fixture(scope="session")
def internvl() -> ModelSubject:
    """Return a tiny InternVL, not to be changed."""
    import tiny

    return tiny.internvl()


@pytest.fixture(scope="session")
def llava() -> ModelSubject:
    """Return a tiny LLaVA, not to be changed."""
    import tiny

    return tiny.llava()


@pytest.fixture(params=["internvl", "llava"])
def subject(request: pytest.FixtureRequest) -> ModelSubject:
    """Return each of the tiny subjects, not to be changed."""
    found: ModelSubject = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def pupil(subject: ModelSubject) -> ModelSubject:
    """Return a copy of each of the tiny subjects, free to be changed."""
    return copy.deepcopy(subject)


@pytest.fixture
def fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute in float32 whatever the machine, so that tolerances can be tight."""
    monkeypatch.setattr("eyechart.subjects.loading.native_precision", lambda: "float32")


@pytest.fixture(scope="session")
def official(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the complete tree of a corpus, built once, not to be changed."""
    import corpora_trees

    root = tmp_path_factory.mktemp("official")

    @cache
    def build(name: str) -> Path:
        (root / name).mkdir(exist_ok=True)  # a tree whose tables are absent skips its test half way
        return corpora_trees.build(name, root / name)

    return build
