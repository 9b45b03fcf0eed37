"""The local Glue's catalog on disk: one file a table, written anew when that table changes, read when the API starts.

    <folder>/<account>.<region>/<database>/database.json
    <folder>/<account>.<region>/<database>/table-<name>.json

A table's file holds its current version and its partitions, so neither a file nor the start grows with the commits.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

Json = dict[str, Any]
DATABASE_FILE = "database.json"
GONE = ".gone"


def save_database(folder: Path, backend: Any, name: str) -> None:
    """Keep the database itself, or forget it and its tables where it is there no more; atomic."""
    home = _home(folder, backend, name)
    database = backend.databases.get(name)
    if database is not None:
        kept = {"name": name, "input": database.input, "catalog_id": database.catalog_id}
        _write(home / DATABASE_FILE, kept | {"created": database.created_time.isoformat()})
    elif home.exists():
        gone = home.with_name(f"{GONE}{os.urandom(4).hex()}")
        home.rename(gone)
        shutil.rmtree(gone)


def save_tables(folder: Path, backend: Any, database: str, tables: Iterable[str]) -> None:
    """Keep those tables as they are now, or forget them where they are there no more."""
    home = _home(folder, backend, database)
    present = backend.databases[database].tables if database in backend.databases else {}
    for name in tables:
        path = home / f"table-{quote(name, safe='')}.json"
        if name in present:
            _write(path, _table(present[name]))
        else:
            path.unlink(missing_ok=True)


def load_catalog(folder: Path, backends: Any) -> None:
    """Fill moto's Glue with what was kept; what a killed server was about to remove is removed."""
    for home in sorted(folder.glob("*.*/*")):
        if home.name.startswith(GONE):
            shutil.rmtree(home)
        elif (home / DATABASE_FILE).exists():
            account, region = home.parent.name.split(".", 1)
            _load_database(backends[account][region], home)


def reload_database(folder: Path, backend: Any, name: str) -> None:
    """Make a database in memory what it is on disk, after a change that could not be kept."""
    backend.databases.pop(name, None)
    home = _home(folder, backend, name)
    if (home / DATABASE_FILE).exists():
        _load_database(backend, home)


def _load_database(backend: Any, home: Path) -> None:
    from moto.glue.models import FakeDatabase

    kept = json.loads((home / DATABASE_FILE).read_text())
    database = FakeDatabase(kept["name"], kept["input"], kept["catalog_id"])
    database.created_time = datetime.fromisoformat(kept["created"])
    for path in sorted(home.glob("table-*.json")):
        name = unquote(path.stem.removeprefix("table-"))
        database.tables[name] = _load_table(database, name, json.loads(path.read_text()))
    backend.databases[database.name] = database


def _table(table: Any) -> Json:
    updated = table.updated_time
    return {
        "input": table.versions[str(table._current_version)],
        "catalog_id": table.catalog_id,
        "version": table._current_version,
        "created": table.created_time.isoformat(),
        "updated": updated.isoformat() if updated else None,
        "partitions": [
            {"input": p.partition_input, "created": p.creation_time.isoformat()} for p in table.partitions.values()
        ],
    }


def _load_table(database: Any, name: str, kept: Json) -> Any:
    from moto.glue.models import FakePartition, FakeTable

    table = FakeTable(database.name, name, kept["input"], kept["catalog_id"])
    table._current_version = kept["version"]
    table.versions = {str(kept["version"]): kept["input"]}
    table.created_time = datetime.fromisoformat(kept["created"])
    table.updated_time = datetime.fromisoformat(kept["updated"]) if kept["updated"] else None
    for p in kept["partitions"]:
        partition = FakePartition(database.name, name, p["input"])
        partition.creation_time = datetime.fromisoformat(p["created"])
        table.partitions[str(partition.values)] = partition
    return table


def _home(folder: Path, backend: Any, database: str) -> Path:
    return folder / f"{backend.account_id}.{backend.region_name}" / quote(database, safe="")


def _write(path: Path, value: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        file.write(json.dumps(value))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def touched(call: str, parameters: Json) -> tuple[str, list[str]]:
    """The database and the tables that a writing call of Glue's API names; no tables where it is about a database."""
    if call.endswith("_database"):
        return parameters.get("Name") or parameters["DatabaseInput"]["Name"], []
    tables: dict[str, Callable[[], list[str]]] = {
        "create_table": lambda: [parameters["TableInput"]["Name"]],
        "update_table": lambda: [parameters["TableInput"]["Name"]],
        "delete_table": lambda: [parameters["Name"]],
        "batch_delete_table": lambda: list(parameters["TablesToDelete"]),
    }
    find = tables.get(call, lambda: [parameters["TableName"]])
    return parameters["DatabaseName"], find()
