"""Which staged rows fail which expectation, as SQL, so that they can be set aside and the rest promoted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse.errors import ModelError
from lakehouse.names import quote
from lakehouse.promote.report import phrase
from lakehouse.promote.suites import Expectation, Suite
from lakehouse.promote.verdict import Check, Diversion
from lakehouse.promote.vocabulary import COMPOUND_UNIQUE, UNEXPECTED_ROWS, UNIQUE

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lakehouse.promote.expectations.validate import Asker, Question


def find_diversions(
    con: DuckDBPyConnection,
    asker: Asker,
    suite: Suite,
    checks: Sequence[Check],
    questions: Sequence[Question],
    staged: str,
    candidate: str,
    key: tuple[str, ...],
) -> tuple[list[Diversion], int]:
    """The rows of `staged` that each failed `quarantine` expectation sets aside, and how many rows that is in all.

    Raises:
        ModelError: a query's failing rows cannot be told apart, because it does not return the table's key.
    """
    failed = [q for q, c in zip(questions, checks, strict=True) if c.outcome == "failed" and c.severity == "quarantine"]
    if not failed:
        return [], 0
    conditions = [
        _condition(con, asker, suite.expectations[q.position], q, candidate, key, f"{suite.path}") for q in failed
    ]
    counted = ", ".join(f"count(*) filter (where {c})" for c in (*conditions, " or ".join(conditions)))
    found = con.execute(f"select {counted} from {staged}").fetchone()
    assert found is not None
    diversions = [
        Diversion(q.position, q.type, phrase(suite.expectations[q.position]), condition, int(rows))
        for q, condition, rows in zip(failed, conditions, found[:-1], strict=True)
    ]
    return diversions, int(found[-1])


def _condition(
    con: DuckDBPyConnection,
    asker: Asker,
    expectation: Expectation,
    question: Question,
    candidate: str,
    key: tuple[str, ...],
    where: str,
) -> str:
    if expectation.type == UNEXPECTED_ROWS:
        query = str(expectation.kwargs["unexpected_rows_query"]).format(batch=candidate).rstrip("; \n")
        return is_among(key, _checked_query(con, query, key, where))
    if expectation.type in (UNIQUE, COMPOUND_UNIQUE):
        return _duplicates(expectation.columns, asker.domain(question), candidate)
    # A comparison with NULL is NULL, which a filter drops on both sides: the row would be neither good nor bad.
    return f"coalesce(({asker.condition(question)}), false)"


def _duplicates(columns: tuple[str, ...], domain: str, candidate: str) -> str:
    """Rows that share `columns` with another row of the table as it would be; NULL equals NULL in a compound key."""
    names = ", ".join(quote(c) for c in columns)
    own = f"{domain} and {names} is not null" if len(columns) == 1 else domain
    repeated = f"(select {names} from {candidate} where {own} group by {names} having count(*) > 1)"
    return f"(coalesce(({own}), false) and {is_among(columns, repeated)})"


def is_among(columns: Sequence[str], select: str) -> str:
    # Structs compare their fields with NULL equal to NULL; a bare (a, b) in (…) is NULL where a field is.
    struct = "struct_pack(" + ", ".join(f"k{i} := {quote(c)}" for i, c in enumerate(columns)) + ")"
    return f"({struct} in (select {struct} from {select} found))"


def _checked_query(con: DuckDBPyConnection, query: str, key: tuple[str, ...], where: str) -> str:
    returned = [str(r[0]) for r in con.execute(f"describe {query}").fetchall()]
    missing = [k for k in key if k not in returned]
    if not key or missing:
        lacks = f"does not return {', '.join(missing)}" if key else "has no key to know its rows by"
        raise ModelError(
            f"{where}: {UNEXPECTED_ROWS} with severity quarantine {lacks}, so its failing rows cannot be told apart. "
            f"Let the query return the model's key{' (' + ', '.join(key) + ')' if key else ''}, or write critical."
        )
    return f"({query})"
