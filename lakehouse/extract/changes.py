"""What changed since the last run, exactly: new row versions by their xmin, deleted rows by their keys."""

from __future__ import annotations

from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from lakehouse.catalog.bronze import Column, Kind, Manifest, SnapshotId, TypeDefinition
from lakehouse.errors import SourceError
from lakehouse.extract.source import SourceTable
from lakehouse.extract.types import changed_types
from lakehouse.model import Cursor, Model
from lakehouse.names import literal, quote

EPOCH = 1 << 32
OTHER_KINDS = {"v": "a view", "f": "a foreign table"}


@dataclass(frozen=True)
class Change:
    """What to read of one table: everything, or what is not certainly older than the last run; and why."""

    kind: Kind
    reason: str
    query: str


def source_query(model: Model, table: SourceTable, only: str | None = None) -> str:
    """The bronze model's SELECT over the real table, or over those of its rows (as `t`) for which `only` holds."""
    node = next(t for t in sqlglot.parse_one(model.sql, dialect="postgres").find_all(exp.Table) if t.db == "source")
    start, end = node.args["db"].meta["start"], node.this.meta["end"]
    rows = table.qualified if only is None else f"(select t.* from {table.qualified} t where {only})"
    alias = "" if node.alias else f" as {quote(table.name)}"
    return (model.sql[:start] + rows + alias + model.sql[end + 1 :]).strip()


def newer_than(old: SnapshotId, now: SnapshotId) -> str:
    """The condition on a row `t` that holds for every row version that `old` did not see.

    Rows of transactions at or above the old snapshot's xmin are taken whether or not the snapshot lists them as in
    progress: PostgreSQL's snapshots do not list subtransactions, so a row written under a savepoint would be missed.
    A row's xmin has 32 bits. The epoch of `now` widens it to the 64-bit xid that snapshots are told in; a row older
    than 2^32 transactions is taken for a newer one, and is sent again rather than missed.
    """
    low, xid = now.xmax % EPOCH, "t.xmin::text::bigint"
    epoch_start = now.xmax - low
    if old.xmin >= epoch_start:
        return f"({xid} >= {old.xmin - epoch_start} and {xid} < {low})"
    if old.xmin > epoch_start - EPOCH:
        return f"({xid} < {low} or {xid} >= {old.xmin - epoch_start + EPOCH})"
    return "true"


def above_cursor(cursor: Cursor, table: SourceTable, last: str | None) -> str:
    """The condition on a row `t` that holds where its cursor column is new, or says nothing."""
    column = _cursor_column(cursor, table)
    if last is None:
        return "true"
    overlap = cursor.overlap if cursor.overlap.isdigit() else f"interval {literal(cursor.overlap)}"
    name = f"t.{quote(column.name)}"
    return f"({name} >= {literal(last)}::{column.type} - {overlap} or {name} is null)"


def cursor_query(cursor: Cursor, table: SourceTable) -> str:
    """The largest finite value of the cursor column, as text.

    Raises:
        SourceError: the table has no such column.
    """
    name = quote(_cursor_column(cursor, table).name)
    finite = "" if cursor.overlap.isdigit() else f" where isfinite({name})"
    return f"select max({name})::text from {table.qualified}{finite}"


def _cursor_column(cursor: Cursor, table: SourceTable) -> Column:
    column = next((c for c in table.columns if c.name == cursor.column), None)
    if column is None:
        raise SourceError(
            f"{table.qualified} has no column {cursor.column!r}, which the model's header names: changes: cursor(…). "
            f"It has: {', '.join(c.name for c in table.columns[:12])}."
        )
    return column


def decide_change(
    model: Model,
    table: SourceTable,
    columns: tuple[Column, ...],
    types: tuple[TypeDefinition, ...],
    snapshot: SnapshotId,
    previous: Manifest | None,
    *,
    full: bool,
) -> Change:
    """Full copy or increment, and the reason in words for the run record."""
    reason = "asked for" if full else _why_full(model, table, columns, types, snapshot, previous)
    if reason is not None or previous is None:
        return Change("full", reason or "first copy", source_query(model, table))
    if model.changes:
        query = source_query(model, table, above_cursor(model.changes, table, previous.cursor))
        return Change(
            "increment", f"{model.changes.column} above run {previous.run_id}'s, less {model.changes.overlap}", query
        )
    newer = newer_than(previous.snapshot, snapshot)
    attached = sorted(set(table.partitions) - set(previous.partitions))
    if attached:
        # Attached, a partition brings rows that were written long ago.
        newer = f"({newer} or t.tableoid in ({', '.join(str(oid) for oid in attached)}))"
    said = schema_difference(previous.columns, columns)
    note = f"; the source's columns changed: {said}" if said else ""
    return Change("increment", f"changed since run {previous.run_id}{note}", source_query(model, table, newer))


def _why_full(
    model: Model,
    table: SourceTable,
    columns: tuple[Column, ...],
    types: tuple[TypeDefinition, ...],
    snapshot: SnapshotId,
    previous: Manifest | None,
) -> str | None:
    """Why an increment would not be exact; the first reason that holds, None if there is none."""
    if previous is None:
        return "first copy"
    was = previous.snapshot
    reasons = (
        (table.kind in OTHER_KINDS, f"{OTHER_KINDS.get(table.kind)} has no row versions to compare"),
        (table.has_children, "other tables inherit from it, so its key does not hold over all its rows"),
        (table.is_filtered, "row-level security decides which rows this user sees, and can change without a trace"),
        (
            not is_row_local(model),
            "the bronze model filters, joins or aggregates: a change of one row can change others",
        ),
        (
            was.system_identifier != snapshot.system_identifier,
            f"the source is another cluster now (was {was.system_identifier}, is {snapshot.system_identifier})",
        ),
        (
            was.timeline != snapshot.timeline,
            f"the source failed over or was restored (timeline was {was.timeline}, is {snapshot.timeline})",
        ),
        (
            was.database_oid != snapshot.database_oid or previous.relation_oid != table.oid,
            "the table was created anew at the source",
        ),
        (
            snapshot.xmin < was.xmin or snapshot.lsn < was.lsn,
            "the source went back in time: it was restored to a state before the last run",
        ),
        (previous.model != model.fingerprint, "the bronze model changed"),
        (
            previous.key != bronze_key(table, columns),
            f"the key changed (was {', '.join(previous.key) or 'none'})",
        ),
    )
    found = next((reason for holds, reason in reasons if holds), None)
    return found or _why_rows_changed(table, columns, types, previous)


def is_row_local(model: Model) -> bool:
    """Whether each row of the bronze model comes from one row of the source, whatever the others are."""
    tree = sqlglot.parse_one(model.sql, dialect="postgres")
    if not isinstance(tree, exp.Select) or len(list(tree.find_all(exp.Table))) != 1:
        return False
    clauses = (
        "where",
        "joins",
        "group",
        "having",
        "distinct",
        "limit",
        "offset",
        "with",
        "with_",
        "laterals",
        "qualify",
    )
    if any(tree.args.get(c) for c in clauses):
        return False
    return tree.find(exp.AggFunc, exp.Window, exp.Subquery, exp.Unnest) is None


def bronze_key(table: SourceTable, columns: tuple[Column, ...]) -> tuple[str, ...]:
    """The table's key in bronze's names, if all of it leaves PostgreSQL; else nothing identifies a row in bronze."""
    numbers = {c.name: c.number for c in table.columns}
    taken = {c.number: c.name for c in reversed(columns) if c.number}
    names = tuple(taken.get(numbers[k], "") for k in table.key)
    return names if all(names) else ()


def _why_rows_changed(
    table: SourceTable, columns: tuple[Column, ...], types: tuple[TypeDefinition, ...], previous: Manifest
) -> str | None:
    """Why rows that nobody wrote are others now: their columns or types changed under them."""
    old = {c.name: c for c in previous.columns}
    newest = max((c.number for c in previous.columns), default=0)
    for column in columns:
        was = old.get(column.name)
        if was is None and (column.number <= newest or column.name in table.backfilled):
            # Renamed, computed, or added with a default: rows written before have a value in it.
            return f"the source's columns changed: {schema_difference(previous.columns, columns)}"
        if was is not None and was.type != column.type:
            return f"the source's columns changed: {schema_difference(previous.columns, columns)}"
        if was is not None and was.number != column.number:
            return f"the source's columns changed: {column.name} was dropped and added anew"
        if was is not None and was.generated != column.generated:
            return f"the source's columns changed: {column.name} was {was.generated}, is {column.generated}"
    changed = changed_types(previous.types, types)
    return "; ".join(changed) or None


def schema_difference(was: tuple[Column, ...], now: tuple[Column, ...]) -> str:
    """Columns added, dropped and retyped, in words; empty where there are none."""
    old, new = {c.name: c.type for c in was}, {c.name: c.type for c in now}
    said = [f"{n} {new[n]} was added" for n in new if n not in old]
    said += [f"{n} {old[n]} was dropped" for n in old if n not in new]
    said += [f"{n} was {old[n]}, is {new[n]}" for n in new if n in old and old[n] != new[n]]
    return "; ".join(said)
