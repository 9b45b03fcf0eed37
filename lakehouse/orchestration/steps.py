"""The work of each task of a DAG: validate, extract, one table at a time, report. Repeating a step repeats nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lakehouse.catalog.bronze import latest_manifest, manifest_of_run
from lakehouse.catalog.iceberg import TableVersion, current_version
from lakehouse.errors import LakehouseError
from lakehouse.extract.bronze import BronzeCopy
from lakehouse.extract.changes import Change, source_query
from lakehouse.extract.restore import RestoreResult, restore_dump
from lakehouse.extract.source import open_snapshot
from lakehouse.lease import begin_shared, join_shared, release_shared
from lakehouse.model import Model, ModelGraph, load_graph
from lakehouse.orchestration.records import (
    copy_from_json,
    copy_to_json,
    put_extraction,
    put_step,
    raise_failure,
    read_extraction,
    read_step,
    run_record,
    without_values,
)
from lakehouse.project import Project
from lakehouse.record import Progress, StepResult
from lakehouse.run import Session, accept_copy, check_run_id, copy_tables, open_session, promote_model, publish_views
from lakehouse.store import Store

Report = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One run in steps: where, under which id, of which tables (none: all), and whether everything is made anew."""

    project: Project
    run_id: str
    tables: tuple[str, ...] = ()
    full: bool = False
    progress: Progress | None = None

    def chosen(self, graph: ModelGraph, layers: Sequence[str] = ("bronze", "silver", "gold")) -> list[Model]:
        return [m for m in graph.select(self.tables) if m.name.layer in layers]


def restore_source(project: Project, dump: str, report: Report) -> RestoreResult:
    """Load a dump into the source; a relative path is the project's, an s3:// URL is read as the lake is.

    Raises:
        SourceError: the database is as it was before.
    """
    if dump.startswith("s3://"):
        return restore_dump(dump, project.source, s3=Store(project.lake).client, report=report)
    return restore_dump(str(project.root / dump), project.source, report=report)


def validate_source(job: Job) -> dict[str, int]:
    """See that the source answers, and has every table and column that the bronze models name.

    Raises:
        SourceError: it does not.
    """
    check_run_id(job.run_id)
    models = job.chosen(load_graph(job.project.root), ("bronze",))
    columns = 0
    with open_snapshot(job.project.source) as snapshot:
        for model in models:
            table = snapshot.describe(model.reads[0].removeprefix("source."))
            columns += len(snapshot.result_columns(source_query(model, table), table))
    return {"tables": len(models), "columns": columns}


def extract_tables(job: Job) -> dict[str, int]:
    """Copy every table in one snapshot; nothing of it exists until its own step has gated it.

    A table that cannot be copied fails in its own step, so that the others go on; a fault that passes fails this one.

    Raises:
        RunInProgress: another run is at work on this lake.
        LakehouseError: retryable, and nothing became visible.
    """
    with open_session(job.project, job.run_id, job.progress) as session, begin_shared(session.store, job.run_id):
        models = job.chosen(session.graph, ("bronze",))
        before = read_extraction(session.store, job.run_id)
        settled = _settled(session, before, models)
        again = [m for m in models if m.name.table not in settled]
        if again:
            copies = copy_tables(session, again, full=job.full)
            for step in session.steps:
                if step.outcome == "failed" and step.retryable:
                    raise_failure(step)
            tables = settled | {m.name.table: copy_to_json(copy, previous) for m, copy, previous in copies}
            tables |= {s.table.table: _ended(s) for s in session.steps}
            started = before["started_at"] if before else session.started_at.isoformat(timespec="milliseconds")
            extraction = {"started_at": started, "snapshot": session.snapshot, "tables": tables}
            put_extraction(session.store, job.run_id, extraction)
            rows = sum(copy.upserts + copy.deletes for _, copy, _ in copies)
            return {"tables": len(again), "changed": sum(c.manifest is not None for _, c, _ in copies), "rows": rows}
    return {"tables": 0, "changed": 0, "rows": 0}


def make_table(job: Job, table: str) -> dict[str, Any] | None:
    """Make one table of the run: gate and accept a bronze copy, or promote; None where the run does not want it.

    Raises:
        GateFailed: readers still see the version before.
        RunInProgress: another run is at work on this lake.
        LakehouseError: likewise nothing became visible; the error knows whether a repetition can help.
    """
    with open_session(job.project, job.run_id, job.progress) as session:
        model = next((m for m in job.chosen(session.graph) if str(m.name) == table), None)
        if model is None:
            return None
        with join_shared(session.store, job.run_id):
            if model.name.layer == "bronze":
                _accept(session, model)
            else:
                version = current_version(found) if (found := session.inputs.table(model.name)) else None
                ours = version if version and version.run_id == job.run_id else None
                promote_model(session, model, full=job.full and not ours)
                if ours:
                    _recover(session, ours)
            step = without_values(session.steps[-1])
            put_step(session.store, job.run_id, step)
    raise_failure(step)
    return {
        "table": table,
        "outcome": step.outcome,
        "rows": step.rows,
        "deleted": step.deleted,
        "rows_total": step.rows_total,
        "quarantined": step.quarantined,
        "version": step.snapshot_id,
    }


def report_run(job: Job) -> dict[str, Any]:
    """Publish the reader's views, write the run record, end the run's lease; whatever happened before.

    Raises:
        LakehouseError: S3 or Glue failed; calling it again repairs it.
    """
    with open_session(job.project, job.run_id, job.progress) as session:
        with join_shared(session.store, job.run_id):
            publish_views(session)
        chosen = [m.name for m in job.chosen(session.graph)]
        record = run_record(session.store, session.graph, job.run_id, chosen)
        session.store.put_json(session.store.layout.run_record(job.run_id), record)
        release_shared(session.store, job.run_id)
    return record


def links_of(project: Project, run_id: str, table: str | None = None) -> dict[str, str]:
    """Where to look: the run's record and site, and a table's quarantine."""
    layout = project.lake.layout
    links = {"run record": layout.url(layout.run_record(run_id)), "data docs": layout.url(layout.site)}
    name = next((n for n in load_graph(project.root).models if str(n) == table), None)
    if name is not None and name.layer != "bronze":
        links["quarantined rows"] = layout.url(layout.quarantine(name))
    return links


def _settled(session: Session, before: dict[str, Any] | None, models: list[Model]) -> dict[str, Any]:
    """What an earlier attempt copied and no gate has refused since."""
    settled = {}
    for model in models:
        entry = before["tables"].get(model.name.table) if before else None
        if entry is not None and not entry.get("error"):
            step = read_step(session.store, session.run_id, model.name)
            if step is None or step["outcome"] not in ("gate", "failed"):
                settled[model.name.table] = entry
    return settled


def _ended(step: StepResult) -> dict[str, Any]:
    """A table for which extract had nothing to hand on: it failed for good, or this run id has copied it before."""
    change = {"kind": "increment", "reason": step.message}
    error = step.message if step.outcome == "failed" else None
    return {
        "change": change,
        "manifest": None,
        "previous": None,
        "seconds": 0.0,
        "rows_read": 0,
        "bytes_scanned": 0,
        "error": error,
    }


def _accept(session: Session, model: Model) -> None:
    extraction = read_extraction(session.store, session.run_id)
    entry = extraction and extraction["tables"].get(model.name.table)
    if not entry:
        raise LakehouseError(
            f"{model.name}, run {session.run_id}: the run has not copied it, so there is nothing to gate. Nothing was "
            "changed. Clear the task extract of this DAG run too."
        )
    if entry.get("error"):
        session.add(StepResult(model.name, "failed", "nothing", entry["error"]))
        return
    source, copy = session.project.source.name, copy_from_json(model.name.table, entry)
    ours = manifest_of_run(session.store, source, model.name.table, session.run_id)
    if ours is not None:  # accepted before; Glue may not know it yet
        accept_copy(
            session, model, BronzeCopy(model.name.table, _nothing("this run copied it before"), None, 0.0, 0, 0), ours
        )
        if read_step(session.store, session.run_id, model.name) is None and session.steps[-1].outcome == "nothing":
            session.steps[-1] = replace(
                session.steps[-1],
                outcome="done",
                scope=copy.change.kind,
                rows=copy.upserts,
                deleted=copy.deletes,
                size_bytes=copy.size_bytes,
            )
        return
    latest = latest_manifest(session.store, source, model.name.table)
    newer = _newer_run(copy, latest, entry["previous"])
    if newer is not None:
        copy = replace(copy, manifest=None, change=_nothing(f"run {newer} copied it since, and holds all of this copy"))
    accept_copy(session, model, copy, latest)


def _recover(session: Session, version: TableVersion) -> None:
    """The result of an attempt that was killed after its commit, so that the record tells what the run did."""
    step = session.steps[-1]
    if step.outcome == "nothing" and read_step(session.store, session.run_id, step.table) is None:
        session.steps[-1] = replace(step, outcome="done", rows=version.rows, snapshot_id=version.snapshot_id)


def _nothing(reason: str) -> Change:
    return Change("increment", reason, "")


def _newer_run(copy: BronzeCopy, latest: Any, previous: str | None) -> str | None:
    """The run that was faster: it read a later state, so accepting this copy after it would hide rows again."""
    if copy.manifest is None or latest is None or latest.run_id == previous:
        return None
    is_newer = latest.snapshot.taken_at >= copy.manifest.snapshot.taken_at
    return str(latest.run_id) if is_newer else None
