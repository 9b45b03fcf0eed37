"""Reading a suite: whatever could make a gate pass by accident is refused, with its own message."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import ModelError
from lakehouse.names import TableName
from lakehouse.promote.suites import Suite, load_suite, suite_columns
from lakehouse.promote.vocabulary import REFUSED

ORDERS = TableName("silver", "orders")
ROW_COUNT = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}
NOT_NULL = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "order_id"}}


def write(tmp_path: Path, value: object) -> Path:
    path = tmp_path / "orders.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def suite_of(tmp_path: Path, *lines: dict[str, Any], table: TableName = ORDERS, **more: Any) -> Suite:
    return load_suite(write(tmp_path, {"name": str(table), "expectations": list(lines), **more}), table)


def refusal(tmp_path: Path, *lines: dict[str, Any], table: TableName = ORDERS, **more: Any) -> str:
    with pytest.raises(ModelError) as e:
        suite_of(tmp_path, *lines, table=table, **more)
    return str(e.value).replace(str(tmp_path), "…")


def test_reads_what_is_there(tmp_path: Path) -> None:
    line = {**NOT_NULL, "severity": "quarantine", "meta": {"why": "a row without it is no order"}}
    suite = suite_of(tmp_path, ROW_COUNT, line, meta={"quarantine_max_share": 0.2})
    assert [(e.type, e.severity, e.columns) for e in suite.expectations] == [
        ("expect_table_row_count_to_be_between", "critical", ()),
        ("expect_column_values_to_not_be_null", "quarantine", ("order_id",)),
    ]
    assert suite.max_share(suite.expectations[1]) == 0.2
    assert not suite.may_be_empty


def test_a_missing_suite_says_what_to_write(tmp_path: Path) -> None:
    path = tmp_path / "orders.json"
    with pytest.raises(ModelError) as e:
        load_suite(path, ORDERS)
    assert str(e.value) == (
        f"{path}: silver.orders has no suite, and nothing is promoted ungated. Write one: "
        '{"name": "silver.orders", "expectations": [{"type": "expect_table_row_count_to_be_between", '
        '"kwargs": {"min_value": 1}}]}.'
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"name": "silver.orders",\n "expectations": [,]}', ":2:19: not valid JSON: Expecting value."),
        ("[]", ": must be a JSON object {…}, not list."),
        (
            '{"name": "silver.orders", "expectations": []}',
            ": has no expectations, and an empty suite would let everything",
        ),
        ('{"name": "silver.orders"}', ": has no expectations, and an empty suite would let everything pass."),
        ('{"name": "silver.customers", "expectations": [1]}', ": is named 'silver.customers', but the file belongs to"),
        ('{"name": "silver.orders", "expectations": [1]}', ": expectation 1: must be a JSON object {…}, not int."),
        ('{"name": "silver.orders", "expectation": [1]}', ": unknown key 'expectation'. Did you mean 'expectations'?"),
    ],
)
def test_a_file_that_is_no_suite(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ModelError) as e:
        load_suite(path, ORDERS)
    assert str(e.value).startswith(f"{path}{message}")


def test_a_suite_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "orders.json"
    path.write_bytes(b'{"name": "\xff"}')
    with pytest.raises(ModelError, match="not UTF-8 at byte 10"):
        load_suite(path, ORDERS)


def test_an_unknown_expectation(tmp_path: Path) -> None:
    assert refusal(tmp_path, ROW_COUNT, {"type": "expect_column_values_to_be_not_null", "kwargs": {"column": "a"}}) == (
        "…/orders.json: expectation 2: unknown expectation 'expect_column_values_to_be_not_null'. "
        "Did you mean 'expect_column_values_to_be_null' or 'expect_column_values_to_not_be_null'?"
    )


@pytest.mark.parametrize("name", REFUSED)
def test_an_expectation_without_sql_meaning_is_refused_by_name(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, {"type": name, "kwargs": {"column": "a"}})
    assert message.startswith(f"…/orders.json: expectation 1: {name} cannot be used: ")
    assert "Write " in message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({**NOT_NULL, "severity": "error"}, "unknown severity 'error'. Valid: critical, quarantine, warning."),
        ({**NOT_NULL, "severty": "warning"}, "unknown key 'severty'. Did you mean 'severity'?"),
        ({**NOT_NULL, "kwargs": {}}, "needs column. Its arguments: column, mostly, row_condition, condition_parser."),
        ({**NOT_NULL, "kwargs": {"colum": "a"}}, "unknown argument 'colum'. Did you mean 'column'?"),
        ({**NOT_NULL, "kwargs": ["a"]}, "kwargs: must be a JSON object {…}, not list."),
        (
            {**NOT_NULL, "meta": {"quarantine_max_share": 5}},
            "meta: quarantine_max_share is 5; write a share of the rows",
        ),
        (
            {"type": "expect_column_values_to_be_between", "kwargs": {"column": "a"}},
            "has neither min_value nor max_value, so it demands nothing. Give one of them.",
        ),
        (
            {**NOT_NULL, "kwargs": {"column": "a", "row_condition": "b > 1"}},
            'row_condition needs "condition_parser": "great_expectations", and then reads like col("status")',
        ),
        (
            {
                "type": "expect_column_values_to_be_of_type",
                "kwargs": {"column": "a", "type_": "DATE"},
                "severity": "quarantine",
            },
            "severity quarantine sets failing rows aside, and this expectation is about the whole table.",
        ),
        (
            {**ROW_COUNT, "severity": "quarantine"},
            "severity quarantine sets failing rows aside, and this expectation is",
        ),
        (
            {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "select 1"}},
            "unexpected_rows_query does not read {batch}, so it would not test this table.",
        ),
        (
            {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "select 1 from {bach}"}},
            "unexpected_rows_query names {bach}. Write {batch} for the table, and other tables as layer.table.",
        ),
        (
            {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "select '{' from {batch}"}},
            "unexpected_rows_query: unexpected '{' in field name. A brace that is meant is written twice: {{",
        ),
        (
            {
                "type": "expect_query_results_to_match_comparison",
                "kwargs": {
                    "base_query": "select 1 from {batch}",
                    "comparison_query": "select 1",
                    "comparison_data_source_name": "warehouse",
                },
            },
            "comparison_data_source_name is 'warehouse'; the gate only sees this lake: \"lake\".",
        ),
    ],
)
def test_a_line_that_demands_nothing_or_what_cannot_be(tmp_path: Path, line: dict[str, Any], message: str) -> None:
    assert refusal(tmp_path, line).startswith(f"…/orders.json: expectation 1 ({line['type']}): {message}")


def test_bronze_sets_nothing_aside(tmp_path: Path) -> None:
    message = refusal(tmp_path, {**NOT_NULL, "severity": "quarantine"}, table=TableName("bronze", "orders"))
    assert message.endswith("bronze is an exact copy and sets nothing aside. Write critical or warning.")


@pytest.mark.parametrize(
    ("lines", "more", "expected"),
    [
        ([NOT_NULL], {}, False),
        ([NOT_NULL], {"meta": {"may_be_empty": True}}, True),
        ([{**ROW_COUNT, "kwargs": {"min_value": 0}}], {}, True),
        ([{**ROW_COUNT, "kwargs": {"max_value": 9}}], {}, False),
        ([{"type": "expect_table_row_count_to_equal", "kwargs": {"value": 0}}], {}, True),
    ],
)
def test_a_table_may_be_empty_only_where_the_suite_says_so(
    tmp_path: Path, lines: list[dict[str, Any]], more: dict[str, Any], expected: bool
) -> None:
    assert suite_of(tmp_path, *lines, **more).may_be_empty is expected


def test_may_be_empty_is_true_or_false(tmp_path: Path) -> None:
    assert refusal(tmp_path, NOT_NULL, meta={"may_be_empty": "no"}).endswith("is 'no'; write true or false.")


def test_fingerprint_follows_demands_and_not_their_explanation(tmp_path: Path) -> None:
    first = suite_of(tmp_path, {**NOT_NULL, "meta": {"why": "one"}}).fingerprint
    assert suite_of(tmp_path, {**NOT_NULL, "meta": {"why": "another"}}).fingerprint == first
    assert suite_of(tmp_path, {**NOT_NULL, "severity": "warning"}).fingerprint != first
    assert suite_of(tmp_path, {**NOT_NULL, "meta": {"quarantine_max_share": 0.5}}).fingerprint != first
    assert suite_of(tmp_path, NOT_NULL, meta={"may_be_empty": True}).fingerprint != first


@pytest.mark.parametrize(
    ("lines", "columns"),
    [
        ([ROW_COUNT, NOT_NULL], '"order_id"'),
        ([ROW_COUNT], '"order_id", "status"'),
        ([NOT_NULL, {"type": "expect_table_column_count_to_equal", "kwargs": {"value": 2}}], '"order_id", "status"'),
        (
            [
                {
                    "type": "expect_column_values_to_not_be_null",
                    "kwargs": {
                        "column": "order_id",
                        "row_condition": 'col("status") == "paid"',
                        "condition_parser": "great_expectations",
                    },
                }
            ],
            '"order_id", "status"',
        ),
    ],
)
def test_columns_a_suite_looks_at(tmp_path: Path, lines: list[dict[str, Any]], columns: str) -> None:
    assert suite_columns(suite_of(tmp_path, *lines), ["order_id", "status"]) == columns


def test_reading_suites_does_not_import_great_expectations() -> None:
    code = "import lakehouse.promote.suites, lakehouse.promote.gate, sys; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
