"""The source fails over, is restored to an earlier state, or runs out of transaction ids: noticed, and followed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from lakehouse.programs import postgres_program
from lakehouse.project import load_project
from lakehouse.record import StepResult
from lakehouse.run import run_lake
from lakehouse.stack import postgres
from lakehouse.stack.services import State, state_of, stop
from tests.integration.conftest import Place
from tests.integration.test_drift import rows

XIDS_A_SEGMENT = 1 << 20
NEARLY_OUT = (1 << 32) - 400  # of 32-bit transaction ids
SUITE = '{"name": "bronze.t", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "id"}}]}'


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL of the test's own, that can be stopped, looked into and started again."""

    place: Place
    state: State
    data: Path

    def start(self) -> None:
        postgres.start(load_project(self.state.path.parent.parent, {}), self.state, print)

    def stop(self) -> None:
        stop(self.state.read()["postgres"], signal.SIGINT)

    def program(self, name: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the owner of the data."""
        owner = self.data.stat()
        identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            identity = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        installed = self.data.parent / "install" / "bin" / name
        found = installed if installed.exists() else postgres_program(name)
        done = subprocess.run([found, *arguments], capture_output=True, text=True, cwd=self.data, **identity)
        assert done.returncode == 0, done.stderr

    def write(self, name: str, content: bytes) -> None:
        """A file of the data folder, its owner's."""
        path = self.data / name
        path.write_bytes(content)
        os.chown(path, self.data.stat().st_uid, self.data.stat().st_gid)

    def run(self) -> StepResult:
        result = run_lake(self.place.project, ["bronze.t"])
        assert result.exit_code == 0, result.steps
        return result.steps[0]

    def is_followed(self) -> bool:
        """Whether the last word of bronze on each key is what the table holds."""
        lines = "select * from bronze.t qualify row_number() over (partition by id order by _ingested_at desc) = 1"
        held = rows(self.place, f"select id::int, v from ({lines}) where _op = 'upsert' order by 1")
        return held == self.place.sql("select id, v from t order by 1")


@pytest.fixture
def cluster(place: Place, tmp_path: Path) -> Iterator[Cluster]:
    root = tmp_path / "own"
    root.mkdir()
    (root / "lakehouse.toml").write_text('[project]\nname = "own"\n')
    project = load_project(root, {})
    project.state_dir.mkdir()
    state = state_of(project)
    postgres.start(project, state, print)
    entry = state.read()["postgres"]
    elsewhere = replace(place, environment={**place.environment, "LAKEHOUSE_SOURCE_URL": entry["url"]})
    elsewhere.write("queries/bronze/t.sql", "-- t.\nselect * from source.t\n")
    elsewhere.write("expectations/bronze/t.json", SUITE)
    insert = "insert into t values (1, 'a'), (2, 'b'), (3, 'c')"
    elsewhere.sql("create table t (id integer primary key, v text)", insert)
    made = Cluster(elsewhere, state, Path(entry["data"]) / "data")
    try:
        assert made.run().message == "first copy"
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.data.parent, ignore_errors=True)


def spend_transactions(place: Place, number: int) -> None:
    with closing(psycopg2.connect(place.source_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for _ in range(number):
            cursor.execute("select pg_current_xact_id()")


def test_transaction_ids_wrap_around(cluster: Cluster) -> None:
    with closing(psycopg2.connect(cluster.place.source_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("alter database template0 allow_connections true")
            cursor.execute("select datname from pg_database")
            names = [row[0] for row in cursor.fetchall()]
    for name in names:
        with closing(psycopg2.connect(cluster.place.source_url, dbname=name)) as connection:
            connection.autocommit = True
            connection.cursor().execute("vacuum freeze")
    cluster.stop()
    cluster.program("pg_resetwal", "-D", str(cluster.data), "-x", str(NEARLY_OUT))
    cluster.write(f"pg_xact/{NEARLY_OUT // XIDS_A_SEGMENT:04X}", bytes(XIDS_A_SEGMENT // 4))
    cluster.start()
    cluster.place.sql("update t set v = 'before' where id = 2")
    assert cluster.run().rows == 1
    spend_transactions(cluster.place, 500)
    assert cluster.place.sql("select pg_current_xact_id()::text::bigint > 4294967296") == [(True,)]
    cluster.place.sql("update t set v = 'after' where id = 1", "insert into t values (4, 'd')")
    cluster.place.sql("delete from t where id = 3")
    step = cluster.run()
    assert step.scope == "increment"
    assert (step.rows, step.deleted) in ((2, 1), (3, 1))  # what the last run saw may be sent once more
    assert cluster.is_followed()
    cluster.place.sql("update t set v = 'later' where id = 2")
    assert cluster.run().rows <= 3
    assert cluster.is_followed()


def test_a_failover_is_noticed_at_once(cluster: Cluster) -> None:
    cluster.stop()
    cluster.write("standby.signal", b"")
    cluster.start()
    with closing(psycopg2.connect(cluster.place.source_url)) as connection, connection.cursor() as cursor:
        cursor.execute("select pg_promote()")
    cluster.place.sql("update t set v = 'new' where id = 1")
    step = cluster.run()
    assert step.scope == "full"
    assert "the source failed over or was restored (timeline was 1, is 2)" in step.message
    assert cluster.is_followed()


def test_a_source_that_was_restored_to_an_earlier_state_is_noticed(cluster: Cluster) -> None:
    cluster.stop()
    backup = cluster.data.with_name("backup")
    shutil.copytree(cluster.data, backup, symlinks=True)
    cluster.start()
    cluster.place.sql("update t set v = 'lost' where id = 1", "insert into t values (9, 'lost')")
    assert cluster.run().rows == 2
    cluster.stop()
    owner = cluster.data.stat()
    shutil.rmtree(cluster.data)
    backup.rename(cluster.data)
    for path in (cluster.data, *cluster.data.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    cluster.start()
    cluster.place.sql("update t set v = 'other' where id = 2")
    step = cluster.run()
    assert step.scope == "full"
    assert "the source went back in time: it was restored to a state before the last run" in step.message
    assert cluster.is_followed()


def test_another_cluster_under_the_same_name_is_noticed(cluster: Cluster, place: Place) -> None:
    place.sql("create table t (id integer primary key, v text)", "insert into t values (1, 'z')")
    moved = replace(cluster, place=replace(cluster.place, environment=place.environment))
    step = moved.run()
    assert step.scope == "full"
    assert "the source is another cluster now" in step.message
    assert moved.is_followed()
