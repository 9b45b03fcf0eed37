"""Rows that a gate set aside: written as Parquet beside the lake, shown with their reason, cleared when they pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.names import TableName, literal
from lakehouse.promote.divert import is_among
from lakehouse.promote.suites import Suite
from lakehouse.promote.verdict import Diversion, Verdict
from lakehouse.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FILE = "rows.parquet"
OWN_COLUMNS = ("_failed_expectation", "_reason", "_run_id", "_quarantined_at")


def split_rows(con: DuckDBPyConnection, suite: Suite, verdict: Verdict, staged: str) -> tuple[str, str]:
    """Two SELECTs over `staged`: the rows to promote, and the rows to set aside with _failed_expectation and _reason.

    Every staged row is in exactly one of them; a row that fails several expectations is set aside once, with all of
    them named. Both read the views that the gate ran on, so run them before those are replaced.
    """
    bad = " or ".join(d.condition for d in verdict.diversions) or "false"
    types = _named(verdict.diversions, [d.type for d in verdict.diversions])
    reasons = _named(verdict.diversions, [d.reason for d in verdict.diversions])
    return f"select * from {staged} where not ({bad})", (
        f"select *, {types} as _failed_expectation, {reasons} as _reason from {staged} where {bad}"
    )


def write_quarantine(con: DuckDBPyConnection, store: Store, table: TableName, run_id: str, bad: str) -> int:
    """Write the rows of `bad` under the run's quarantine prefix; how many. A run repeated writes over its own."""
    url = store.layout.url(store.layout.quarantine(table, run_id) + FILE)
    stamp = "strftime(now() at time zone 'UTC', '%Y-%m-%d %H:%M:%S')"
    stamped = f"select *, {literal(run_id)} as _run_id, {stamp} as _quarantined_at from ({bad})"
    return _number(con, f"copy ({stamped}) to {literal(url)} (format parquet, compression zstd)")


def read_quarantine(
    con: DuckDBPyConnection, store: Store, table: TableName
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Columns and rows in a table's quarantine, newest first, why before what; no columns where there are no rows."""
    # Oldest first, so that the columns keep the order in which the table got them.
    urls = [store.layout.url(key) for key in reversed(quarantine_files(store, table))]
    if not urls:
        return (), []
    own = ", ".join(OWN_COLUMNS)
    listed = ", ".join(literal(u) for u in urls)
    reader = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    found = con.execute(f"select {own}, * exclude ({own}) from {reader} order by _quarantined_at desc, _run_id")
    return tuple(str(d[0]) for d in found.description or []), found.fetchall()


def clear_quarantine(
    con: DuckDBPyConnection, store: Store, table: TableName, key: Sequence[str], promoted: str | None, keep_run: str
) -> int:
    """Remove rows whose key `promoted` (a SELECT; None: everything was rebuilt) has since made; how many remain.

    A run's file is rewritten whole or deleted; `keep_run`, the run now going on, is left alone. Called after the
    commit: stopped halfway, it leaves rows that the next call removes.
    """
    remaining = 0
    for name in quarantine_files(store, table):
        file = f"read_parquet({literal(store.layout.url(name))}, hive_partitioning = false)"
        if f"/run_id={keep_run}/" in name:
            remaining += _number(con, f"select count(*) from {file}")
        elif promoted is None or not key:
            store.delete([name])
        else:
            remaining += _keep_rest(con, store, name, f"from {file} where not {is_among(key, f'({promoted})')}")
    return remaining


def count_remaining(
    con: DuckDBPyConnection, store: Store, table: TableName, key: Sequence[str], promoted: str | None, keep_run: str
) -> int:
    """How many rows `clear_quarantine` would leave, for the commit to say before it is done."""
    remaining = 0
    for name in quarantine_files(store, table):
        file = f"read_parquet({literal(store.layout.url(name))}, hive_partitioning = false)"
        if f"/run_id={keep_run}/" in name:
            remaining += _number(con, f"select count(*) from {file}")
        elif promoted is not None and key:
            remaining += _number(con, f"select count(*) from {file} where not {is_among(key, f'({promoted})')}")
    return remaining


def quarantine_files(store: Store, table: TableName) -> list[str]:
    """The keys of a table's quarantine files, newest first."""
    found = sorted(store.find(store.layout.quarantine(table)), key=lambda o: (o.modified_at, o.key), reverse=True)
    return [o.key for o in found if o.key.endswith(FILE)]


def _keep_rest(con: DuckDBPyConnection, store: Store, name: str, rest: str) -> int:
    # Held in between, because DuckDB would still be reading the object while it writes it.
    con.execute(f"create or replace temp table quarantine_rest as {rest}")
    left = _number(con, "select count(*) from quarantine_rest")
    if left == 0:
        store.delete([name])
    else:
        con.execute(f"copy quarantine_rest to {literal(store.layout.url(name))} (format parquet, compression zstd)")
    con.execute("drop table quarantine_rest")
    return left


def _named(diversions: Sequence[Diversion], texts: Sequence[str]) -> str:
    cases = [f"case when {d.condition} then {literal(t)} end" for d, t in zip(diversions, texts, strict=True)]
    return f"concat_ws('; ', {', '.join(cases)})" if cases else "''"


def _number(con: DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0
