"""The cases of the sample's models on Trino, the engine inside Athena: the same rows and the same types."""

from __future__ import annotations

from pathlib import Path

from lakehouse.model import load_graph
from lakehouse.model_tests import run_model_tests
from lakehouse.project import load_project

ROOT = Path(__file__).parents[2]


def test_the_cases_of_the_sample_pass_on_trino(trino_url: str) -> None:
    project = load_project(ROOT, {"LAKEHOUSE_TRINO_URL": trino_url})
    results = run_model_tests(project, load_graph(ROOT), engine="trino")
    assert len(results) >= 30
    assert {(r.table, r.case): r.difference for r in results if not r.passed} == {}
