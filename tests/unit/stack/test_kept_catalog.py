"""The local Glue's catalog: on disk what it is in memory, and one writer at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lakehouse.stack import aws_server
from lakehouse.stack.kept_catalog import load_catalog, reload_database, save_database, save_tables, touched

NAMES = ["orders", "with space", "a/b", "..", "ünï", "database"]


@pytest.fixture
def backend() -> Iterator[Any]:
    from moto.glue.models import glue_backends

    found = glue_backends["123456789012"]["eu-west-1"]
    found.reset()
    yield found
    found.reset()


def fill(backend: Any, database: str = "sales") -> None:
    backend.create_database(database, {"Name": database, "LocationUri": "s3://lake/x"}, None)
    for name in NAMES:
        backend.create_table(database, name, {"Name": name, "Parameters": {"v": "1"}})
        table = backend.get_table(database, name)
        table.create_partition({"Values": ["2024-05-01", "q'q"], "Parameters": {"rows": "3"}})
        table.update({"Name": name, "Parameters": {"v": "2"}})


def shown(backend: Any) -> Any:
    """All that Glue's reading calls would tell, of the current version."""
    return {
        d.name: (
            d.as_dict(),
            {n: (t.as_dict(), [p.as_dict() for p in t.partitions.values()]) for n, t in d.tables.items()},
        )
        for d in backend.databases.values()
    }


def read_back(folder: Path) -> Any:
    from moto.glue.models import glue_backends

    backend = glue_backends["123456789012"]["eu-west-1"]
    backend.reset()
    load_catalog(folder, glue_backends)
    return glue_backends["123456789012"]["eu-west-1"]


def test_what_was_kept_reads_back_equal_times_and_versions_too(tmp_path: Path, backend: Any) -> None:
    fill(backend)
    save_database(tmp_path, backend, "sales")
    save_tables(tmp_path, backend, "sales", NAMES)
    before = shown(backend)
    assert before["sales"][1]["a/b"][0]["VersionId"] == "2"
    assert shown(read_back(tmp_path)) == before


def test_one_changed_table_writes_one_file(tmp_path: Path, backend: Any) -> None:
    fill(backend)
    save_database(tmp_path, backend, "sales")
    save_tables(tmp_path, backend, "sales", NAMES)
    files = {p: p.stat().st_ino for p in tmp_path.rglob("*.json")}
    assert len(files) == len(NAMES) + 1
    backend.get_table("sales", "orders").update({"Name": "orders", "Parameters": {"v": "3"}})
    save_tables(tmp_path, backend, "sales", ["orders"])
    changed = [p.name for p, inode in files.items() if p.stat().st_ino != inode]
    assert changed == ["table-orders.json"]


def test_a_tables_file_does_not_grow_with_its_versions(tmp_path: Path, backend: Any) -> None:
    fill(backend)
    save_tables(tmp_path, backend, "sales", ["orders"])
    path = next(tmp_path.rglob("table-orders.json"))
    before = path.stat().st_size
    for number in range(1000):
        backend.get_table("sales", "orders").update({"Name": "orders", "Parameters": {"v": str(number % 10)}})
    save_tables(tmp_path, backend, "sales", ["orders"])
    assert path.stat().st_size - before < 10


def test_what_is_dropped_is_forgotten(tmp_path: Path, backend: Any) -> None:
    fill(backend)
    save_database(tmp_path, backend, "sales")
    save_tables(tmp_path, backend, "sales", NAMES)
    backend.delete_table("sales", "orders")
    save_tables(tmp_path, backend, "sales", ["orders"])
    assert set(read_back(tmp_path).databases["sales"].tables) == set(NAMES) - {"orders"}
    backend.delete_database("sales")
    save_database(tmp_path, backend, "sales")
    assert not list(tmp_path.rglob("*.json"))
    backend.create_database("sales", {"Name": "sales"}, None)
    save_database(tmp_path, backend, "sales")
    assert read_back(tmp_path).databases["sales"].tables == {}


def test_a_database_half_removed_by_a_killed_server_is_removed(tmp_path: Path, backend: Any) -> None:
    fill(backend)
    save_database(tmp_path, backend, "sales")
    home = next(tmp_path.rglob("database.json")).parent
    home.rename(home.with_name(".gone0123"))
    assert read_back(tmp_path).databases == {}
    assert not list(tmp_path.rglob("database.json"))


def test_a_half_written_file_is_not_taken_for_the_table(tmp_path: Path, backend: Any) -> None:
    fill(backend)
    save_database(tmp_path, backend, "sales")
    save_tables(tmp_path, backend, "sales", ["orders"])
    next(tmp_path.rglob("table-orders.json")).with_suffix(".new").write_text('{"input"')
    assert set(read_back(tmp_path).databases["sales"].tables) == {"orders"}


def test_a_change_that_could_not_be_kept_is_taken_back(tmp_path: Path, backend: Any) -> None:
    fill(backend)
    save_database(tmp_path, backend, "sales")
    save_tables(tmp_path, backend, "sales", NAMES)
    before = shown(backend)
    backend.get_table("sales", "orders").update({"Name": "orders", "Parameters": {"v": "3"}})
    backend.create_database("new", {"Name": "new"}, None)
    reload_database(tmp_path, backend, "sales")
    reload_database(tmp_path, backend, "new")
    assert shown(backend) == before


@pytest.mark.parametrize(
    ("call", "parameters", "expected"),
    [
        ("create_database", {"DatabaseInput": {"Name": "d"}}, ("d", [])),
        ("update_database", {"Name": "d", "DatabaseInput": {"Name": "d"}}, ("d", [])),
        ("delete_database", {"Name": "d"}, ("d", [])),
        ("create_table", {"DatabaseName": "d", "TableInput": {"Name": "t"}}, ("d", ["t"])),
        ("update_table", {"DatabaseName": "d", "TableInput": {"Name": "t"}, "VersionId": "1"}, ("d", ["t"])),
        ("delete_table", {"DatabaseName": "d", "Name": "t"}, ("d", ["t"])),
        ("batch_delete_table", {"DatabaseName": "d", "TablesToDelete": ["t", "u"]}, ("d", ["t", "u"])),
        ("create_partition", {"DatabaseName": "d", "TableName": "t", "PartitionInput": {}}, ("d", ["t"])),
        ("batch_update_partition", {"DatabaseName": "d", "TableName": "t", "Entries": []}, ("d", ["t"])),
    ],
)
def test_each_writing_call_names_what_it_changes(call: str, parameters: Any, expected: Any) -> None:
    assert call in aws_server.WRITES
    assert touched(call, parameters) == expected


def test_every_writing_call_of_glues_tables_is_kept() -> None:
    from moto.glue.responses import GlueResponse

    about = ("_database", "_table", "_partition")
    verbs = ("create_", "update_", "delete_", "batch_create_", "batch_update_", "batch_delete_")
    theirs = {n for n in dir(GlueResponse) if n.startswith(verbs) and n.endswith(about)}
    assert theirs == set(aws_server.WRITES)


def update_of_orders(backend: Any) -> Any:
    """A request as moto's own class shows it to its method."""
    parameters = {"DatabaseName": "sales", "TableInput": {"Name": "orders"}, "VersionId": "2"}
    return SimpleNamespace(parameters=parameters, glue_backend=backend)


def test_check_and_change_are_one_step(tmp_path: Path, backend: Any) -> None:
    """moto is threaded: a writer must not get in between another's check and its change, however long that takes."""
    from moto.glue.exceptions import GlueClientError

    fill(backend)
    ready = threading.Barrier(4)

    def slow(request: Any) -> str:
        time.sleep(0.05)
        request.glue_backend.update_table("sales", "orders", request.parameters["TableInput"])
        return "won"

    update = aws_server._kept(slow, "update_table", tmp_path)

    def write(_: int) -> str:
        ready.wait()
        try:
            return str(update(update_of_orders(backend)))
        except GlueClientError as e:
            return str(e.error_type)

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(write, range(4)))
    assert outcomes == ["ConcurrentModificationException"] * 3 + ["won"]


def test_a_write_that_cannot_be_kept_fails_and_changes_nothing(tmp_path: Path, backend: Any) -> None:
    fill(backend)
    save_database(tmp_path, backend, "sales")
    save_tables(tmp_path, backend, "sales", NAMES)
    before = shown(backend)
    # A folder where the new file would go: refused by the system, as a full disk is, also where tests run as root.
    next(tmp_path.rglob("table-orders.json")).with_suffix(".new").mkdir()

    def change(request: Any) -> None:
        request.glue_backend.update_table("sales", "orders", request.parameters["TableInput"])

    with pytest.raises(IsADirectoryError):
        aws_server._kept(change, "update_table", tmp_path)(update_of_orders(backend))
    assert shown(backend) == before
