"""What happened: runs, versions of a table, rows in quarantine; all read from the lake itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lakehouse.catalog.iceberg import QUARANTINED, RUN_ID, Catalog
from lakehouse.engines.duckdb import open_duckdb, use_lake
from lakehouse.errors import UsageError
from lakehouse.model import load_graph
from lakehouse.names import TableName
from lakehouse.project import Project
from lakehouse.promote.quarantine import read_quarantine
from lakehouse.store import Store


def list_runs(project: Project, last: int) -> list[dict[str, Any]]:
    """The newest `last` run records, newest first, each as counts of its tables' outcomes."""
    store = Store(project.lake)
    records = [o for o in store.find(store.layout.runs) if o.key != store.layout.run_lock]
    newest = sorted(records, key=lambda o: o.modified_at, reverse=True)[:last]
    return [_run_line(found) for o in newest if (found := store.get_json(o.key))]


def list_versions(project: Project, table: str) -> list[dict[str, Any]]:
    """The versions of a silver or gold table that its metadata still knows, newest first.

    Raises:
        UsageError: no such table, or a bronze one.
    """
    name = find_table(project, table, ("silver", "gold"))
    found = Catalog(Store(project.lake)).load(name)
    if found is None:
        return []
    current = found.current_snapshot()
    lines = []
    for snapshot in sorted(found.snapshots(), key=lambda s: s.timestamp_ms, reverse=True):
        summary = snapshot.summary.additional_properties if snapshot.summary else {}
        lines.append(
            {
                "version": snapshot.snapshot_id,
                "committed": datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC).isoformat(timespec="seconds"),
                "run": summary.get(RUN_ID, "another writer"),
                "rows": int(summary.get("total-records", 0)),
                "added": int(summary.get("added-data-files", 0)),
                "removed": int(summary.get("deleted-data-files", 0)),
                "quarantined": int(summary.get(QUARANTINED, 0)),
                "live": current is not None and snapshot.snapshot_id == current.snapshot_id,
            }
        )
    return lines


def quarantined_rows(project: Project, table: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Columns and rows of a table's quarantine, with the expectation that each failed.

    Raises:
        UsageError: no such table.
    """
    name = find_table(project, table, ("silver", "gold"))
    store = Store(project.lake)
    with open_duckdb(project) as con:
        use_lake(con, project.lake)
        return read_quarantine(con, store, name)


def find_table(project: Project, table: str, layers: Sequence[str]) -> TableName:
    """The table that `table` names: with its layer, or alone where only one layer has it.

    Raises:
        UsageError: none, or several.
    """
    names = [n for n in load_graph(project.root).models if n.layer in layers]
    found = [n for n in names if table in (str(n), n.table)]
    if len(found) != 1:
        which = ", ".join(str(n) for n in found or names)
        raise UsageError(f"{table!r} names {'several tables' if found else 'no table here'}. One of: {which}.")
    return found[0]


def _run_line(record: dict[str, Any]) -> dict[str, Any]:
    started, finished = (datetime.fromisoformat(record[k]) for k in ("started_at", "finished_at"))
    outcomes = [s["outcome"] for s in record["steps"]]
    counts = {o: outcomes.count(o) for o in ("done", "nothing", "gate", "failed", "blocked")}
    return {
        "run": record["run_id"],
        "started": record["started_at"][:19],
        "seconds": round((finished - started).total_seconds(), 1),
        **counts,
        "rows": sum(s["rows"] for s in record["steps"]),
        "exit": record["exit_code"],
    }
