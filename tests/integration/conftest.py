"""Real services, started once a session; each test gets a database and a lake of its own, by environment alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg2
import pytest

from lakehouse import stack
from lakehouse.project import Project, load_project, local_service
from lakehouse.stack.postgres import find_home

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def stack_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with its local services up."""
    root = tmp_path_factory.mktemp("stack") / "sales"
    root.mkdir()
    (root / "lakehouse.toml").write_text('[project]\nname = "sales"\n')
    project = load_project(root, {})
    with pytest.MonkeyPatch.context() as environment:
        try:
            stack.up(project, report=print)
            keys = local_service(project, "minio")
            environment.setenv("AWS_ACCESS_KEY_ID", keys["access_key"])
            environment.setenv("AWS_SECRET_ACCESS_KEY", keys["secret_key"])
            yield project
        finally:
            stack.down(project, report=print)
            shutil.rmtree(find_home(project), ignore_errors=True)


@pytest.fixture(scope="session")
def trino_url(stack_project: Project) -> str:
    """Trino over those services."""
    stack.up(stack_project, trino=True, report=print)
    return str(local_service(stack_project, "trino")["url"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Trino's tests last: it needs a gigabyte and the best part of a minute, which the others need not wait for.

    After them the one that runs the scheduler itself: it stops all services, to see that none is left.
    """

    def weight(item: pytest.Item) -> tuple[bool, bool]:
        fixtures = getattr(item, "fixturenames", ())
        return "trino_url" in fixtures, "airflow" in fixtures

    items.sort(key=weight)


@dataclass(frozen=True)
class Place:
    """A project of a test's own: its files, its empty database, its empty lake, and the environment that says so."""

    root: Path
    environment: dict[str, str]

    @property
    def project(self) -> Project:
        return load_project(self.root, self.environment)

    @property
    def source_url(self) -> str:
        return self.environment["LAKEHOUSE_SOURCE_URL"]

    def sql(self, *statements: str) -> list[Any]:
        """Run statements at the source, committed; the rows of the last."""
        connection = psycopg2.connect(self.source_url)
        rows: list[Any] = []
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            if cursor.description:
                rows = cursor.fetchall()
        connection.close()
        return rows

    def write(self, path: str, text: str) -> Path:
        """A file of the project."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target


@pytest.fixture
def place(stack_project: Project, tmp_path: Path) -> Iterator[Place]:
    """An empty project on an empty database and an empty lake."""
    yield from make_place(stack_project, tmp_path)


def make_place(stack_project: Project, folder: Path) -> Iterator[Place]:
    """As the fixture; for fixtures of another scope."""
    name = f"t{uuid4().hex[:10]}"
    server = local_service(stack_project, "postgres")["url"]
    connection = psycopg2.connect(server)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"create database {name}")
    store, aws = local_service(stack_project, "minio"), local_service(stack_project, "aws")
    reset_glue(aws["endpoint"])
    root = folder / "project"
    root.mkdir()
    (root / "lakehouse.toml").write_text('[project]\nname = "sales"\n\n[source]\nname = "sales"\n')
    yield Place(
        root,
        {
            "LAKEHOUSE_SOURCE_URL": urlunsplit(urlsplit(server)._replace(path=f"/{name}")),
            "LAKEHOUSE_LAKE": f"s3://lake/{name}",
            "LAKEHOUSE_S3_ENDPOINT": store["endpoint"],
            "LAKEHOUSE_GLUE_ENDPOINT": aws["endpoint"],
        },
    )
    connection.close()
    connection = psycopg2.connect(server)  # anew: a test may have killed the server
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"drop database {name} with (force)")
    connection.close()


def reset_glue(endpoint: str) -> None:
    """Forget every database of the local catalog: the layers' names are the same for all tests."""
    import boto3

    glue = boto3.client("glue", endpoint_url=endpoint, region_name="us-east-1")
    for database in glue.get_databases()["DatabaseList"]:
        glue.delete_database(Name=database["Name"])
