"""What changed since the last run, exactly: new row versions by their xmin, deleted rows by their keys."""

from __future__ import annotations

from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from lakehouse.catalog.bronze import Column, Kind, Manifest, SnapshotId
from lakehouse.extract.source import SourceTable
from lakehouse.model import Model
from lakehouse.names import quote

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
        return f"{xid} between {old.xmin - epoch_start} and {low}"
    if old.xmin > epoch_start - EPOCH:
        return f"({xid} <= {low} or {xid} >= {old.xmin - epoch_start + EPOCH})"
    return "true"


def decide_change(
    model: Model,
    table: SourceTable,
    columns: tuple[Column, ...],
    snapshot: SnapshotId,
    previous: Manifest | None,
    *,
    full: bool,
) -> Change:
    """Full copy or increment, and the reason in words for the run record."""
    reason = "asked for" if full else _why_full(model, table, columns, snapshot, previous)
    if reason is not None or previous is None:
        return Change("full", reason or "first copy", source_query(model, table))
    query = source_query(model, table, newer_than(previous.snapshot, snapshot))
    return Change("increment", f"changed since run {previous.run_id}", query)


def _why_full(
    model: Model, table: SourceTable, columns: tuple[Column, ...], snapshot: SnapshotId, previous: Manifest | None
) -> str | None:
    """Why an increment would not be exact; the first reason that holds, None if there is none."""
    if previous is None:
        return "first copy"
    was = previous.snapshot
    reasons = (
        (table.kind in OTHER_KINDS, f"{OTHER_KINDS.get(table.kind)} has no row versions to compare"),
        (table.has_children, "other tables inherit from it, so its key does not hold over all its rows"),
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
            snapshot.xmin < was.xmin,
            "the source went back in time: its oldest transaction is older than at the last run",
        ),
        (previous.model != model.fingerprint, "the bronze model changed"),
        (
            previous.key != bronze_key(table, columns),
            f"the key changed (was {', '.join(previous.key) or 'none'})",
        ),
    )
    found = next((reason for holds, reason in reasons if holds), None)
    return found or _schema_difference(previous.columns, columns)


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
    """The table's key, if all of it leaves PostgreSQL unchanged; else nothing identifies a row in bronze."""
    unchanged = {c.name for c in columns if c in table.columns}
    return table.key if set(table.key) <= unchanged else ()


def _schema_difference(was: tuple[Column, ...], now: tuple[Column, ...]) -> str | None:
    old, new = {c.name: c.type for c in was}, {c.name: c.type for c in now}
    said = [f"{n} {new[n]} was added" for n in new if n not in old]
    said += [f"{n} {old[n]} was dropped" for n in old if n not in new]
    said += [f"{n} was {old[n]}, is {new[n]}" for n in new if n in old and old[n] != new[n]]
    return "the source's columns changed: " + "; ".join(said) if said else None
