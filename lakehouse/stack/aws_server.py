"""What runs as the local AWS API: moto, with a Glue that keeps its catalog and refuses stale writers as AWS does.

    python -m lakehouse.stack.aws_server --port 5000 --state DIR

Differences from AWS that remain are moto's: no IAM checks, Athena's queries return nothing, crawlers find nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

# Calls after which the catalog on disk is written anew. Reading calls leave it alone.
WRITES = (
    "create_database", "update_database", "delete_database",
    "create_table", "update_table", "delete_table", "batch_delete_table",
    "create_partition", "update_partition", "delete_partition",
    "batch_create_partition", "batch_update_partition", "batch_delete_partition",
)  # fmt: skip
# Trino calls these after each write, and moto does not know them; AWS answers them with nothing where there is nothing.
EMPTY_ANSWERS: dict[str, dict[str, list[Any]]] = {
    "delete_column_statistics_for_table": {},
    "delete_column_statistics_for_partition": {},
    "update_column_statistics_for_table": {"Errors": []},
    "update_column_statistics_for_partition": {"Errors": []},
    "get_column_statistics_for_table": {"ColumnStatisticsList": [], "Errors": []},
    "get_column_statistics_for_partition": {"ColumnStatisticsList": [], "Errors": []},
}
LOCK = threading.RLock()


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

    from moto.server import main as serve

    complete_glue(options.state / "glue.json")
    serve(["-H", "127.0.0.1", "-p", str(options.port)])


def complete_glue(path: Path) -> None:
    """Give moto's Glue what it lacks, and the catalog that is kept at `path`."""
    from moto.core.responses import ActionResult
    from moto.glue.responses import GlueResponse

    for name in WRITES:
        setattr(GlueResponse, name, _kept(getattr(GlueResponse, name), path, checks_version=name == "update_table"))
    for name, answer in EMPTY_ANSWERS.items():
        setattr(GlueResponse, name, lambda self, answer=answer: ActionResult(dict(answer)))
    load_catalog(path)


def _kept(method: Callable[..., Any], path: Path, *, checks_version: bool) -> Callable[..., Any]:
    """The call under one lock, so that check and change are one step, and on disk before it is answered."""

    @wraps(method)
    def call(self: Any) -> Any:
        with LOCK:
            if checks_version:
                _refuse_stale(self)
            answer = method(self)
            save_catalog(path)
        return answer

    return call


def _refuse_stale(response: Any) -> None:
    """AWS: an UpdateTable whose VersionId is not the current one fails with ConcurrentModificationException."""
    from moto.glue.exceptions import GlueClientError

    expected = response.parameters.get("VersionId")
    if expected is None:
        return
    name = response.parameters["TableInput"]["Name"]
    table = response.glue_backend.get_table(response.parameters["DatabaseName"], name)
    if str(expected) != str(table._current_version):
        raise GlueClientError(
            "ConcurrentModificationException", f"Table {name} is at version {table._current_version}, not {expected}"
        )


def save_catalog(path: Path) -> None:
    """Write every account's databases, tables (their current version) and partitions; atomic."""
    from moto.glue.models import glue_backends

    catalog = [
        {
            "account": account,
            "region": region,
            "databases": [_database(d) for d in glue_backends[account][region].databases.values()],
        }
        for account in glue_backends
        for region in glue_backends[account]
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        json.dump([c for c in catalog if c["databases"]], file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def load_catalog(path: Path) -> None:
    """Fill moto's Glue with what was kept."""
    from moto.glue.models import FakeDatabase, FakeTable, glue_backends

    if not path.exists():
        return
    for kept in json.loads(path.read_text()):
        backend = glue_backends[kept["account"]][kept["region"]]
        for d in kept["databases"]:
            database = FakeDatabase(d["name"], d["input"], d["catalog_id"])
            backend.databases[d["name"]] = database
            for t in d["tables"]:
                table = FakeTable(d["name"], t["name"], t["input"], t["catalog_id"])
                table._current_version = t["version"]
                table.versions = {str(t["version"]): t["input"]}
                for partition in t["partitions"]:
                    table.create_partition(partition)
                database.tables[t["name"]] = table


def _database(database: Any) -> dict[str, Any]:
    return {
        "name": database.name,
        "input": database.input,
        "catalog_id": database.catalog_id,
        "tables": [
            {
                "name": t.name,
                "input": t.versions[str(t._current_version)],
                "catalog_id": t.catalog_id,
                "version": t._current_version,
                "partitions": [p.partition_input for p in t.partitions.values()],
            }
            for t in database.tables.values()
        ],
    }


if __name__ == "__main__":
    main()
