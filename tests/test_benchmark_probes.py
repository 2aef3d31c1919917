"""In simulated runs (benchmarks/probes.py) probes of shuffled labels lie within their interval of chance."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "probes.py"


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("eyechart_probes", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["eyechart_probes"] = module
    spec.loader.exec_module(module)
    return module


def test_controls_sit_at_chance(script: Any) -> None:
    """Of 20 runs fewer than 15 hold chance once in 400 times where 95 % is true."""
    hits = np.array([script.simulated("a content", 12, 2, seed) for seed in range(20)])
    assert hits[:, 0].sum() >= 15
    assert abs(hits[:, 1].mean() - 1 / script.LABELS) < 0.03


def test_the_table_tells_every_row(script: Any) -> None:
    rows = [{"features": "simulated", "shuffle for": "a fold", "runs": 4, "held": 0.5, "accuracy": 0.125}]
    assert script.table(rows).splitlines()[-1] == "| simulated | a fold | 4 | 50.0 % | 12.50 % |"


@pytest.mark.slow
@pytest.mark.parametrize(("contents", "each"), [(6, 5), (12, 5), (81, 1)])
def test_controls_sit_at_chance_in_a_long_simulation(script: Any, contents: int, each: int) -> None:
    """93 to 97 %, and two standard errors (1.1 points) beyond, as four hundred runs leave it open."""
    hits = [script.simulated("a content", contents, each, seed)[0] for seed in range(400)]
    assert 0.908 <= np.mean(hits) <= 0.992
