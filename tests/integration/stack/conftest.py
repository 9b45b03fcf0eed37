"""Services of this folder's own: its tests kill them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lakehouse import stack
from lakehouse.project import Project, load_project, local_service
from lakehouse.stack import postgres
from lakehouse.stack.lifecycle import SERVICES
from lakehouse.stack.services import state_of


@dataclass
class Local:
    """A project whose services the test may do anything to, and what `up` and `down` said."""

    project: Project
    said: list[str] = field(default_factory=list)

    def up(self) -> list[stack.ServiceStatus]:
        self.said.clear()
        return stack.up(self.project, report=self.said.append)

    def down(self) -> list[stack.ServiceStatus]:
        self.said.clear()
        return stack.down(self.project, report=self.said.append)

    def states(self) -> dict[str, str]:
        return {s.name: s.state for s in stack.status(self.project)}

    def entry(self, name: str) -> dict[str, Any]:
        return local_service(self.project, name)

    def servers(self, name: str) -> int:
        """How many processes are at work on a service's folder, written down or not."""
        return len({p.pid for p in SERVICES[name].find_strays(self.project)})

    @property
    def services_file(self) -> Path:
        return state_of(self.project).path


@pytest.fixture(scope="session")
def own_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    root = tmp_path_factory.mktemp("own") / "shop"
    root.mkdir()
    (root / "lakehouse.toml").write_text('[project]\nname = "My-Shop"\n')
    project = load_project(root, {})
    yield project
    stack.down(project, report=print)
    shutil.rmtree(postgres.find_home(project), ignore_errors=True)


@pytest.fixture
def local(own_project: Project) -> Local:
    """The services, up."""
    found = Local(own_project)
    found.up()
    return found
