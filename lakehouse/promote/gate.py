"""The gate: a suite is asked about the staged files before anybody sees them, and the answers become a verdict."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse.errors import EngineError, ModelError
from lakehouse.promote.divert import find_diversions
from lakehouse.promote.report import describe_check
from lakehouse.promote.suites import Expectation, Suite
from lakehouse.promote.verdict import Check, Diversion, Verdict

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lakehouse.promote.expectations.validate import Answer, Asker, Question


def run_gate(
    con: DuckDBPyConnection,
    suite: Suite,
    *,
    run_id: str,
    staged: str,
    candidate: str | None,
    key: tuple[str, ...] = (),
) -> Verdict:
    """Ask every expectation of `suite` and decide; nothing is raised for data that fails, see `gate_failure`.

    `staged` and `candidate` name views of `con` (schema.name): the rows of the new files, and the table as it would be
    with them. What concerns one row alone is asked of the first, everything else of the second, which the suite's
    queries call {batch}; without a candidate (a bronze increment, which is no table) everything else is left out.
    `key` identifies a row, for queries whose failing rows are to be set aside.

    Raises:
        ModelError: an expectation's arguments make no sense, or its failing rows cannot be told apart.
        EngineError: DuckDB could not answer, which says nothing about the data.
    """
    import duckdb

    from lakehouse.promote.expectations import load

    load()
    from lakehouse.promote.expectations.validate import open_asker

    began = time.monotonic()
    _check_arguments(suite)
    questions = _questions(suite, staged, candidate)
    try:
        rows = _count(con, staged)
        with open_asker(con, [staged, candidate or staged]) as asker:
            checks = _ask(asker, suite, questions)
            found, diverted = find_diversions(con, asker, suite, checks, questions, staged, candidate or staged, key)
    except duckdb.Error as e:
        raise _explain(e, suite) from e
    diversions = {d.position: d for d in found}
    checks = [_capped(c, suite, diversions, rows) for c in checks]
    checks = [*_rows_are_there(con, suite, candidate), *_all_set_aside(suite, checks, found, diverted, rows), *checks]
    return Verdict(suite.table, run_id, rows, tuple(checks), time.monotonic() - began, tuple(found), diverted)


def is_row_level(expectation: Expectation) -> bool:
    """Whether an expectation judges each row by itself."""
    return expectation.kind.row_level and not expectation.kind.whole


def _check_arguments(suite: Suite) -> None:
    from lakehouse.promote.expectations.validate import check_arguments

    for number, expectation in enumerate(suite.expectations, 1):
        wrong = check_arguments(expectation.type, expectation.kwargs)
        if wrong:
            raise ModelError(
                f"{suite.path}: expectation {number} ({expectation.type}): {wrong}. Nothing was tested, so nothing is "
                "promoted. Correct its kwargs."
            )


def _questions(suite: Suite, staged: str, candidate: str | None) -> list[Question]:
    from lakehouse.promote.expectations.validate import Question

    views = [staged if is_row_level(e) else candidate for e in suite.expectations]
    pairs = zip(suite.expectations, views, strict=True)
    return [Question(i, e.type, e.kwargs, view) for i, (e, view) in enumerate(pairs) if view is not None]


def _ask(asker: Asker, suite: Suite, questions: Sequence[Question]) -> list[Check]:
    """A check for each question; those that failed are asked again, for examples of what failed."""
    from lakehouse.promote.expectations.validate import EXAMPLES

    answers = {a.position: a for a in asker.ask(questions)}
    again = [q for q in questions if _has_examples(suite.expectations[q.position], answers.get(q.position))]
    answers |= {a.position: a for a in asker.ask(again, examples=EXAMPLES)} if again else {}
    return [describe_check(q.position, suite.expectations[q.position], answers.get(q.position)) for q in questions]


def _has_examples(expectation: Expectation, answer: Answer | None) -> bool:
    return answer is not None and not answer.success and not answer.error and expectation.kind.row_level


def _capped(check: Check, suite: Suite, diversions: Mapping[int, Diversion], staged_rows: int) -> Check:
    """A failed `quarantine` check, stopped where its rows are too many, or none of them is among the staged."""
    if check.position is None or check.position not in diversions:
        return check
    found = diversions[check.position].rows
    share = suite.max_share(suite.expectations[check.position])
    if found == 0:
        why = "none of these rows is among the staged ones, so setting rows aside cannot help"
    elif found > _allowed(share, staged_rows, 1):
        why = f"{found / staged_rows:.2%} of the {staged_rows:,} staged rows, and at most {share:.2%} may be set aside"
    else:
        return check
    return replace(check, stops=True, message=f"{check.message}; that is {why}" if found else f"{check.message}; {why}")


def _allowed(share: float, rows: int, expectations: int) -> int:
    """How many rows may be set aside; one row of a small increment is more than any share of it, and still may be."""
    return max(int(share * rows), expectations) if share else 0


def _all_set_aside(
    suite: Suite, checks: Sequence[Check], found: Sequence[Diversion], diverted: int, rows: int
) -> list[Check]:
    """Several expectations, each within its share, must not set aside much more than any of them may."""
    if len(found) < 2 or any(c.stops for c in checks):
        return []
    share = max(suite.max_share(suite.expectations[d.position]) for d in found)
    if diverted <= _allowed(share, rows, len(found)):
        return []
    message = (
        f"{len(found)} expectations together set aside {diverted:,} rows, {diverted / rows:.2%} of the {rows:,} staged "
        f"rows, and at most {share:.2%} may be"
    )
    observed = f"{diverted:,} of {rows:,} rows"
    return [Check("rows_set_aside", "", "critical", "failed", observed, diverted, rows, message, stops=True)]


def _rows_are_there(con: DuckDBPyConnection, suite: Suite, candidate: str | None) -> list[Check]:
    """A table has rows unless its suite says otherwise: of no rows, almost every expectation is true."""
    if candidate is None or suite.may_be_empty or _count(con, candidate):
        return []
    message = (
        "the table would have no rows, of which almost every expectation is true; if that is right, "
        'write "meta": {"may_be_empty": true} into the suite'
    )
    return [Check("table_has_rows", "", "critical", "failed", "0 rows", None, None, message, stops=True)]


def _count(con: DuckDBPyConnection, view: str) -> int:
    row = con.execute(f"select count(*) from {view}").fetchone()
    return int(row[0]) if row else 0


def _explain(error: Exception, suite: Suite) -> EngineError:
    from duckdb import HTTPException, IOException

    text = " ".join(str(error).split())[:400]
    return EngineError(
        f"{suite.table}: the gate could not be asked: {text}. That says nothing about the data. Nothing was committed; "
        "readers still see the version before. Run again; if it persists: lakehouse doctor",
        retryable=isinstance(error, HTTPException | IOException),
    )
