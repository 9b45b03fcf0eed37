"""What a copy of one table would bring, counted at the source and in the lake's keys; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.catalog.bronze import ChainLink, Manifest, Part, extend_chain, schema_digest
from lakehouse.extract.bronze import Extraction, known_keys
from lakehouse.extract.changes import Change, bronze_key, decide_change, schema_difference, source_query
from lakehouse.extract.exact import text_of
from lakehouse.extract.source import ATTACHED
from lakehouse.model import Model
from lakehouse.names import literal, quote

if TYPE_CHECKING:
    from lakehouse.catalog.bronze import Column

PLANNED = "planned"


@dataclass(frozen=True)
class Forecast:
    """What the run would copy. `manifest` is the newest one as it would then be; None of it exists.

    `lines` is a SELECT of the lines that would come, in bronze's text; for DuckDB while the source is attached.
    """

    change: Change
    is_nothing: bool
    upserts: int
    deletes: int
    source_rows: int | None  # by a cursor they are not counted
    drift: str
    manifest: Manifest
    lines: str


def forecast_table(job: Extraction, model: Model, previous: Manifest | None, *, full: bool) -> Forecast:
    """Decide as the run would, and count.

    Raises:
        SourceError: the table is not there, or PostgreSQL failed.
    """
    table = job.snapshot.describe(model.reads[0].removeprefix("source."))
    whole = source_query(model, table)
    columns = job.snapshot.result_columns(whole, table)
    key = bronze_key(table, columns)
    types = job.snapshot.types_of(columns)
    change = decide_change(model, table, columns, types, job.snapshot.id, previous, full=full)
    upserts = job.snapshot.count_rows(change.query)
    by_cursor = model.changes is not None and change.kind == "increment" and bool(key)
    source_rows = None if by_cursor else upserts if change.kind == "full" else job.snapshot.count_rows(whole)
    if change.kind == "increment" and not key and previous and (upserts or previous.source_rows != source_rows):
        reason = "no key identifies its rows, so what changed cannot be told from what was"
        change, upserts = Change("full", reason, whole), source_rows or 0
    lines = _lines(change.query, columns)
    deletes = 0
    if change.kind == "increment" and previous and key and source_rows is not None:
        lines, deletes = _with_deletes(job, previous, lines, whole, columns, key, source_rows)
    digest = schema_digest(columns)
    is_reshaped = previous is not None and digest != previous.link.schema
    is_nothing = change.kind == "increment" and not upserts + deletes and not is_reshaped
    part = Part(PLANNED, upserts + deletes, 0, "", "upsert")
    link = ChainLink(job.run_id, 0, change.kind, "", "", (part,), bool(key), digest)
    manifest = Manifest(
        source=job.snapshot.source.name,
        table=model.name.table,
        run_id=job.run_id,
        reason=change.reason,
        snapshot=job.snapshot.id,
        relation_oid=table.oid,
        source_rows=source_rows,
        columns=columns,
        key=key,
        comment=table.comment,
        model=model.fingerprint,
        chain=extend_chain(previous, link),
        types=types,
        partitions=table.partitions,
    )
    drift = schema_difference(previous.columns, columns) if previous else ""
    kept = previous if is_nothing and previous else manifest
    return Forecast(change, is_nothing, upserts, deletes, source_rows, drift, kept, lines)


def _lines(query: str, columns: tuple[Column, ...]) -> str:
    printed = ", ".join(text_of(c.name, c.type) for c in columns)
    remote = f"select {printed} from ({query}) q"
    return (
        f"select *, 'upsert' as _op, '9999-12-31 00:00:00.000000' as _ingested_at "
        f"from postgres_query('{ATTACHED}', {literal(remote)})"
    )


def _with_deletes(
    job: Extraction,
    previous: Manifest,
    lines: str,
    whole: str,
    columns: tuple[Column, ...],
    key: tuple[str, ...],
    source_rows: int,
) -> tuple[str, int]:
    """The lines with those of the keys that are gone, which are looked for only if counting says that some are."""
    names = ", ".join(quote(k) for k in key)
    known = known_keys(job.store, previous, key, f"select {names} from ({lines})")
    gone = _one(job, f"select count(*) from ({known})") - source_rows
    if not gone:
        return lines, 0
    printed = ", ".join(text_of(c.name, c.type) for c in columns if c.name in key)
    remote = literal(f"select {printed} from ({whole}) q")
    current = f"select {names} from postgres_query('{ATTACHED}', {remote})"
    missing = f"select {names}, 'delete' as _op, '9999-12-31 00:00:00.000000' as _ingested_at from "
    return f"{lines} union all by name {missing}(({known}) except {current})", gone


def _one(job: Extraction, sql: str) -> int:
    found = job.con.execute(sql).fetchone()
    assert found is not None
    return int(found[0])
