"""Trino over the local catalog and object store: it reads what we commit, and what it writes is in Glue."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psutil
import pytest

from lakehouse import stack
from lakehouse.project import Project, local_service
from lakehouse.run import run_lake
from tests.integration.conftest import Place
from tests.integration.small import small_shop


@pytest.fixture
def ask(trino_url: str) -> Any:
    """Ask Trino, in the catalog that Athena calls awsdatacatalog."""
    import trino

    connection: Any = trino.dbapi.connect(  # type: ignore[no-untyped-call]
        host="127.0.0.1", port=urlsplit(trino_url).port, user="test", catalog="awsdatacatalog"
    )

    def run(sql: str) -> list[Any]:
        cursor = connection.cursor()
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]

    return run


def test_it_reads_every_layer_as_committed(place: Place, ask: Any) -> None:
    small_shop(place)
    assert run_lake(place.project).exit_code == 0
    place.sql("update orders set amount = 99.99 where id = 7", "delete from orders where id = 8")
    assert run_lake(place.project).exit_code == 0

    theirs = place.sql("select id, amount, ordered_at at time zone 'UTC' from orders order by id")
    assert ask("select id, amount, ordered_at from silver.orders order by id") == theirs
    assert ask("select sum(orders), sum(amount) from gold.monthly_orders") == place.sql(
        "select count(*), sum(amount) from orders"
    )
    # Bronze is JSON lines under the other connector: two runs, and the text as PostgreSQL printed it.
    assert ask("select id, amount, _op from bronze.orders where id in ('7', '8') order by _ingested_at, id") == [
        ("7", "8.75", "upsert"),
        ("8", "10.00", "upsert"),
        ("7", "99.99", "upsert"),
        ("8", None, "delete"),
    ]


def test_what_it_writes_is_in_glue_and_survives(place: Place, ask: Any, stack_project: Project) -> None:
    ask(f"create schema iceberg.made with (location = '{place.environment['LAKEHOUSE_LAKE']}/made')")
    ask("create table iceberg.made.i as select 1 as a, timestamp '2024-05-01 12:00:00.123456' as t")
    ask("insert into iceberg.made.i values (2, null)")
    ask("create table made.h with (format = 'JSON') as select 'x' as b")
    assert ask("select a, cast(t as varchar) from made.i order by a") == [(1, "2024-05-01 12:00:00.123456"), (2, None)]
    glue = boto3.client("glue", endpoint_url=local_service(stack_project, "aws")["endpoint"], region_name="us-east-1")
    tables = {t["Name"]: t for t in glue.get_tables(DatabaseName="made")["TableList"]}
    assert set(tables) == {"i", "h"}
    assert tables["i"]["Parameters"]["table_type"] == "ICEBERG"
    server = psutil.Process(local_service(stack_project, "aws")["pid"])
    server.kill()
    server.wait(10)
    said: list[str] = []
    stack.up(stack_project, report=said.append)
    assert said == ["aws: starting", "aws: up"]
    assert ask("select a from made.i order by a") == [(1,), (2,)]
    assert ask("select b from made.h") == [("x",)]


def test_its_keys_are_its_owners_and_it_listens_on_loopback_alone(trino_url: str, stack_project: Project) -> None:
    entry = local_service(stack_project, "trino")
    etc = stack_project.state_dir / "trino" / "etc"
    secret = local_service(stack_project, "minio")["secret_key"]
    with_keys = [path for path in etc.rglob("*") if path.is_file() and secret in path.read_text()]
    assert {path.name for path in with_keys} == {"awsdatacatalog.properties", "iceberg.properties"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in with_keys} == {0o600}
    assert secret not in " ".join(psutil.Process(entry["pid"]).cmdline())
    assert secret not in Path(entry["log"]).read_text()
    listening = {c.laddr.ip for c in psutil.Process(entry["pid"]).net_connections() if c.status == psutil.CONN_LISTEN}
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_it_is_started_again_when_the_catalog_has_moved(trino_url: str, stack_project: Project, ask: Any) -> None:
    import socket

    aws = local_service(stack_project, "aws")
    server = psutil.Process(aws["pid"])
    server.kill()
    server.wait(10)
    said: list[str] = []
    with socket.create_server(("127.0.0.1", aws["port"])):
        stack.up(stack_project, report=said.append)
    assert local_service(stack_project, "aws")["port"] != aws["port"]
    assert said[:2] == ["aws: starting", "aws: up"]
    assert said[2:4] == ["trino: what was left of it is stopped", "trino: starting"]
    assert said[-1] == "trino: up"
    assert {s.state for s in stack.status(stack_project)} == {"up"}
    assert local_service(stack_project, "trino")["url"] == trino_url
    assert ask("show schemas like 'information_schema'") == [("information_schema",)]
