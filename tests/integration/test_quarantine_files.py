"""The quarantine on S3: written, read back with the reasons, and cleared once its rows were promoted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import boto3
import duckdb
import pytest

from lakehouse.engines.duckdb import load_extension, use_lake
from lakehouse.names import LakeLayout, TableName
from lakehouse.project import Credentials, Lake, Secret
from lakehouse.promote.quarantine import clear_quarantine, quarantine_files, read_quarantine, write_quarantine
from lakehouse.store import Store

LINES = TableName("silver", "lines")
OTHER = TableName("silver", "lines_returned")
BAD = "select *, 'expect_x' as _failed_expectation, 'b must be x' as _reason from (values {}) t(a, b)"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(endpoint: str, request: pytest.FixtureRequest) -> Store:
    bucket = f"lake-{abs(hash(request.node.name)) % 10**9}"
    keys = Credentials("testing", Secret("testing"))
    boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key.reveal(),
    ).create_bucket(Bucket=bucket)
    assert urlsplit(endpoint).scheme == "http"
    return Store(Lake(LakeLayout(bucket, "sub/"), "us-east-1", endpoint, None, keys))


@pytest.fixture
def con(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        load_extension(con, "httpfs")
        use_lake(con, store.lake)
        yield con


def rows(con: duckdb.DuckDBPyConnection, store: Store) -> list[tuple[object, ...]]:
    columns, found = read_quarantine(con, store, LINES)
    if not found:
        assert columns == ()
        return []
    assert columns[:4] == ("_failed_expectation", "_reason", "_run_id", "_quarantined_at")
    return sorted((r[2], *r[4:]) for r in found)


def test_what_is_written_is_read_with_its_reason(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    assert read_quarantine(con, store, LINES) == ((), [])
    assert write_quarantine(con, store, LINES, "r1", BAD.format("(1, 'x'), (2, null)")) == 2
    columns, found = read_quarantine(con, store, LINES)
    assert columns == ("_failed_expectation", "_reason", "_run_id", "_quarantined_at", "a", "b")
    assert [r[:3] for r in found] == [("expect_x", "b must be x", "r1")] * 2
    assert quarantine_files(store, LINES) == ["sub/quarantine/silver/lines/run_id=r1/rows.parquet"]
    assert read_quarantine(con, store, OTHER) == ((), [])


def test_a_repeated_run_writes_over_its_own(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    write_quarantine(con, store, LINES, "r1", BAD.format("(1, 'x'), (2, 'x')"))
    write_quarantine(con, store, LINES, "r1", BAD.format("(1, 'x')"))
    assert rows(con, store) == [("r1", 1, "x")]


def test_runs_with_other_columns_are_read_together(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    write_quarantine(con, store, LINES, "r1", BAD.format("(1, 7)"))
    time.sleep(1.1)  # S3 tells when an object was written to the second
    write_quarantine(con, store, LINES, "r2", BAD.format("(2, 'x')").replace("t(a, b)", "t(a, c)"))
    columns, found = read_quarantine(con, store, LINES)
    assert columns[4:] == ("a", "b", "c")
    assert sorted(r[2:3] + r[4:] for r in found) == [("r1", 1, 7, None), ("r2", 2, None, "x")]


def test_promoted_rows_leave_and_the_rest_stays(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    write_quarantine(con, store, LINES, "r1", BAD.format("(1, 'x'), (2, 'x'), (null, 'x')"))
    write_quarantine(con, store, LINES, "r2", BAD.format("(3, 'x')"))
    write_quarantine(con, store, LINES, "r3", BAD.format("(1, 'x')"))
    promoted = "select a from (values (1), (3), (null)) t(a)"
    assert clear_quarantine(con, store, LINES, ("a",), promoted, "r3") == 2
    assert rows(con, store) == [("r1", 2, "x"), ("r3", 1, "x")]
    assert len(quarantine_files(store, LINES)) == 2
    assert clear_quarantine(con, store, LINES, ("a",), promoted, "r3") == 2, "called again, it does no harm"


def test_a_rebuilt_table_leaves_only_what_its_own_run_set_aside(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    write_quarantine(con, store, LINES, "r1", BAD.format("(1, 'x')"))
    write_quarantine(con, store, LINES, "r2", BAD.format("(2, 'x')"))
    write_quarantine(con, store, OTHER, "r1", BAD.format("(9, 'x')"))
    assert clear_quarantine(con, store, LINES, ("a",), None, "r2") == 1
    assert rows(con, store) == [("r2", 2, "x")]
    assert len(read_quarantine(con, store, OTHER)[1]) == 1


def test_a_compound_key_with_gaps(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    write_quarantine(con, store, LINES, "r1", BAD.format("(1, null), (1, 'x'), (null, 'x')"))
    promoted = "select * from (values (1, null), (null, 'x')) t(a, b)"
    assert clear_quarantine(con, store, LINES, ("a", "b"), promoted, "r2") == 1
    assert rows(con, store) == [("r1", 1, "x")]
