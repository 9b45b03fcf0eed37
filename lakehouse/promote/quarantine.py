"""Rows that a gate set aside: written as Parquet beside the lake, shown with their reason, cleared when they pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.errors import GateFailed
from lakehouse.names import TableName, literal, quote
from lakehouse.promote.rows import ROW_RULES, failing_rows, passing_rows
from lakehouse.promote.suites import Suite
from lakehouse.promote.verdict import GateStopped, Verdict
from lakehouse.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FILE = "rows.parquet"
OWN_COLUMNS = ("_failed_expectations", "_run_id", "_quarantined_at")


def split_rows(con: DuckDBPyConnection, suite: Suite, verdict: Verdict, staged: str) -> tuple[str, str]:
    """Two SELECTs over `staged`: the rows to promote, and the rows to set aside.

    Raises:
        GateFailed: more than the suite's share of rows fail, or fewer are found than the gate counted.
    """
    columns = [str(row[0]) for row in con.execute(f"describe {staged}").fetchall()]
    rules = [(check.phrase.split(":")[0], ROW_RULES[check.type](check.kwargs)) for check in verdict.diverting]
    bad = failing_rows(staged, rules, columns=columns)
    row = con.execute(f"select count(*) from ({bad})").fetchone()
    count = int(row[0]) if row else 0
    if count < max(check.unexpected_count for check in verdict.diverting):
        raise GateFailed(
            f"{verdict.table}, run {verdict.run_id}: the gate counted more failing rows than can be found again "
            f"({count:,}). Nothing was committed. Make the expectation critical, and report this with its suite."
        )
    share = count / max(verdict.rows, 1)
    if share > suite.quarantine_max_share:
        raise GateStopped(
            f"{verdict.table}, run {verdict.run_id}: {count:,} of {verdict.rows:,} rows ({share:.1%}) fail "
            f"{'; '.join(c.phrase for c in verdict.diverting[:3])}; that is more than the {suite.quarantine_max_share:.1%} "
            "that may go to quarantine. Nothing was committed. Fix the source or the model, or raise "
            f"meta.quarantine_max_share in {suite.path.name}.",
            verdict,
        )
    return passing_rows(staged, rules, columns=columns), bad


def write_quarantine(con: DuckDBPyConnection, store: Store, table: TableName, run_id: str, bad: str) -> int:
    """Write the rows of `bad` under the run's quarantine prefix; how many."""
    url = store.layout.url(store.layout.quarantine(table, run_id) + FILE)
    row = con.execute(
        f"copy (select *, {literal(run_id)} as _run_id, "
        "strftime(now() at time zone 'UTC', '%Y-%m-%d %H:%M:%S') as _quarantined_at "
        f"from ({bad})) to {literal(url)} (format parquet, compression zstd)"
    ).fetchone()
    return int(row[0]) if row else 0


def read_quarantine(con: DuckDBPyConnection, store: Store, table: TableName) -> tuple[tuple[str, ...], list[Any]]:
    """Columns and rows in a table's quarantine, newest first."""
    files = quarantine_files(store, table)
    if not files:
        return (), []
    found = con.execute(f"select * from {_reader(store, files)} order by _quarantined_at desc")
    return tuple(d[0] for d in found.description or []), found.fetchall()


def clear_quarantine(
    con: DuckDBPyConnection, store: Store, table: TableName, key: Sequence[str], promoted: str | None, keep_run: str
) -> int:
    """Remove rows whose key `promoted` (a SELECT; None: everything was rebuilt) has since made; how many remain.

    A run's file is rewritten whole or deleted; `keep_run`, the run now going on, is left alone.
    """
    remaining = 0
    for name in quarantine_files(store, table):
        url = literal(store.layout.url(name))
        if f"/run_id={keep_run}/" in name:
            remaining += _rows(con, f"select count(*) from read_parquet({url})")
            continue
        if promoted is None or not key:
            store.delete([name])
            continue
        listed = ", ".join(quote(k) for k in key)
        rest = f"select * from read_parquet({url}) anti join ({promoted}) using ({listed})"
        left = _rows(con, f"select count(*) from ({rest})")
        if left == 0:
            store.delete([name])
        elif left < _rows(con, f"select count(*) from read_parquet({url})"):
            con.execute(f"create or replace temp table quarantine_rest as {rest}")
            con.execute(f"copy quarantine_rest to {url} (format parquet, compression zstd)")
        remaining += left
    return remaining


def quarantine_files(store: Store, table: TableName) -> list[str]:
    """The keys of a table's quarantine files, newest first."""
    found = sorted(store.find(store.layout.quarantine(table)), key=lambda o: o.modified_at, reverse=True)
    return [o.key for o in found if o.key.endswith(FILE)]


def _reader(store: Store, files: Sequence[str]) -> str:
    return f"read_parquet([{', '.join(literal(store.layout.url(f)) for f in files)}], union_by_name = true)"


def _rows(con: DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0
