"""The order of the steps: extract, gate and register bronze, then promote each model; and the record of it all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.catalog.bronze import Manifest, bronze_select, latest_manifest, manifest_of_run, put_manifest
from lakehouse.catalog.glue import register_bronze
from lakehouse.catalog.iceberg import Catalog
from lakehouse.catalog.reader_file import publish_reader_file
from lakehouse.engines import Engine, open_cluster
from lakehouse.engines.duckdb import open_duckdb, use_lake
from lakehouse.errors import GateFailed, LakehouseError
from lakehouse.extract.bronze import BronzeCopy, Extraction, extract_table
from lakehouse.extract.source import attach_source, detach_source, open_snapshot
from lakehouse.lease import hold_lease
from lakehouse.model import Model, ModelGraph, load_graph
from lakehouse.names import RUN_ID, TableName, new_run_id
from lakehouse.project import Project
from lakehouse.promote.gate import run_gate
from lakehouse.promote.inputs import Inputs, expose
from lakehouse.promote.promotion import Promoter, Promotion, promote_table
from lakehouse.promote.suites import load_suite, suite_columns
from lakehouse.promote.verdict import Verdict, gate_failure
from lakehouse.record import Outcome, Progress, RunResult, Silent, StepResult
from lakehouse.scan import Tables, check_cap
from lakehouse.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BRONZE_VIEW = "gate.bronze"


@dataclass
class Session:
    """One open lake: the connection and clients a run shares, and what has happened so far."""

    project: Project
    graph: ModelGraph
    con: DuckDBPyConnection
    store: Store
    catalog: Catalog
    inputs: Inputs
    run_id: str
    progress: Progress
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    steps: list[StepResult] = field(default_factory=list)
    snapshot: str | None = None
    engine: str | None = None  # for every model of this run, whatever project and headers say

    def cluster_of(self, model: Model) -> Engine | None:
        """Who runs a model's SELECT; None is DuckDB."""
        name = self.engine or model.engine or self.project.engine.default
        return None if name == "duckdb" else open_cluster(self.project, name)

    def check_cost(self, engine: Engine, select: str, place: str) -> None:
        """Raises EngineError where Athena would scan more for `select` than the project allows."""
        if engine.name == "athena":
            check_cap(select, Tables(self.inputs.table, self.inputs.manifest), self.project.athena.max_bytes, place)

    def add(self, result: StepResult) -> None:
        self.steps.append(result)
        self.progress.end(result)

    def blocked_by(self, model: Model) -> str | None:
        """The table whose failure in this run keeps `model` from being made."""
        bad = {str(s.table) for s in self.steps if s.outcome in ("failed", "gate", "blocked")}
        return next((r for r in model.reads if r in bad), None)


@contextmanager
def open_session(project: Project, run_id: str | None = None, progress: Progress | None = None) -> Iterator[Session]:
    """Open the project's lake, with its models loaded and everything checked that costs nothing to check.

    Raises:
        ProjectError, ModelError: the project is wrong.
        LakeError: the bucket is missing, refuses, or does not answer.
    """
    graph = load_graph(project.root)
    store = Store(project.lake)
    store.check()
    catalog = Catalog(store)
    with open_duckdb(project) as con:
        use_lake(con, project.lake)
        inputs = Inputs(catalog, project.source_name)
        yield Session(project, graph, con, store, catalog, inputs, run_id or new_run_id(), progress or Silent())


def run_lake(
    project: Project,
    tables: Sequence[str] = (),
    *,
    full: bool = False,
    run_id: str | None = None,
    steps: Sequence[str] = ("bronze", "silver", "gold"),
    progress: Progress | None = None,
    engine: str | None = None,
) -> RunResult:
    """Bring the lake, or `tables` and what they depend on, up to date; repeat it as often as you like.

    `steps` restricts it to some layers; `engine` runs silver and gold models whatever their headers say. A table that
    fails blocks only what depends on it; its error is in the result.

    Raises:
        RunInProgress: another run is at work on this lake.
        LakehouseError: nothing could be begun; nothing was changed.
    """
    check_run_id(run_id)
    with open_session(project, run_id, progress) as session:
        session.engine = engine
        chosen = [m for m in session.graph.select(tables) if m.name.layer in steps]
        with hold_lease(session.store, session.run_id):
            session.progress.start(len(chosen))
            try:
                bronze = [m for m in chosen if m.name.layer == "bronze"]
                if bronze:
                    extract_models(session, bronze, full=full)
                for model in chosen:
                    if model.name.layer != "bronze":
                        promote_model(session, model, full=full)
                publish_views(session)
            finally:
                result = finish(session)
    return result


def check_run_id(run_id: str | None) -> None:
    """Raises LakehouseError where `run_id` could not be part of a key."""
    if run_id is not None and not RUN_ID.fullmatch(run_id):
        raise LakehouseError(
            f"--run-id {run_id!r} cannot be part of an object's key. Use letters, digits and . _ - + :, at most 120."
        )


def extract_models(session: Session, models: Sequence[Model], *, full: bool) -> None:
    """Copy every table in one snapshot; then gate each copy and make it exist."""
    for model, copy, previous in copy_tables(session, models, full=full):
        accept_copy(session, model, copy, previous)


def copy_tables(
    session: Session, models: Sequence[Model], *, full: bool
) -> list[tuple[Model, BronzeCopy, Manifest | None]]:
    """Copy every table in one snapshot: model, copy, and the manifest it goes on from. Nothing of it exists yet.

    A table that fails, or that this run has copied before, is a step of the session instead.
    """
    source = session.project.source
    copies: list[tuple[Model, BronzeCopy, Manifest | None]] = []
    with open_snapshot(source) as snapshot:
        session.snapshot = snapshot.id.snapshot
        attach_source(session.con, snapshot)
        try:
            job = Extraction(session.con, snapshot, session.store, session.run_id, session.started_at)
            for model in models:
                session.progress.begin(model.name)
                session.progress.phase(model.name, "extract")
                try:
                    done = manifest_of_run(session.store, source.name, model.name.table, session.run_id)
                    if done is not None:
                        session.add(StepResult(model.name, "nothing", "done", "this run copied it before"))
                        continue
                    previous = latest_manifest(session.store, source.name, model.name.table)
                    copies.append((model, extract_table(job, model, previous, full=full), previous))
                except LakehouseError as e:
                    session.add(_failed(model.name, e))
                    # The failure ended DuckDB's transaction; the other tables read the same snapshot in a new one.
                    detach_source(session.con)
                    attach_source(session.con, snapshot)
        finally:
            detach_source(session.con)
    return copies


def accept_copy(session: Session, model: Model, copy: BronzeCopy, previous: Manifest | None) -> None:
    """Gate one copy; passed, put its manifest and show it to Glue."""
    began, verdict = time.monotonic(), None
    try:
        manifest = copy.manifest
        if manifest is not None:
            session.progress.phase(model.name, "gate")
            if manifest.link.parts or manifest.link.kind == "full":
                verdict = _gate_bronze(session, model, manifest)
            put_manifest(session.store, manifest)
            session.inputs.forget(model.name)
        live = manifest or previous
        if live is not None:
            session.progress.phase(model.name, "register")
            register_bronze(session.catalog, live)
    except LakehouseError as e:
        session.add(_failed(model.name, e))
        return
    session.add(
        StepResult(
            model.name,
            "done" if copy.manifest else "nothing",
            copy.change.kind if copy.manifest else "nothing",
            copy.change.reason,
            rows=copy.upserts,
            deleted=copy.deletes,
            rows_read=copy.rows_read,
            bytes_scanned=copy.bytes_scanned,
            rows_total=(live.source_rows or 0) if live else 0,
            size_bytes=copy.size_bytes,
            seconds=copy.seconds + time.monotonic() - began,
            verdict=verdict,
        )
    )


def promote_model(session: Session, model: Model, *, full: bool) -> None:
    """Promote one table, unless something it reads failed in this run."""
    blocker = session.blocked_by(model)
    if blocker:
        message = f"not made: {blocker} failed in this run; readers still see the version before"
        session.add(StepResult(model.name, "blocked", "nothing", message))
        return
    session.progress.begin(model.name)
    try:
        job = Promoter(
            session.con,
            session.catalog,
            session.inputs,
            session.project.root / "expectations",
            session.run_id,
            lambda phase: session.progress.phase(model.name, phase),
            session.cluster_of(model),
            lambda engine, select: session.check_cost(engine, select, f"{model.path}: {model.name}"),
        )
        done = promote_table(job, model, full=full)
    except LakehouseError as e:
        session.add(_failed(model.name, e))
        return
    session.add(_promoted(done))


def publish_views(session: Session) -> None:
    """Write lake.duckdb over the versions that are live now, if they differ from those it has."""
    selects: dict[str, str] = {}
    for model in session.graph.models.values():
        select = session.inputs.select(str(model.name))
        if select is not None:
            selects[str(model.name)] = select
    if selects:
        publish_reader_file(session.con, session.store, selects)


def finish(session: Session) -> RunResult:
    """Close the run: its record is the last thing it writes, and a repeated run writes it anew."""
    result = RunResult(session.run_id, session.started_at, datetime.now(UTC), session.snapshot, tuple(session.steps))
    session.store.put_json(session.store.layout.run_record(session.run_id), result.to_json())
    return result


def _gate_bronze(session: Session, model: Model, manifest: Manifest) -> Verdict:
    suite = load_suite(expectations_of(session.project.root, model.name), model.name)
    lines = bronze_select(session.store, manifest, (manifest.link,))
    expose(session.con, {})
    # A table, not a view: each expectation would read and parse the lines again. Only what the suite looks at is kept.
    columns = suite_columns(suite, [c.name for c in manifest.columns])
    session.con.execute(
        f"create or replace table {BRONZE_VIEW} as select {columns} from ({lines}) where _op = 'upsert'"
    )
    whole = BRONZE_VIEW if manifest.link.kind == "full" else None
    verdict = run_gate(session.con, suite, run_id=session.run_id, staged=BRONZE_VIEW, candidate=whole)
    session.con.execute(f"drop table {BRONZE_VIEW}")
    if verdict.blocking:
        raise gate_failure(verdict)
    return verdict


def expectations_of(root: Path, name: TableName) -> Path:
    """The file of a table's suite."""
    return root / "expectations" / name.layer / f"{name.table}.json"


def _failed(name: TableName, error: LakehouseError) -> StepResult:
    verdict: Verdict | None = getattr(error, "verdict", None)
    outcome: Outcome = "gate" if isinstance(error, GateFailed) else "failed"
    return StepResult(name, outcome, "nothing", str(error), verdict=verdict, retryable=error.retryable)


def _promoted(done: Promotion) -> StepResult:
    evolved = f"; columns: {', '.join(done.evolved)}" if done.evolved else ""
    return StepResult(
        done.name,
        "nothing" if done.snapshot_id is None else "done",
        done.work.scope,
        done.work.reason + evolved,
        rows=done.rows_staged,
        rows_total=done.rows_total,
        quarantined=done.rows_quarantined,
        size_bytes=done.size_bytes,
        files_added=done.files_added,
        files_removed=done.files_removed,
        seconds=done.seconds,
        verdict=done.verdict,
        snapshot_id=done.snapshot_id,
        receipt=done.receipt,
    )


def register_again(session: Session) -> list[str]:
    """Bring Glue's bronze tables and lake.duckdb to what the lake holds; the tables that were registered.

    Raises:
        CatalogError: Glue refused or failed; call again.
    """
    registered = []
    for model in session.graph.layer("bronze"):
        manifest = session.inputs.manifest(model.name.table)
        if manifest is not None:
            register_bronze(session.catalog, manifest)
            registered.append(str(model.name))
    publish_views(session)
    return registered
