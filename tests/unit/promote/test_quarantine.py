"""Which rows are set aside: each staged row on exactly one side, once, with every reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.names import TableName, quote
from lakehouse.promote.gate import run_gate
from lakehouse.promote.quarantine import split_rows
from lakehouse.promote.suites import Suite, load_suite

TABLE = TableName("silver", "lines")
NOT_NEGATIVE = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "b", "min_value": 0}}
NO_GAPS = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "b"}}
UNIQUE = {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["a", "b"]}}
ALONE = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "a"}}
Row = tuple[int | None, int | None]


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("create schema gate; create table lines (a integer, b integer)")
        con.execute("create view gate.staged as from lines")
        yield con


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("suites")


def suite_of(folder: Path, *lines: dict[str, Any]) -> Suite:
    path = folder / "lines.json"
    listed = [{**line, "severity": "quarantine", "meta": {"quarantine_max_share": 1}} for line in lines]
    path.write_text(json.dumps({"name": str(TABLE), "expectations": listed, "meta": {"may_be_empty": True}}))
    return load_suite(path, TABLE)


def halves(con: duckdb.DuckDBPyConnection, suite: Suite, rows: list[Row]) -> tuple[list[Row], list[Any]]:
    con.execute("delete from lines")
    if rows:
        con.executemany("insert into lines values (?, ?)", rows)
    verdict = run_gate(con, suite, run_id="r1", staged="gate.staged", candidate="gate.staged", key=("a", "b"))
    assert verdict.passed
    good, bad = split_rows(con, suite, verdict, "gate.staged")
    found = con.execute(bad).fetchall()
    assert len(found) == verdict.rows_diverted
    return con.execute(good).fetchall(), found


def test_a_row_that_fails_twice_is_set_aside_once_with_both_reasons(
    con: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    good, bad = halves(con, suite_of(folder, NOT_NEGATIVE, ALONE), [(1, 5), (2, -1), (2, 3), (3, None)])
    assert sorted(good) == [(1, 5), (3, None)]
    assert sorted(bad) == [
        (
            2,
            -1,
            "expect_column_values_to_be_between; expect_column_values_to_be_unique",
            "b must be between (min_value 0); a must be unique",
        ),
        (2, 3, "expect_column_values_to_be_unique", "a must be unique"),
    ]


def test_null_equals_null_in_a_compound_key(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    good, bad = halves(con, suite_of(folder, UNIQUE), [(1, None), (1, None), (2, None), (None, None), (None, None)])
    assert sorted(b[:2] for b in bad) == [(1, None), (1, None)]
    assert len(good) == 3, "rows whose key is missing altogether are ignored, as Great Expectations does by default"


def test_reserved_and_odd_column_names(folder: Path) -> None:
    odd = 'it\'s "odd"'
    with duckdb.connect() as con:
        con.execute("create schema gate")
        con.execute(f'create table t as select i as "order", i % 2 as "Group", i as {quote(odd)} from range(6) t(i)')
        con.execute("create view gate.staged as from t")
        suite = suite_of(
            folder,
            {"type": "expect_column_values_to_be_between", "kwargs": {"column": "order", "max_value": 4}},
            {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": odd, "value_set": [0, 1, 2, 3, 5]}},
            {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["Group", odd]}},
        )
        verdict = run_gate(con, suite, run_id="r1", staged="gate.staged", candidate="gate.staged")
        assert verdict.passed, verdict.blocking
        good, bad = split_rows(con, suite, verdict, "gate.staged")
        assert [r[0] for r in con.execute(good).fetchall()] == [0, 1, 2, 3]
        assert [r[0] for r in con.execute(bad).fetchall()] == [4, 5]


VALUES = st.one_of(st.none(), st.integers(-2, 2))


@given(rows=st.lists(st.tuples(VALUES, VALUES), max_size=12))
@settings(max_examples=40, deadline=None)
def test_every_row_is_on_exactly_one_side(con: duckdb.DuckDBPyConnection, folder: Path, rows: list[Row]) -> None:
    good, bad = halves(con, suite_of(folder, NOT_NEGATIVE, NO_GAPS, UNIQUE), rows)
    order = [(x[0] is None, x[0] or 0, x[1] is None, x[1] or 0) for x in rows]
    assert sorted((x[0] is None, x[0] or 0, x[1] is None, x[1] or 0) for x in [*good, *bad]) == sorted(order)

    def is_bad(row: Row) -> bool:
        return row[1] is None or row[1] < 0 or rows.count(row) > 1

    assert all(is_bad(b[:2]) for b in bad)
    assert not any(is_bad(g) for g in good)
