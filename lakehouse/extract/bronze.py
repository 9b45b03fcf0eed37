"""One bronze table, one run: copy, delete markers, keys; nothing of it exists until its manifest is put."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lakehouse.catalog.bronze import (
    ChainLink,
    Column,
    Manifest,
    Op,
    Part,
    TypeDefinition,
    extend_chain,
    longest_line,
    read_lines,
    schema_digest,
)
from lakehouse.engines.duckdb import explain_duckdb_error
from lakehouse.errors import LakeError, SourceError
from lakehouse.extract.changes import Change, bronze_key, cursor_query, decide_change, source_query
from lakehouse.extract.exact import text_of
from lakehouse.extract.readback import read_back
from lakehouse.extract.source import ATTACHED, SourceSnapshot, SourceTable, explain_postgres_error
from lakehouse.model import Model
from lakehouse.names import KEYS, literal, quote
from lakehouse.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Parts of this size give a reader with several threads something to share; one zstd file is read by one thread.
PART_BYTES = "16MB"
RESERVED = ("_op", "_ingested_at", "_run_date", "_run_id")


@dataclass(frozen=True)
class BronzeCopy:
    """What was read of one table in a run. `manifest` is None where nothing had changed and nothing was written.

    `rows_read` are those PostgreSQL sent; `bytes_scanned` is the table's size times the passes made over it: what it
    read to find them, from its cache or its disk.
    """

    table: str
    change: Change
    manifest: Manifest | None
    seconds: float
    rows_read: int
    bytes_scanned: int

    @property
    def upserts(self) -> int:
        return self._rows("upsert")

    @property
    def deletes(self) -> int:
        return self._rows("delete")

    @property
    def size_bytes(self) -> int:
        return self.manifest.link.size_bytes if self.manifest else 0

    def _rows(self, op: str) -> int:
        return sum(p.rows for p in self.manifest.link.parts if p.op == op) if self.manifest else 0


@dataclass(frozen=True)
class Extraction:
    """What a run extracts with: the open snapshot attached to `con`, the lake, and the run it is for."""

    con: DuckDBPyConnection
    snapshot: SourceSnapshot
    store: Store
    run_id: str
    started_at: datetime


def extract_table(job: Extraction, model: Model, previous: Manifest | None, *, full: bool) -> BronzeCopy:
    """Copy what is new of one table under the run's prefix; invisible until `put_manifest` of the result.

    Raises:
        SourceError: the table is not there, or PostgreSQL failed; what was written stays invisible.
        LakeError: S3 refused or failed; likewise.
    """
    began = time.monotonic()
    table = job.snapshot.describe(model.reads[0].removeprefix("source."))
    whole = source_query(model, table)
    columns = job.snapshot.result_columns(whole, table)
    _refuse_names(model, columns)
    key = bronze_key(table, columns)
    types = job.snapshot.types_of(columns)
    cursor = job.snapshot.value(cursor_query(model.changes, table)) if model.changes else None
    change = decide_change(model, table, columns, types, job.snapshot.id, previous, full=full)
    target = _Target(
        job.store.layout.bronze_run(job.snapshot.source.name, model.name.table, job.run_id, job.started_at),
        _ingested_at(job, previous),
        columns,
        key,
    )
    if change.kind == "increment" and not key:
        change = _keyless_change(job, change, whole, previous, target)
    _clear_leftovers(job.store, target.prefix)
    parts = _copy_rows(job, change.query, target) if change.query else []
    by_cursor = model.changes is not None and change.kind == "increment"
    source_rows = None if by_cursor else _count(job, whole, target)
    if change.kind == "increment" and previous and key and source_rows is not None:
        parts += _copy_deletes(job, previous, parts, whole, target, source_rows)
    manifest = None
    # Other columns are news even where no row changed.
    is_reshaped = previous is not None and schema_digest(columns) != previous.link.schema
    if change.kind == "full" or parts or is_reshaped:
        if key:
            _write_keys(job, parts, target)
        made = _manifest(job, model, table, change, target, tuple(parts), types, previous)
        manifest = replace(made, source_rows=source_rows, cursor=cursor)
    scanned = table.size_bytes * len(target.passes)
    return BronzeCopy(model.name.table, change, manifest, time.monotonic() - began, sum(target.passes), scanned)


def _manifest(
    job: Extraction,
    model: Model,
    table: SourceTable,
    change: Change,
    target: _Target,
    parts: tuple[Part, ...],
    types: tuple[TypeDefinition, ...],
    previous: Manifest | None,
) -> Manifest:
    digest = schema_digest(target.columns)
    link = ChainLink(job.run_id, 0, change.kind, target.prefix, target.ingested_at, parts, bool(target.key), digest)
    return Manifest(
        source=job.snapshot.source.name,
        table=model.name.table,
        run_id=job.run_id,
        reason=change.reason,
        snapshot=job.snapshot.id,
        relation_oid=table.oid,
        source_rows=None,
        columns=target.columns,
        key=target.key,
        comment=table.comment,
        model=model.fingerprint,
        chain=extend_chain(previous, link),
        types=types,
        partitions=table.partitions,
    )


@dataclass(frozen=True)
class _Target:
    """Where a copy goes, what its lines have in common, and the rows that each pass over the source sent."""

    prefix: str
    ingested_at: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    passes: list[int] = field(default_factory=list)


def _copy_rows(job: Extraction, query: str, target: _Target) -> list[Part]:
    printed = ", ".join(text_of(c.name, c.type) for c in target.columns)
    remote = f"select {printed} from ({query}) q"
    select = (
        f"select *, 'upsert' as _op, {literal(target.ingested_at)} as _ingested_at "
        f"from postgres_query('{ATTACHED}', {literal(remote)})"
    )
    parts = _copy(job, select, target.prefix, "part", "upsert")
    target.passes.append(sum(p.rows for p in parts))
    return parts


def _copy_deletes(
    job: Extraction, previous: Manifest, upserts: list[Part], whole: str, target: _Target, source_rows: int
) -> list[Part]:
    """Markers for the keys that were there and are not: looked for only if counting says that some are missing.

    Every row now at the source was seen by the last run or is among the upserts, so what was seen and the upserts
    together exceed the source's count by exactly the number of deleted rows.
    """
    names = ", ".join(quote(k) for k in target.key)
    uploaded = _keys_of(job, upserts, target) if upserts else None
    _run(job, f"create or replace temp table known_keys as {known_keys(job.store, previous, target.key, uploaded)}")
    known = _one(job, "select count(*) from known_keys")
    if known == source_rows:
        return []
    printed = ", ".join(text_of(c.name, c.type) for c in target.columns if c.name in target.key)
    current = f"select * from postgres_query('{ATTACHED}', {literal(f'select {printed} from ({whole}) q')})"
    select = (
        f"select {names}, 'delete' as _op, {literal(target.ingested_at)} as _ingested_at from "
        f"(select {names} from known_keys except select {names} from ({current}))"
    )
    parts = _copy(job, select, target.prefix, "part-deletes", "delete")
    target.passes.append(source_rows)
    found = sum(p.rows for p in parts)
    if found != known - source_rows:
        raise SourceError(
            f"bronze.{previous.table}, run {job.run_id}: {known:,} rows were known and {source_rows:,} are there now, "
            f"yet {found:,} keys are gone. The key ({names}) does not identify its rows. Nothing was committed. "
            f"Check the constraint at the source, then copy the table whole: lakehouse run {previous.table} --full",
        )
    return parts


def known_keys(store: Store, previous: Manifest, key: tuple[str, ...], uploaded: str | None) -> str:
    """The keys that the lake holds after the last run, and those of the SELECT `uploaded`, as one SELECT."""
    names = ", ".join(quote(k) for k in key)
    links = [link for link in previous.chain if link.has_keys]
    history = " union all ".join(
        f"select {names}, _op, {link.sequence} as seq from read_parquet({literal(url)})"
        for link in links
        for url in [store.layout.url(link.prefix + KEYS)]
    )
    alive = f"select {names} from ({history}) group by all having arg_max(_op, seq) = 'upsert'"
    if len(links) == 1:
        alive = f"select {names} from ({history})"
    return f"{alive} union {uploaded}" if uploaded else alive


def _write_keys(job: Extraction, parts: list[Part], target: _Target) -> None:
    """The run's keys as Parquet beside its parts, read back from what S3 holds, so that finding deletes is cheap."""
    selects = [
        f"select *, {literal(op)} as _op from ({_keys_of(job, of_op, target)})"
        for op in ("upsert", "delete")
        if (of_op := [p for p in parts if p.op == op])
    ]
    nothing = (
        "select " + ", ".join(f"null::varchar as {quote(k)}" for k in target.key) + ", null::varchar as _op where false"
    )
    url = literal(job.store.layout.url(target.prefix + KEYS))
    _run(job, f"copy ({' union all '.join(selects) or nothing}) to {url} (format parquet, compression zstd)")


def _keys_of(job: Extraction, parts: list[Part], target: _Target) -> str:
    files = [job.store.layout.url(target.prefix + p.name) for p in parts]
    names = ", ".join(quote(k) for k in target.key)
    return f"select {names} from {read_lines(files, list(target.key), longest_line(parts))}"


def _copy(job: Extraction, select: str, prefix: str, name: str, op: Op) -> list[Part]:
    """COPY to numbered parts, then read each back: what the manifest says of a part is what S3 holds."""
    target = literal(job.store.layout.url(prefix.rstrip("/")))
    rows = _one(
        job,
        f"copy ({select}) to {target} (format json, compression zstd, file_size_bytes {literal(PART_BYTES)}, "
        f"filename_pattern '{name}-000{{i}}', overwrite_or_ignore)",
    )
    written = list(job.store.find(f"{prefix}{name}-000"))
    if rows == 0:
        job.store.delete([o.key for o in written])
        return []
    parts = []
    for found in written:
        parts.append(read_back(job.store, found.key, prefix, op))
    if sum(p.rows for p in parts) != rows:
        raise LakeError(
            f"{job.store.layout.url(prefix)}: {rows:,} rows were written and {sum(p.rows for p in parts):,} read back. "
            "The object store lost data. Nothing was committed; run again, and check its disk.",
            retryable=True,
        )
    return parts


def _keyless_change(job: Extraction, change: Change, whole: str, previous: Manifest | None, target: _Target) -> Change:
    """Without a key an increment cannot be applied: nothing if nothing changed, else everything."""
    newer = _count(job, change.query, target)
    if newer == 0 and previous and previous.source_rows == _count(job, whole, target):
        return Change("increment", "nothing changed", "")
    return Change("full", "no key identifies its rows, so what changed cannot be told from what was", whole)


def _count(job: Extraction, whole: str, target: _Target) -> int:
    target.passes.append(0)
    return _one(job, f"select * from postgres_query('{ATTACHED}', {literal(f'select count(*) from ({whole}) q')})")


def _one(job: Extraction, sql: str) -> int:
    return int(_run(job, sql)[0][0])


def _run(job: Extraction, sql: str) -> list[tuple[int, ...]]:
    from duckdb import Error

    try:
        return job.con.execute(sql).fetchall()
    except Error as e:
        raise explain_duckdb_error(e, job.store.lake) or explain_postgres_error(e, job.snapshot.source) from e


def _ingested_at(job: Extraction, previous: Manifest | None) -> str:
    """The snapshot's time as text that sorts; always after the last run's, whatever the server's clock did."""
    taken = datetime.fromisoformat(job.snapshot.id.taken_at).replace(tzinfo=None)
    if previous:
        taken = max(taken, datetime.fromisoformat(previous.link.ingested_at) + timedelta(microseconds=1))
    return taken.isoformat(sep=" ", timespec="microseconds")


def _clear_leftovers(store: Store, prefix: str) -> None:
    """Remove what an attempt of this run left behind when it was killed: without a manifest it never existed."""
    leftovers = [o.key for o in store.find(prefix)]
    if leftovers:
        store.delete(leftovers)


def _refuse_names(model: Model, columns: tuple[Column, ...]) -> None:
    """Names that bronze uses itself, and those that DuckDB, Glue and Athena cannot tell apart."""
    taken = [c.name for c in columns if c.name.lower() in RESERVED]
    if taken:
        raise SourceError(
            f"{model.path}: the column {taken[0]!r} has a name that bronze uses itself. "
            f"Rename it in the model: select {quote(taken[0])} as {quote(taken[0].lstrip('_'))}, …"
        )
    spellings: dict[str, list[str]] = {}
    for column in columns:
        spellings.setdefault(column.name.lower(), []).append(column.name)
    for lowered, twins in spellings.items():
        if len(twins) > 1:
            lines = ", ".join(f"{quote(t)} as {lowered}_{i}" for i, t in enumerate(twins[1:], 2))
            raise SourceError(
                f"{model.path}: the columns {', '.join(map(repr, twins))} differ only in case, which DuckDB, Glue and "
                f"Athena do not see. Nothing was copied. Rename all but one in the model: select {lines}, …"
            )
