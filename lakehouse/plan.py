"""What a run would do and why: the run's own decisions, on what it would find; nothing is written to the lake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from lakehouse.catalog.bronze import Manifest, bronze_select, latest_manifest
from lakehouse.catalog.iceberg import current_version, files_select, live_files
from lakehouse.catalog.types import duckdb_type
from lakehouse.errors import LakehouseError, ModelError
from lakehouse.extract.bronze import Extraction
from lakehouse.extract.forecast import Forecast, forecast_table
from lakehouse.extract.source import attach_source, detach_source, open_snapshot
from lakehouse.model import Model
from lakehouse.names import TableName, quote
from lakehouse.project import Project
from lakehouse.promote.changed import why_not_by_partition
from lakehouse.promote.drift import find_differences, judge_differences
from lakehouse.promote.inputs import expose, parse_table
from lakehouse.promote.plan import Work, plan_model
from lakehouse.promote.promotion import translated
from lakehouse.promote.stage import partition_value, run_sql
from lakehouse.promote.suites import load_suite
from lakehouse.run import Session, expectations_of, open_session

Outcome = Literal["done", "nothing", "failed", "blocked"]


@dataclass(frozen=True)
class PlannedStep:
    """What a run would do with one table. Counts and partitions are None where only the run itself will know.

    `rows` are the lines of bronze that come, or the changed rows that a silver model is run over; `rows_total` the rows
    at the source; `partitions` those that changed rows leave or reach.
    """

    table: TableName
    outcome: Outcome
    scope: str
    reason: str
    rows: int | None = None
    deleted: int | None = None
    rows_total: int | None = None
    partitions: tuple[str, ...] | None = None
    drift: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "table": str(self.table)}


@dataclass
class _Planning:
    """A plan in the making: the open session, and what the tables before would come to."""

    session: Session
    full: bool
    steps: dict[str, PlannedStep] = field(default_factory=dict)
    forecasts: dict[str, Forecast] = field(default_factory=dict)

    def manifest(self, reference: str) -> Manifest | None:
        planned = self.forecasts.get(reference)
        return planned.manifest if planned else self.session.inputs.manifest(parse_table(reference).table)

    def version(self, reference: str) -> str | None:
        """What the run would find of a table: as it is now, or as the run itself would have made it."""
        step = self.steps.get(reference)
        if reference in self.forecasts:
            return self.forecasts[reference].manifest.run_id
        return self.session.run_id if step and step.outcome == "done" else self.session.inputs.version(reference)


def plan_run(project: Project, tables: Sequence[str] = (), *, full: bool = False) -> list[PlannedStep]:
    """What `run_lake` with these arguments would do now, table by table.

    Raises:
        LakehouseError: the project is wrong, or the source or the lake cannot be reached.
    """
    with open_session(project) as session:
        chosen = session.graph.select(tables)
        planning = _Planning(session, full)
        with open_snapshot(project.source) as snapshot:
            attach_source(session.con, snapshot)
            try:
                job = Extraction(session.con, snapshot, session.store, session.run_id, session.started_at)
                for model in chosen:
                    bronze = model.name.layer == "bronze"
                    step = _bronze(planning, job, model) if bronze else _promotion(planning, model)
                    planning.steps[str(model.name)] = step
            finally:
                detach_source(session.con)
    return list(planning.steps.values())


def _bronze(planning: _Planning, job: Extraction, model: Model) -> PlannedStep:
    session = planning.session
    try:
        load_suite(expectations_of(session.project.root, model.name), model.name)
        previous = latest_manifest(session.store, session.project.source.name, model.name.table)
        found = forecast_table(job, model, previous, full=planning.full)
    except LakehouseError as e:
        return PlannedStep(model.name, "failed", "nothing", str(e))
    planning.forecasts[str(model.name)] = found
    scope = "nothing" if found.is_nothing else found.change.kind
    outcome: Outcome = "nothing" if found.is_nothing else "done"
    counts = (found.upserts, found.deletes, found.source_rows)
    return PlannedStep(model.name, outcome, scope, found.change.reason, *counts, drift=found.drift)


def _promotion(planning: _Planning, model: Model) -> PlannedStep:
    blocker = next((r for r in model.reads if _fails(planning, r)), None)
    if blocker:
        return PlannedStep(model.name, "blocked", "nothing", f"{blocker} would fail")
    try:
        work, drift = _work(planning, model)
        partitions = _partitions(planning, model, work)
    except LakehouseError as e:
        return PlannedStep(model.name, "failed", "nothing", str(e))
    outcome: Outcome = "nothing" if work.scope == "nothing" else "done"
    rows = sum(link.rows for link in work.links) if work.scope == "by_key" else 0 if outcome == "nothing" else None
    return PlannedStep(model.name, outcome, work.scope, work.reason, rows, partitions=partitions, drift=drift)


def _fails(planning: _Planning, reference: str) -> bool:
    step = planning.steps.get(reference)
    return step is not None and step.outcome in ("failed", "blocked")


def _work(planning: _Planning, model: Model) -> tuple[Work, str]:
    """The run's decision on the versions it would find, and what it would tell of the source's drift."""
    session = planning.session
    suite = load_suite(expectations_of(session.project.root, model.name), model.name)
    table = session.inputs.table(model.name)
    version = current_version(table) if table else None
    versions = {reference: planning.version(reference) for reference in model.reads}
    missing = [reference for reference, found in versions.items() if found is None]
    if missing:
        raise ModelError(f"{model.path}: {missing[0]} has no committed version yet. Make it first: lakehouse run")
    manifests = {r: m for r in model.reads if r.startswith("bronze.") and (m := planning.manifest(r))}
    known = {reference: str(found) for reference, found in versions.items()}
    fresh = plan_model(model, version, known, manifests, suite.fingerprint, is_new=table is None, full=planning.full)
    drift = ""
    if version is not None and fresh.scope != "nothing" and version.model == model.fingerprint:
        differences = find_differences(session.store, version, manifests)
        drift = "; ".join(map(str, differences)) if planning.full else judge_differences(model, differences, [])
    if fresh.scope == "by_partition" and (why := why_not_by_partition(model)):
        fresh = replace(fresh, scope="full", reason=why)
    return fresh, drift


def _partitions(planning: _Planning, model: Model, work: Work) -> tuple[str, ...] | None:
    """For an update by key: the partitions that changed rows leave, and those that they reach."""
    session, table = planning.session, planning.session.inputs.table(model.name)
    if work.scope != "by_key" or table is None or not model.partition_by:
        return () if work.scope == "nothing" else None
    reference, lake = work.changed[0], session.store.lake
    manifest = planning.manifest(reference)
    assert manifest is not None
    planned = planning.forecasts.get(reference)
    here = [link for link in work.links if link.prefix]
    selects = [bronze_select(session.store, manifest, tuple(here))] if here else []
    selects += [planned.lines] if planned and not planned.is_nothing else []
    lines = " union all by name ".join(f"({s})" for s in selects)
    expose(session.con, {reference: lines})
    value = " || '/' || ".join(f"cast({partition_value(p)} as varchar)" for p in model.partition_by)
    types = {f.name: duckdb_type(f.field_type) for f in table.schema().fields}
    keys = ", ".join(quote(k) for k in model.key)
    cast = ", ".join(f"cast({quote(k)} as {types[k]}) as {quote(k)}" for k in model.key)
    now = files_select(table.schema(), [f.file_path for f in live_files(table)])
    left = f"select {value} as part from ({now}) semi join (select {cast} from ({lines})) using ({keys})"
    reached = f"select {value} as part from ({translated(session.con, model).select}\n) q"
    found = run_sql(session.con, f"select part from ({left} union {reached}) order by part", model, lake)
    return tuple(str(row[0]) for row in found)
