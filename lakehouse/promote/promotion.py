"""One model, one run: plan, stage, gate, commit. Whatever fails on the way, readers see the version before."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from lakehouse.catalog.bronze import Manifest
from lakehouse.catalog.iceberg import Catalog, TableVersion, current_version, files_select
from lakehouse.errors import CommitConflict, PortabilityError
from lakehouse.model import Model
from lakehouse.names import TableName, quote
from lakehouse.portable import install, table_schemas, to_duckdb
from lakehouse.promote.changed import KEYS, Replacement, replace_keys, replace_partitions
from lakehouse.promote.clone import stage_on_cluster
from lakehouse.promote.commit import Provenance, Target, commit_files, is_shaped, open_target
from lakehouse.promote.drift import added_columns, find_differences, judge_differences, with_columns
from lakehouse.promote.gate import run_gate
from lakehouse.promote.inputs import Inputs, expose, parse_table, versions_of
from lakehouse.promote.plan import Work, plan_model
from lakehouse.promote.quarantine import clear_quarantine, count_remaining, split_rows, write_quarantine
from lakehouse.promote.stage import StagedFiles, output_schema, stage_files
from lakehouse.promote.suites import Suite, load_suite
from lakehouse.promote.verdict import Verdict, gate_failure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyiceberg.table import Table

    from lakehouse.engines import Engine, Receipt
    from lakehouse.store import Store

STAGED, CANDIDATE = "gate.staged", "gate.candidate"


@dataclass(frozen=True)
class Promoter:
    """What promotions of one run share: the connection, the catalog, and where the suites are."""

    con: DuckDBPyConnection
    catalog: Catalog
    inputs: Inputs
    expectations: Path
    run_id: str
    report: Callable[[str], None] = field(default=lambda _: None)
    cluster: Engine | None = None  # who runs the SELECTs; DuckDB where there is none
    check_cost: Callable[[Engine, str], None] = field(default=lambda _engine, _select: None)


@dataclass(frozen=True)
class Promotion:
    """What happened to one table. `snapshot_id` is None where there was nothing to do."""

    name: TableName
    work: Work
    verdict: Verdict | None
    snapshot_id: int | None
    rows_staged: int
    rows_total: int
    rows_quarantined: int
    files_added: int
    files_removed: int
    size_bytes: int
    evolved: tuple[str, ...]
    seconds: float
    receipt: Receipt | None = None


def promote_table(job: Promoter, model: Model, *, full: bool = False) -> Promotion:
    """Bring one silver or gold table up to date.

    Raises:
        ModelError: the model or its suite is wrong.
        GateFailed: an expectation said no; the staged files stay for inspection until vacuumed.
        CommitConflict: another run committed to it first.
    """
    began = time.monotonic()
    suite = load_suite(job.expectations / model.name.layer / f"{model.name.table}.json", model.name)
    table = job.inputs.table(model.name)
    version = current_version(table) if table else None
    work, versions = plan_promotion(job, model, suite, version, is_new=table is None, full=full)
    model, work = _follow_drift(job, model, work, table, version, is_accepted=full)
    if work.scope == "nothing":
        assert version is not None
        elapsed = time.monotonic() - began
        return Promotion(model.name, work, None, None, 0, version.rows, version.quarantined_rows, 0, 0, 0, (), elapsed)
    _expose_inputs(job, model)
    model = translated(job.con, model)
    job.report("stage")
    wanted = output_schema(job.con, model, job.catalog.store.lake)
    if work.scope != "full" and (table is None or not is_shaped(table, wanted, model.partition_by, work.added)):
        work = Work("full", "the model's columns or partitions changed")
    target = open_target(job.catalog, model, table, wanted)
    work, replacement = _replacement(job, model, work, version, target)
    work, staged = _stage_replacement(job, target, work, replacement)
    _expose_inputs(job, model)
    job.report("gate")
    verdict = _gate(job, target, suite, staged, replacement)
    staged, quarantined = _divert(job, target, suite, staged, replacement, verdict)
    job.report("commit")
    aside = _aside(job, target, work)
    provenance = Provenance(job.run_id, versions, suite.fingerprint, count_remaining(job.con, *aside))
    made = _commit(job, target, staged, replacement, provenance)
    clear_quarantine(job.con, *aside)
    return Promotion(
        model.name,
        work,
        verdict,
        made.snapshot_id,
        staged.rows,
        made.rows,
        quarantined,
        len(staged.urls),
        len(replacement.removed),
        staged.size_bytes,
        target.evolved,
        time.monotonic() - began,
        staged.receipt,
    )


def _commit(
    job: Promoter, target: Target, staged: StagedFiles, replacement: Replacement, provenance: Provenance
) -> TableVersion:
    committed = commit_files(job.catalog, target, staged.urls, replacement.removed, provenance)
    job.inputs.forget(target.model.name)
    made = current_version(committed)
    if made is None:  # somebody changed the table between our commit and this look at it
        raise CommitConflict(
            f"{target.model.name}: another writer changed it right after this run's commit. Run again."
        )
    return made


def plan_promotion(
    job: Promoter, model: Model, suite: Suite, version: TableVersion | None, *, is_new: bool, full: bool
) -> tuple[Work, dict[str, str]]:
    """What there is to do for a model, and the versions of its inputs that this was decided on."""
    versions = versions_of(job.inputs, model.reads, str(model.path))
    manifests: dict[str, Manifest] = {}
    for reference in model.reads:
        name = parse_table(reference)
        manifest = job.inputs.manifest(name.table) if name.layer == "bronze" else None
        if manifest:
            manifests[reference] = manifest
    return plan_model(model, version, versions, manifests, suite.fingerprint, is_new=is_new, full=full), versions


def _follow_drift(
    job: Promoter, model: Model, work: Work, table: Table | None, version: TableVersion | None, *, is_accepted: bool
) -> tuple[Model, Work]:
    """The model as it must run over the source's columns as they are now, and what to say of them.

    `is_accepted` says that a person asked for these columns, whatever changed.

    Raises:
        ModelError: it must not run over them; the message shows the difference and the line.
    """
    if version is None or work.scope == "nothing" or version.model != model.fingerprint:
        return model, work
    manifests = {r: m for r in model.reads if r.startswith("bronze.") and (m := job.inputs.manifest(r[7:]))}
    differences = find_differences(job.catalog.store, version, manifests)
    taken: list[str] = []
    if model.on_drift == "add" and table is not None:
        _expose_inputs(job, model)
        own = {f.name for f in output_schema(job.con, translated(job.con, model), job.catalog.store.lake).fields}
        taken = [f.name for f in table.schema().fields if f.name not in own]
    said = "" if is_accepted else judge_differences(model, differences, taken)
    added = added_columns(differences, manifests, taken) if model.on_drift == "add" else []
    reason = f"{work.reason}; {said}" if said else work.reason
    return with_columns(model, added), replace(work, reason=reason, added=tuple(c.name for c in added))


def _expose_inputs(job: Promoter, model: Model) -> None:
    """Views of what the model reads and of what its suite compares it with."""
    wanted = [*model.reads, *(r for r in model.compares if r not in model.reads)]
    selects = {reference: job.inputs.select(reference) for reference in wanted}
    expose(job.con, {reference: select for reference, select in selects.items() if select})


def translated(con: DuckDBPyConnection, model: Model) -> Model:
    """The model with what DuckDB must be asked to make the rows that Athena would; what it reads must be exposed.

    Raises:
        PortabilityError: a part of it has no meaning that both engines share.
    """
    install(con)
    schemas = table_schemas(con, model.reads)
    try:
        # Wide: a run must not fail for a product that only DuckDB finds out of range.
        return replace(model, duckdb_sql=to_duckdb(model.sql, schemas, str(model.path), wide=True))
    except PortabilityError as e:
        raise PortabilityError(
            f"{e} {model.name} could not be made. Nothing was committed; readers still see the version before."
        ) from e


def _replacement(
    job: Promoter, model: Model, work: Work, version: TableVersion | None, target: Target
) -> tuple[Work, Replacement]:
    if work.scope == "by_key":
        return work, replace_keys(job.con, job.inputs, model, work, target.schema, target.files)
    if work.scope == "by_partition" and version is not None:
        found = replace_partitions(job.con, job.inputs, model, work, version, target.schema, target.files)
        if isinstance(found, Replacement):
            return work, found
        work = Work("full", found)
    return work, Replacement(model.select, target.files, model.sql.strip())


def _stage_replacement(job: Promoter, target: Target, work: Work, replacement: Replacement) -> tuple[Work, StagedFiles]:
    """Stage on the cluster what a cluster can read, the rest here; the work, saying where."""
    if job.cluster is None:
        return work, _stage(job, target, replacement.select)
    if replacement.portable is None:
        why = f"{work.reason}; in DuckDB, not on {job.cluster.name}: only changed rows are read"
        return replace(work, reason=why), _stage(job, target, replacement.select)
    job.check_cost(job.cluster, replacement.portable)
    staged = stage_on_cluster(job.cluster, job.catalog, target, replacement.portable, job.run_id, token_hex(4))
    return replace(work, reason=f"{work.reason}; on {job.cluster.name}"), staged


def _stage(job: Promoter, target: Target, select: str) -> StagedFiles:
    store, model = job.catalog.store, target.model
    prefix = store.layout.url(store.layout.staged(model.name, job.run_id, token_hex(4)))
    return stage_files(job.con, select, target.schema, model.partition_by, prefix, model, store.lake)


def _gate(job: Promoter, target: Target, suite: Suite, staged: StagedFiles, replacement: Replacement) -> Verdict:
    kept = _expose_staged(job, target, staged, replacement)
    whole = CANDIDATE if kept else STAGED
    return run_gate(job.con, suite, run_id=job.run_id, staged=STAGED, candidate=whole, key=target.model.key)


def _expose_staged(job: Promoter, target: Target, staged: StagedFiles, replacement: Replacement) -> list[str]:
    """Views of the staged rows and of the table as it would be with them; the files that stay as they are."""
    kept = [f for f in target.files if f not in set(replacement.removed)]
    selects = {
        STAGED: files_select(target.schema, staged.urls),
        CANDIDATE: files_select(target.schema, [*kept, *staged.urls]),
    }
    expose(job.con, selects)
    return kept


def _divert(
    job: Promoter, target: Target, suite: Suite, staged: StagedFiles, replacement: Replacement, verdict: Verdict
) -> tuple[StagedFiles, int]:
    """Stop if the verdict blocks; else set aside the rows that failed, and stage the rest again without them."""
    if verdict.blocking:
        raise gate_failure(verdict)
    if not verdict.diverting:
        return staged, 0
    good, bad = split_rows(job.con, suite, verdict, STAGED)
    quarantined = write_quarantine(job.con, job.catalog.store, target.model.name, job.run_id, bad)
    rest = _stage(job, target, good)
    layout = job.catalog.store.layout
    job.catalog.store.delete([layout.key(url) for url in staged.urls])
    _expose_staged(job, target, rest, replacement)
    return replace(rest, receipt=staged.receipt), quarantined


def _aside(job: Promoter, target: Target, work: Work) -> tuple[Store, TableName, tuple[str, ...], str | None, str]:
    """Which earlier rows leave the quarantine: all after a rebuild, else those with a key made anew, or live now.

    Looking at what is live too clears what a run left that was killed between its commit and its clearing.
    """
    key = target.model.key
    keys = ", ".join(quote(k) for k in key)
    live = f"select {keys} from {CANDIDATE}"
    promoted = {"full": None, "by_key": f"select {keys} from {KEYS} union all {live}", "by_partition": live}
    return job.catalog.store, target.model.name, key, promoted[work.scope], job.run_id
