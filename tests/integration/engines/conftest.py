"""The engines over the session's services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.engines.trino import TrinoEngine
from lakehouse.project import Project, Secret
from tests.integration.conftest import Place, make_place


@pytest.fixture(scope="session")
def trino(trino_url: str) -> TrinoEngine:
    return TrinoEngine(Secret(trino_url))


@pytest.fixture
def cluster_place(stack_project: Project, trino_url: str, tmp_path: Path) -> Iterator[Place]:
    """A place of the test's own whose cluster is the session's Trino."""
    for place in make_place(stack_project, tmp_path):
        place.environment["LAKEHOUSE_TRINO_URL"] = trino_url
        yield place
