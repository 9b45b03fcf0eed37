"""A Trino of one coordinator, which does no work, and two workers: a model's rows are made by both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lakehouse.engines.trino import TrinoEngine
from lakehouse.project import Project, Secret
from lakehouse.run import run_lake
from lakehouse.stack import trino as local_trino
from lakehouse.stack.services import free_port, launch, state_of, stop, wait_until
from tests.integration.conftest import Place
from tests.integration.engines.test_trino import rows, steps
from tests.integration.small import small_shop

COORDINATOR = """coordinator=true
node-scheduler.include-coordinator=false
http-server.http.port={port}
discovery.uri=http://127.0.0.1:{coordinator}
catalog.management=static
"""
WORKER = COORDINATOR.replace("coordinator=true\nnode-scheduler.include-coordinator=false", "coordinator=false")


def start_node(
    folder: Path, entries: dict[str, Any], configuration: str, port: int, coordinator: int
) -> dict[str, Any]:
    """A Trino process over the local services, with the catalogs that `up --trino` has."""
    server, java = local_trino.find_server(print), local_trino.find_java()
    values = {
        "port": port,
        "data": folder / "data",
        "heap": "768M",
        "region": "us-east-1",
        "s3": entries["minio"]["endpoint"],
        "access_key": entries["minio"]["access_key"],
        "secret_key": entries["minio"]["secret_key"],
        "glue": entries["aws"]["endpoint"],
    }
    local_trino.write_configuration(folder / "etc", values)
    (folder / "etc" / "config.properties").write_text(configuration.format(port=port, coordinator=coordinator))
    command = [
        str(server / "bin" / "launcher"),
        "run",
        "--etc-dir",
        str(folder / "etc"),
        "--data-dir",
        str(folder / "data"),
    ]
    environment = {"JAVA_HOME": str(java), "PATH": f"{java / 'bin'}:/usr/local/bin:/usr/bin:/bin"}
    return launch(command, folder / "trino.log", environment=environment)


@pytest.fixture
def cluster(stack_project: Project, tmp_path: Path) -> Iterator[TrinoEngine]:
    entries, port = state_of(stack_project).read(), free_port()
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as started:
        for name, configuration, own in (
            ("coordinator", COORDINATOR, port),
            ("worker-1", WORKER, free_port()),
            ("worker-2", WORKER, free_port()),
        ):
            entry = start_node(tmp_path / name, entries, configuration, own, port)
            started.callback(stop, entry)
            (tmp_path / name / "pid").write_text(str(entry["pid"]))
        engine = TrinoEngine(Secret(url))
        # It answers as soon as one worker is there; the test is about both.
        wait_until("trino", lambda: local_trino.is_answering(url) and len(workers(engine)) == 2, entry, 240, print)
        yield engine


def read(engine: TrinoEngine, sql: str) -> list[Any]:
    with engine.query(sql) as result:
        return [tuple(row.values()) for batch in result.batches for row in batch.to_pylist()]


def workers(engine: TrinoEngine) -> list[str]:
    return [
        r[0]
        for r in read(engine, "select node_id from system.runtime.nodes where state = 'active' and not coordinator")
    ]


def spread(engine: TrinoEngine, query_id: str) -> dict[str, int]:
    """The rows that each node read for a query."""
    sql = (
        "select node_id, cast(sum(processed_input_rows) as bigint) from system.runtime.tasks "
        f"where query_id = '{query_id}' group by node_id"
    )
    return {node: count for node, count in read(engine, sql) if count}


@pytest.mark.long
def test_the_work_is_spread_over_the_workers(cluster: TrinoEngine, place: Place) -> None:
    both = set(workers(cluster))
    with cluster.query(
        "select count(*), sum(a * b) from unnest(sequence(1, 5000)) x(a), unnest(sequence(1, 300)) y(b)"
    ) as r:
        assert [row for b in r.batches for row in b.to_pylist()] == [{"_col0": 1_500_000, "_col1": 564_487_875_000}]

    small_shop(place)
    place.sql(
        "insert into orders select n, 1 + n % 20, n, timestamptz '2024-01-15' + n % 300 * interval '1 day' "
        "from generate_series(401, 40000) n"
    )
    place.environment["LAKEHOUSE_TRINO_URL"] = cluster.url.reveal()
    assert run_lake(place.project).exit_code == 0
    wanted = {"silver.orders": "id", "gold.monthly_orders": "order_month"}
    first = {table: rows(place, table, order) for table, order in wanted.items()}
    done = run_lake(place.project, full=True, engine="trino")
    assert steps(done)["gold.monthly_orders"] == "asked for; on trino"
    assert {table: rows(place, table, order) for table, order in wanted.items()} == first

    made = {s["table"]: s["made_by"]["query_id"] for s in done.to_json()["steps"] if s["made_by"].get("query_id")}
    for table in wanted:
        found = spread(cluster, made[table])
        # The coordinator reads a row a written file, to commit; the table's rows are the workers'.
        assert {node for node, count in found.items() if count > sum(found.values()) / 10} == both, f"{table}: {found}"
