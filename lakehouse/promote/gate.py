"""Run a suite on exactly the files that would become visible, and say what came of it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.promote.rows import ROW_RULES
from lakehouse.promote.suites import Expectation, Suite
from lakehouse.promote.verdict import Check, CheckOutcome, Verdict

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# These compare rows with each other, so that new files alone could not show what is wrong with them.
WHOLE_TABLE = ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique")
INDEX = "lakehouse_index"


def run_gate(con: DuckDBPyConnection, suite: Suite, *, run_id: str, staged: str, candidate: str | None) -> Verdict:
    """Evaluate a suite; nothing is raised for what it finds, an expectation that cannot be evaluated is an "error".

    `staged` and `candidate` name views of `con`: the rows of the new files, and the table as it would be with them.
    Expectations of single rows look at the first, those of whole tables at the second; without a candidate (a bronze
    increment, which is no table) the latter are left out.
    """
    began = time.monotonic()
    rows = _count(con, staged)
    single = [i for i, e in enumerate(suite.expectations) if is_row_level(e)]
    whole = [i for i in range(len(suite.expectations)) if i not in single]
    checks: dict[int, Check] = {}
    if candidate == staged:
        checks |= _evaluate(con, suite, staged, range(len(suite.expectations)))
    else:
        # Zero new rows (only deletes) say nothing of a row; GX would call some aggregates of them failures.
        checks |= _evaluate(con, suite, staged, single) if rows else _vacuous(suite, single)
        checks |= _evaluate(con, suite, candidate, whole) if candidate else {}
    return Verdict(suite.table, run_id, rows, tuple(checks[i] for i in sorted(checks)), time.monotonic() - began)


def is_row_level(expectation: Expectation) -> bool:
    """Whether an expectation judges each row by itself."""
    return expectation.type in ROW_RULES and expectation.type not in WHOLE_TABLE


def _evaluate(con: DuckDBPyConnection, suite: Suite, view: str, chosen: Sequence[int]) -> dict[int, Check]:
    import great_expectations as gx

    from lakehouse.promote.gx_duckdb import batch_of, context

    if not chosen:
        return {}
    context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        specs = [_spec(suite.expectations[i], i) for i in chosen]
        built, checks = {}, {}
        for i, spec in zip(chosen, specs, strict=True):
            try:
                built[i] = gx.expectations.registry.get_expectation_impl(spec["type"])(
                    **spec["kwargs"], meta=spec["meta"]
                )
            except ValueError as e:  # pydantic's ValidationError: the kwargs are not what the expectation takes
                checks[i] = _check(suite.expectations[i], "error", " ".join(str(e).split())[:300])
        results = batch_of(con, view).validate(
            gx.ExpectationSuite(name=str(suite.table), expectations=list(built.values())), result_format="SUMMARY"
        )
        for result in results.results:
            i = result.expectation_config.meta[INDEX]
            checks[i] = _result(suite.expectations[i], result)
    for i in chosen:
        if i not in checks:
            checks[i] = _check(suite.expectations[i], "error", "GX left it out without a word")
    return checks


def _spec(expectation: Expectation, index: int) -> dict[str, Any]:
    return {"type": expectation.type, "kwargs": dict(expectation.kwargs), "meta": {INDEX: index}}


def _vacuous(suite: Suite, chosen: Sequence[int]) -> dict[int, Check]:
    return {i: _check(suite.expectations[i], "passed", "no new rows") for i in chosen}


def _result(expectation: Expectation, result: Any) -> Check:
    errors = [e for e in _exceptions(result.exception_info or {}) if e.get("raised_exception")]
    if errors:
        return _check(expectation, "error", " ".join(str(errors[0].get("exception_message")).split())[:300])
    found: Mapping[str, Any] = result.result or {}
    unexpected, elements = int(found.get("unexpected_count") or 0), int(found.get("element_count") or 0)
    observed = f"observed {found['observed_value']}" if found.get("observed_value") is not None else ""
    if unexpected:
        observed = f"for example {', '.join(repr(v) for v in found.get('partial_unexpected_list', [])[:3])}"
    outcome: CheckOutcome = "passed" if bool(result.success) else "failed"
    return _check(expectation, outcome, observed[:300], unexpected, elements)


def _exceptions(info: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "raised_exception" in info:
        yield info
    else:
        yield from info.values()


def _check(
    expectation: Expectation, outcome: CheckOutcome, observed: str, unexpected: int = 0, elements: int = 0
) -> Check:
    why = str(expectation.meta.get("why", ""))
    return Check(
        expectation.type,
        expectation.columns,
        expectation.kwargs,
        expectation.severity,
        outcome,
        observed,
        unexpected,
        elements,
        why,
    )


def _count(con: DuckDBPyConnection, view: str) -> int:
    row = con.execute(f"select count(*) from {view}").fetchone()
    return int(row[0]) if row else 0
