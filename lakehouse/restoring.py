"""`lakehouse restore`: what is named, a dump or a run of the lake, and back into the source with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path

from lakehouse.ask import moment_of
from lakehouse.catalog.bronze import Manifest, latest_manifest, manifest_of_run
from lakehouse.engines.duckdb import open_duckdb, use_lake
from lakehouse.errors import SourceError, UsageError
from lakehouse.extract.rebuild import rebuild_tables
from lakehouse.extract.restore import RestoreResult, restore_dump
from lakehouse.model import load_graph
from lakehouse.names import RUN_ID
from lakehouse.project import Project
from lakehouse.store import Store


def restore(
    project: Project,
    what: str,
    tables: Sequence[str] = (),
    *,
    replace: bool = False,
    report: Callable[[str], None],
) -> RestoreResult:
    """Load a pg_dump file, or bronze as it was at the end of a run, into the project's source.

    Raises:
        SourceError: `what` is neither, or PostgreSQL refused; the database is as it was before.
        UsageError: `tables` names one that bronze does not have.
    """
    if what.startswith("s3://") or Path(what).exists() or not RUN_ID.fullmatch(what):
        s3 = Store(project.lake).client if what.startswith("s3://") else None
        return restore_dump(what, project.source, s3=s3, report=report)
    store = Store(project.lake)
    manifests = _manifests(project, store, what, tables)
    with open_duckdb(project) as con:
        use_lake(con, project.lake)
        return rebuild_tables(con, store, manifests, project.source, replace=replace, report=report)


def _manifests(project: Project, store: Store, run_id: str, tables: Sequence[str]) -> list[Manifest]:
    """Each table as `run_id` left it: copied by it, or before it."""
    known = [m.name.table for m in load_graph(project.root).layer("bronze")]
    for table in tables:
        if table.removeprefix("bronze.") not in known:
            close = get_close_matches(table, known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(known[:12])}."
            raise UsageError(f"bronze has no table {table!r}. {hint}")
    if store.get_json(store.layout.run_record(run_id)) is None:
        raise SourceError(
            f"{run_id}: there is no such file, and no such run in this lake. Nothing was restored. "
            "Give the path of a pg_dump file, or a run: lakehouse runs"
        )
    chosen = [t.removeprefix("bronze.") for t in tables] or known
    moment = moment_of(store, run_id)
    name = project.source.name
    found = [manifest_of_run(store, name, t, run_id) or latest_manifest(store, name, t, moment) for t in chosen]
    manifests = [m for m in found if m is not None]
    if not manifests:
        raise SourceError(
            f"{run_id}: bronze held none of {', '.join(chosen[:12])} after that run. Nothing was restored."
        )
    return manifests
