"""The gate: what is asked of which rows, what stops, and that nothing passes because it could not be asked."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lakehouse.errors import EngineError, GateFailed, ModelError
from lakehouse.names import TableName
from lakehouse.promote.expectations import load
from lakehouse.promote.gate import run_gate
from lakehouse.promote.suites import load_suite
from lakehouse.promote.verdict import Verdict, gate_failure

TABLE = TableName("silver", "orders")
ROW_COUNT = ("expect_table_row_count_to_be_between", {"min_value": 1})
AMOUNT = ("expect_column_values_to_be_between", {"column": "amount", "min_value": 0})
UNIQUE = ("expect_column_values_to_be_unique", {"column": "order_id"})
Line = tuple[str, dict[str, Any]] | tuple[str, dict[str, Any], str]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """100 orders, of which the last 50 are staged; 10 customers."""
    with duckdb.connect() as con:
        con.execute("create schema gate")
        con.execute("create schema silver")
        con.execute(
            "create table orders as select i as order_id, i % 10 as customer_id, i * 1.5 as amount, "
            "date '2024-01-01' + i::integer as day from range(100) t(i)"
        )
        con.execute("create view gate.candidate as from orders")
        con.execute("create view gate.staged as from orders where order_id >= 50")
        con.execute("create view silver.customers as select i as customer_id from range(10) t(i)")
        yield con


def gate(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, *lines: Line, candidate: str | None = "gate.candidate", **more: Any
) -> Verdict:
    path = tmp_path / "orders.json"
    listed = [{"type": e[0], "kwargs": e[1], "severity": e[2] if len(e) > 2 else "critical"} for e in lines]
    path.write_text(json.dumps({"name": str(TABLE), "expectations": listed, **more}))
    suite = load_suite(path, TABLE)
    return run_gate(con, suite, run_id="r1", staged="gate.staged", candidate=candidate, key=("order_id",))


def test_good_rows_pass(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    verdict = gate(con, tmp_path, ROW_COUNT, AMOUNT, UNIQUE)
    assert verdict.passed and verdict.blocking == () and verdict.diverting == ()
    assert [(c.outcome, c.observed) for c in verdict.checks] == [
        ("passed", "100"),
        ("passed", "0 of 50 rows"),
        ("passed", "0 of 100 rows"),
    ]
    assert verdict.rows == 50
    written = json.loads(json.dumps(verdict.to_json()))
    assert written["passed"] is True and written["rows_diverted"] == 0
    assert written["checks"][1] == {
        "type": "expect_column_values_to_be_between",
        "columns": "amount",
        "severity": "critical",
        "outcome": "passed",
        "observed": "0 of 50 rows",
        "unexpected_count": 0,
        "element_count": 50,
        "message": "",
        "kwargs": {"column": "amount", "min_value": 0},
        "why": "",
        "position": 1,
        "stops": False,
    }


def test_a_bad_row_stops_the_promotion(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("update orders set amount = -2.5 where order_id = 70")
    verdict = gate(con, tmp_path, ROW_COUNT, AMOUNT, UNIQUE)
    assert not verdict.passed
    error = gate_failure(verdict)
    assert str(error) == (
        "silver.orders, run r1: 1 of 3 expectations failed (amount must be between (min_value 0): 1 of 50 rows, "
        "e.g. -2.5). Nothing was committed; readers still see the version before. Correct the source, the model, or "
        "its suite expectations/silver/orders.json, then: lakehouse run silver.orders"
    )
    assert isinstance(error, GateFailed) and error.exit_code == 3 and not error.retryable
    assert error.verdict is verdict


def test_only_staged_rows_are_judged_one_by_one(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("update orders set amount = -2.5 where order_id = 7")
    assert gate(con, tmp_path, AMOUNT).passed


def test_rows_are_compared_with_the_whole_table(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("update orders set order_id = 7 where order_id = 8")
    con.execute("insert into orders values (3, 1, 1.5, date '2024-01-01'), (4, null, 1.5, date '2024-01-01')")
    compound = ("expect_compound_columns_to_be_unique", {"column_list": ["order_id", "customer_id"]})
    verdict = gate(con, tmp_path, UNIQUE, compound)
    assert [c.unexpected_count for c in verdict.checks] == [6, 0]
    con.execute("insert into orders values (4, null, 1.5, date '2024-01-01')")
    assert [c.unexpected_count for c in gate(con, tmp_path, UNIQUE, compound).checks] == [7, 2]


def test_a_bronze_increment_is_no_table(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("create or replace view gate.staged as from orders where false")
    con.execute("update orders set order_id = 7")
    verdict = gate(con, tmp_path, ROW_COUNT, UNIQUE, AMOUNT, candidate=None)
    assert [c.type for c in verdict.checks] == ["expect_column_values_to_be_between"]
    assert verdict.passed and verdict.rows == 0


def test_zero_rows_where_rows_are_expected(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("delete from orders")
    verdict = gate(con, tmp_path, AMOUNT, UNIQUE)
    assert [c.outcome for c in verdict.checks] == ["failed", "passed", "passed"]
    assert str(gate_failure(verdict)).startswith(
        "silver.orders, run r1: the gate said no (the table would have no rows, of which almost every expectation is "
        'true; if that is right, write "meta": {"may_be_empty": true} into the suite). Nothing was committed'
    )
    assert gate(con, tmp_path, AMOUNT, UNIQUE, meta={"may_be_empty": True}).passed


@pytest.mark.parametrize("severity", ["critical", "quarantine", "warning"])
def test_what_raises_stops_whatever_its_severity(con: duckdb.DuckDBPyConnection, tmp_path: Path, severity: str) -> None:
    regex = ("expect_column_values_to_match_regex", {"column": "amount", "regex": "("}, severity)
    absent = ("expect_column_values_to_not_be_null", {"column": "absent"}, severity)
    verdict = gate(con, tmp_path, ROW_COUNT, regex, absent)
    assert [c.outcome for c in verdict.checks] == ["passed", "error", "error"]
    message = str(gate_failure(verdict))
    assert "2 of 3 expectations failed or could not be evaluated" in message
    assert "missing ): (" in message
    assert 'absent must not be null: The column "absent" does not exist.' in message


def test_no_answer_is_no_pass(con: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from great_expectations.validator.validator import Validator

    answer = Validator.graph_validate
    monkeypatch.setattr(Validator, "graph_validate", lambda *a, **k: answer(*a, **k)[:-1])
    verdict = gate(con, tmp_path, ROW_COUNT, AMOUNT, candidate="gate.staged")
    assert sorted(c.outcome for c in verdict.checks) == ["error", "passed"]
    assert "Great Expectations gave no answer to it" in str(gate_failure(verdict))


def test_arguments_that_make_no_sense(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as e:
        gate(con, tmp_path, ROW_COUNT, ("expect_column_values_to_not_be_null", {"column": "a", "mostly": 3}))
    assert f"{tmp_path}/orders.json: expectation 2 (expect_column_values_to_not_be_null): mostly: " in str(e.value)
    assert str(e.value).endswith("Nothing was tested, so nothing is promoted. Correct its kwargs.")


def test_a_warning_is_reported_and_stops_nothing(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("update orders set amount = -2.5 where order_id = 70")
    verdict = gate(con, tmp_path, ROW_COUNT, (*AMOUNT, "warning"))
    assert verdict.passed and not verdict.diverting
    assert [c.message for c in verdict.warnings] == ["amount must be between (min_value 0): 1 of 50 rows, e.g. -2.5"]


def test_too_many_rows_to_set_aside_stop(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("update orders set amount = -1 where order_id > 96")
    lines: list[Line] = [ROW_COUNT, (*AMOUNT, "quarantine")]
    verdict = gate(con, tmp_path, *lines, meta={"quarantine_max_share": 0.05})
    assert not verdict.passed and not verdict.diverting
    assert verdict.blocking[0].message.endswith(
        "3 of 50 rows, e.g. -1.0; that is 6.00% of the 50 staged rows, and at most 5.00% may be set aside"
    )
    verdict = gate(con, tmp_path, *lines, meta={"quarantine_max_share": 0.06})
    assert verdict.passed and verdict.rows_diverted == 3


def test_expectations_share_what_may_be_set_aside(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("update orders set amount = -1 where order_id in (97, 98, 99)")
    con.execute("update orders set customer_id = null where order_id in (94, 95, 96)")
    gaps = ("expect_column_values_to_not_be_null", {"column": "customer_id"}, "quarantine")
    verdict = gate(con, tmp_path, (*AMOUNT, "quarantine"), gaps, meta={"quarantine_max_share": 0.06})
    assert [c.message for c in verdict.blocking] == [
        "2 expectations together set aside 6 rows, 12.00% of the 50 staged rows, and at most 6.00% may be"
    ]
    con.execute("update orders set customer_id = null where order_id in (97, 98, 99)")
    con.execute("update orders set customer_id = 1 where order_id in (94, 95, 96)")
    verdict = gate(con, tmp_path, (*AMOUNT, "quarantine"), gaps, meta={"quarantine_max_share": 0.06})
    assert verdict.passed and verdict.rows_diverted == 3


def test_one_bad_row_of_a_small_increment_is_set_aside(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("update orders set amount = -1 where order_id = 99")
    verdict = gate(con, tmp_path, (*AMOUNT, "quarantine"))
    assert verdict.passed and [c.type for c in verdict.diverting] == ["expect_column_values_to_be_between"]
    assert not gate(con, tmp_path, (*AMOUNT, "quarantine"), meta={"quarantine_max_share": 0}).passed


def test_rows_that_are_live_already_cannot_be_set_aside(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("update orders set order_id = 7 where order_id = 8")
    verdict = gate(con, tmp_path, (*UNIQUE, "quarantine"))
    assert verdict.blocking[0].message == (
        "order_id must be unique: 2 of 100 rows, e.g. 7; none of these rows is among the staged ones, so setting rows "
        "aside cannot help"
    )


def test_other_tables_of_the_lake(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    query = "select b.* from {batch} b anti join silver.customers c using (customer_id)"
    line: Line = ("unexpected_rows_expectation", {"unexpected_rows_query": query}, "quarantine")
    assert gate(con, tmp_path, line).passed
    con.execute("update orders set customer_id = 77 where order_id = 60")
    verdict = gate(con, tmp_path, line)
    assert verdict.passed and verdict.rows_diverted == 1
    path = tmp_path / "orders.json"
    with pytest.raises(ModelError) as e:
        run_gate(con, load_suite(path, TABLE), run_id="r1", staged="gate.staged", candidate="gate.candidate")
    assert str(e.value) == (
        f"{path}: unexpected_rows_expectation with severity quarantine has no key to know its rows by, so its failing "
        "rows cannot be told apart. Let the query return the model's key, or write critical."
    )


def test_a_query_to_set_rows_aside_returns_the_key(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    query = "select customer_id from {batch} where amount > 3"
    with pytest.raises(ModelError) as e:
        gate(con, tmp_path, ("unexpected_rows_expectation", {"unexpected_rows_query": query}, "quarantine"))
    assert "does not return order_id, so its failing rows cannot be told apart" in str(e.value)


def test_comparisons_are_whole(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("create view silver.many as select i as v from range(300) t(i)")
    kwargs = {
        "base_query": "select m.v from silver.many m, (select count(*) from {batch}) n",
        "comparison_query": "select v from silver.many",
        "comparison_data_source_name": "lake",
    }
    assert gate(con, tmp_path, ("expect_query_results_to_match_comparison", kwargs)).passed
    verdict = gate(
        con,
        tmp_path,
        ("expect_query_results_to_match_comparison", {**kwargs, "comparison_query": "select v + 1 from silver.many"}),
    )
    assert verdict.blocking[0].observed == "1 rows differ"
    con.execute("create or replace view silver.many as select i as v from range(10001) t(i)")
    verdict = gate(con, tmp_path, ("expect_query_results_to_match_comparison", kwargs))
    assert "a query to compare returns more than 10,000 rows; let it aggregate first" in verdict.blocking[0].message


def test_a_database_that_cannot_answer_says_nothing_of_the_data(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    lost = tmp_path / "lost.parquet"
    con.execute(f"copy orders to '{lost}'")
    con.execute(f"create or replace view gate.staged as from '{lost}'")
    lost.unlink()
    with pytest.raises(EngineError) as e:
        gate(con, tmp_path, AMOUNT)
    assert str(e.value).startswith("silver.orders: the gate could not be asked: IO Error: No files found")
    assert "That says nothing about the data. Nothing was committed" in str(e.value)
    assert e.value.retryable


def test_a_database_out_of_memory_says_nothing_of_the_data(tmp_path: Path) -> None:
    with duckdb.connect() as con:
        con.execute("set memory_limit = '20MB'; set temp_directory = ''; create schema gate")
        con.execute("create view gate.staged as select (i * 7919) % 5000011 as order_id from range(5000000) t(i)")
        with pytest.raises(EngineError) as e:
            gate(con, tmp_path, UNIQUE, candidate="gate.staged")
    assert str(e.value).startswith("silver.orders: the gate could not be asked: Out of Memory Error")
    assert not e.value.retryable


def test_ctrl_c_is_no_failed_expectation(tmp_path: Path) -> None:
    load()
    with duckdb.connect() as con:
        con.execute("set threads = 2; create schema gate")
        con.execute("create view gate.staged as select (i * 7919) % 1000000007 as order_id from range(200000000) t(i)")
        # A program started in the background may have been told to ignore it.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        timer = threading.Timer(3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            gate(con, tmp_path, UNIQUE, candidate="gate.staged")
        timer.join()
        signal.signal(signal.SIGINT, before)
        assert time.monotonic() - began < 15
        assert con.execute("select 1").fetchone() == (1,)


def test_the_connection_stays_the_callers(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("set timezone = 'Asia/Tokyo'")
    gate(con, tmp_path, ROW_COUNT, UNIQUE)
    assert con.execute("select current_setting('timezone'), count(*) from orders").fetchone() == ("Asia/Tokyo", 100)


def test_dates_with_a_zone_are_read_in_utc(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("set timezone = 'Asia/Tokyo'")
    con.execute("create or replace view gate.staged as select timestamptz '2024-01-01 00:00:00+00' as moment")
    assert gate(
        con,
        tmp_path,
        (
            "unexpected_rows_expectation",
            {"unexpected_rows_query": "select moment from {batch} where moment::date <> date '2024-01-01'"},
        ),
        candidate="gate.staged",
    ).passed


def test_great_expectations_is_silent(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = logging.getLogger("great_expectations").level
    with caplog.at_level(logging.DEBUG):
        gate(con, tmp_path, ROW_COUNT, ("expect_column_values_to_match_regex", {"column": "amount", "regex": "("}))
    assert capfd.readouterr() == ("", "")
    assert [r for r in caplog.records if r.name.startswith("great_expectations")] == []
    assert logging.getLogger("great_expectations").level == before
