"""Every expectation of the vocabulary, on DuckDB, with Great Expectations' own pandas engine as oracle."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from lakehouse.promote.divert import find_diversions
from lakehouse.promote.expectations import load
from lakehouse.promote.suites import Expectation, Suite
from lakehouse.promote.verdict import Check
from lakehouse.promote.vocabulary import REFUSED, VOCABULARY

from .expectation_cases import CASES, COLUMNS, TABLE, Case

if TYPE_CHECKING:
    from lakehouse.promote.expectations.validate import Asker

VIEW = "gate.staged"
BOTH = [(c, holds) for c in CASES for holds in (True, False)]
ROW_LEVEL = [c for c in CASES if VOCABULARY[c.type].row_level]


def name_of(value: object) -> str:
    return value.type if isinstance(value, Case) else ""


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("create schema gate")
        con.execute("create schema silver")
        con.execute(f"create table rows_given as {TABLE}")
        con.execute(f"create view {VIEW} as from rows_given")
        con.execute("create view silver.other as from rows_given")
        con.execute("create view silver.fewer as from rows_given where id < 30")
        yield con


@pytest.fixture(scope="module")
def asker(con: duckdb.DuckDBPyConnection) -> Iterator[Asker]:
    load()
    from lakehouse.promote.expectations.validate import open_asker

    with open_asker(con, [VIEW]) as asker:
        yield asker


@pytest.fixture(scope="module")
def pandas_validator(con: duckdb.DuckDBPyConnection) -> Any:
    load()
    from great_expectations.core.batch import Batch
    from great_expectations.execution_engine.pandas_batch_data import PandasBatchData
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine

    from lakehouse.promote.expectations.engine import QuietValidator

    frame = con.execute("select * replace (amount::double as amount) from rows_given order by id").df()
    frame = frame.astype({"code": object, "js": object, "day_text": object, "loose_day": object, "kind": object})
    engine = PandasExecutionEngine()
    return QuietValidator(engine, batches=[Batch(data=PandasBatchData(engine, frame))])  # type: ignore[arg-type]


def ask_pandas(validator: Any, case: Case, kwargs: dict[str, Any]) -> Any:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    from lakehouse.promote.expectations.validate import silenced

    configuration = ExpectationConfiguration(type=case.type, kwargs=kwargs, meta={"position": 0})
    with silenced():
        (result,) = validator.graph_validate([configuration], {"result_format": "COMPLETE", "catch_exceptions": True})
    return result


@pytest.mark.parametrize(("case", "holds"), BOTH, ids=name_of)
def test_answer(asker: Asker, case: Case, holds: bool) -> None:
    from lakehouse.promote.expectations.validate import Question

    (answer,) = asker.ask([Question(0, case.type, case.holds if holds else case.fails, VIEW)])
    assert answer.error is None
    assert answer.success is holds, answer.result


@pytest.mark.parametrize(("case", "holds"), [b for b in BOTH if b[0].oracle], ids=name_of)
def test_equals_pandas(asker: Asker, pandas_validator: Any, case: Case, holds: bool) -> None:
    from lakehouse.promote.expectations.validate import Question

    kwargs = case.holds if holds else case.fails
    (ours,) = asker.ask([Question(0, case.type, kwargs, VIEW)])
    theirs = ask_pandas(pandas_validator, case, kwargs)
    assert bool(theirs.success) is ours.success, theirs
    for key in ("unexpected_count", "element_count", "missing_count"):
        assert ours.result.get(key) == theirs.result.get(key), key
    observed, expected = ours.result.get("observed_value"), theirs.result.get("observed_value")
    if isinstance(expected, float) and "kl_divergence" not in case.type:
        assert math.isclose(float(str(observed)), expected, rel_tol=1e-9)


@pytest.mark.parametrize("case", ROW_LEVEL, ids=name_of)
def test_failing_rows_are_those_of_pandas(
    con: duckdb.DuckDBPyConnection, asker: Asker, pandas_validator: Any, case: Case
) -> None:
    from lakehouse.promote.expectations.validate import Question

    expectation = Expectation(case.type, case.fails, "quarantine", {})
    suite = Suite(None, None, (expectation,), "")  # type: ignore[arg-type]
    check = Check(case.type, "", "quarantine", "failed", "", None, None, "", position=0)
    question = Question(0, case.type, case.fails, VIEW)
    (found,), total = find_diversions(con, asker, suite, [check], [question], VIEW, VIEW, ("id",))
    ids = [row[0] for row in con.execute(f"select id from {VIEW} where {found.condition} order by id").fetchall()]
    assert len(ids) == found.rows == total > 0
    assert len(ids) + len(con.execute(f"from {VIEW} where not {found.condition}").fetchall()) == 40
    (counted,) = asker.ask([question])
    assert counted.result["unexpected_count"] == total
    if case.oracle:
        assert ids == sorted(ask_pandas(pandas_validator, case, case.fails).result["unexpected_index_list"])


def test_every_expectation_has_a_case() -> None:
    assert {c.type for c in CASES} == set(VOCABULARY)


def test_the_table_has_the_columns_that_cases_speak_of(con: duckdb.DuckDBPyConnection) -> None:
    assert tuple(r[0] for r in con.execute(f"describe {VIEW}").fetchall()) == COLUMNS


def test_vocabulary_is_that_of_the_installed_great_expectations() -> None:
    load()
    import great_expectations.expectations as gxe
    from great_expectations.expectations.expectation import Expectation as Base
    from great_expectations.expectations.registry import (
        get_expectation_impl,
        list_registered_expectation_implementations,
    )

    exported = set(list_registered_expectation_implementations())
    assert exported - set(REFUSED) == set(VOCABULARY)
    assert hasattr(gxe, "ExpectMulticolumnValuesToBeUnique"), "refused by name, and still there"
    ours = {"batch_id", "windows", "library_metadata", *Base.__fields__}
    for name, kind in VOCABULARY.items():
        fields = {k: f for k, f in get_expectation_impl(name).__fields__.items() if k not in ours}
        assert set(kind.required) | set(kind.optional) == set(fields), name
        assert {k for k, f in fields.items() if f.required} <= set(kind.required), name
