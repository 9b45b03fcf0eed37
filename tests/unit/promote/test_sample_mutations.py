"""For every expectation of the sample: data that breaks it, and a gate that must not let it pass unnoticed.

The data is made up from the models' columns and the suites themselves; no service and no real row is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from lakehouse.model import Model, load_graph
from lakehouse.names import TableName, quote
from lakehouse.promote.gate import run_gate
from lakehouse.promote.suites import Expectation, Suite, load_suite
from lakehouse.promote.verdict import Check, Verdict

ROOT = Path(__file__).parents[3]
GRAPH = load_graph(ROOT)
SUITES = {name: load_suite(ROOT / "expectations" / name.layer / f"{name.table}.json", name) for name in GRAPH.models}
EVERY = [(name, i) for name, suite in SUITES.items() for i in range(len(suite.expectations))]
ROWS = 1200

# Values that follow from what a query of the suite compares; i is the row's number, from 0.
CHOSEN = {
    ("silver.stores", "store_name"): "'Store ' || i",
    ("silver.products", "department"): "'department ' || i % 20",
    ("gold.weekly_department_sales", "net_sales"): "i % 11",
    ("gold.basket_sizes", "net_sales"): "i % 11",
    ("gold.customer_value", "net_sales"): "i % 11",
}
# For each query of a suite, in its order: the columns of one more row that it must find.
FOUND: Mapping[str, tuple[dict[str, str], ...]] = {
    "silver.order_items": (
        {"coupon_discount": "0", "coupon_match_discount": "1", "sales_value": "2000"},
        {"product_id": "-1"},
        {"order_id": "-1"},
    ),
    "silver.orders": ({"customer_id": "-1"}, {"store_id": "-1"}),
    "silver.campaign_customers": ({"campaign_id": "-1"}, {"customer_id": "-1"}),
    "silver.coupon_products": ({"product_id": "-1"},),
    "silver.coupon_redemptions": ({"customer_id": "-1"},),
    "silver.coupons": ({"campaign_id": "-1"},),
    "gold.basket_sizes": ({"net_sales": "7"},),
    "gold.customer_value": ({"net_sales": "7"},),
    "gold.product_performance": ({"net_sales": "7"},),
    "gold.campaign_effect": ({"customers_redeeming": "customers_mailed + 1"},),
    "gold.daily_store_sales": ({"net_sales": "7"},),
    "gold.retention_cohorts": (
        {"customers": "cohort_customers + 1"},
        {"months_after": "0", "customers": "cohort_customers - 1"},
    ),
    "gold.weekly_department_sales": ({"week_start": "week_start + 1"}, {"net_sales": "7"}),
}


def columns_of(con: duckdb.DuckDBPyConnection, model: Model) -> dict[str, str]:
    """The model's columns and their DuckDB types; silver models cast every one, gold ones are asked of DuckDB."""
    if model.name.layer == "bronze":
        named = {c for e in SUITES[model.name].expectations for c in e.columns}
        return dict.fromkeys(sorted(named) or ["value"], "VARCHAR")
    if model.name.layer == "gold":
        return {str(r[0]): str(r[1]) for r in con.execute(f"describe {model.sql.strip()}").fetchall()}
    tree = sqlglot.parse_one(model.sql, dialect="athena")
    assert isinstance(tree, exp.Query)
    casts = {s.alias_or_name: s.unalias() for s in tree.selects}
    return {n: c.to.sql("duckdb").replace("(6)", "") for n, c in casts.items() if isinstance(c, exp.Cast)}


def good_value(name: TableName, column: str, kind: str, suite: Suite) -> str:
    """An expression of i that satisfies what the suite says of a column by itself, and is unique where it may be."""
    if (str(name), column) in CHOSEN:
        return CHOSEN[str(name), column]
    for expectation in suite.expectations:
        kwargs = expectation.kwargs
        if kwargs.get("column") != column:
            continue
        if "value_set" in kwargs:
            return f"({kwargs['value_set']})[1 + i % {len(kwargs['value_set'])}]"
        if expectation.type == "expect_column_values_to_be_between":
            low = kwargs.get("min_value", 0)
            if isinstance(low, str):
                return f"cast('{low}' as {kind}) + interval (i) day"
            return f"{low} + i % {int(min(kwargs.get('max_value', low + 10), low + 10) - low) + 1}"
    if kind in ("DATE", "TIMESTAMP"):
        return "date '2000-01-03' + (i * 7)::integer"
    return {"VARCHAR": "'v' || i", "TEXT": "'v' || i", "BOOLEAN": "i % 2 = 0"}.get(kind, "i")


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        for layer in ("bronze", "silver", "gold", "gate", "types"):
            con.execute(f"create schema {layer}")
        for name, model in GRAPH.models.items():
            values = [
                f"cast({good_value(name, c, kind, SUITES[name])} as {kind}) as {quote(c)}"
                for c, kind in columns_of(con, model).items()
            ]
            con.execute(f"create table {name} as select {', '.join(values)} from range({ROWS}) t(i)")
        yield con


def one_more(table: TableName, columns: Mapping[str, str], types: Mapping[str, str]) -> str:
    changed = ", ".join(f"cast({value} as {types[c]}) as {quote(c)}" for c, value in columns.items())
    return f"from {table} union all by name select * replace ({changed}) from (from {table} limit 1)"


def all_rows(table: TableName, column: str, value: str, types: Mapping[str, str]) -> str:
    return f"select * replace (cast({value} as {types[column]}) as {quote(column)}) from {table}"


def beyond(kwargs: Mapping[str, Any], kind: str) -> str:
    """A value outside a pair of bounds."""
    bound, sign = (kwargs["max_value"], "+") if "max_value" in kwargs else (kwargs["min_value"], "-")
    return f"cast('{bound}' as {kind}) {sign} interval 1 day" if isinstance(bound, str) else f"{bound} {sign} 1"


def broken(suite: Suite, position: int, types: Mapping[str, str]) -> str:
    """A SELECT of the sample's table in which one expectation does not hold."""
    expectation, table = suite.expectations[position], suite.table
    kwargs, column = expectation.kwargs, str(expectation.kwargs.get("column"))
    if expectation.type == "unexpected_rows_expectation":
        before = [e for e in suite.expectations[:position] if e.type == expectation.type]
        return one_more(table, FOUND[str(table)][len(before)], types)
    mutations = {
        "expect_table_row_count_to_be_between": lambda: f"from {table} limit {kwargs['min_value'] - 1}",
        "expect_column_values_to_not_be_null": lambda: one_more(table, {column: "null"}, types),
        "expect_column_values_to_be_unique": lambda: one_more(table, {}, types),
        "expect_compound_columns_to_be_unique": lambda: one_more(table, {}, types),
        "expect_column_values_to_be_in_set": lambda: one_more(table, {column: "'~'"}, types),
        "expect_column_distinct_values_to_be_in_set": lambda: one_more(table, {column: "'~'"}, types),
        "expect_column_values_to_match_regex": lambda: one_more(table, {column: "'~'"}, types),
        "expect_column_values_to_be_between": lambda: one_more(table, {column: beyond(kwargs, types[column])}, types),
        "expect_column_mean_to_be_between": lambda: all_rows(table, column, beyond(kwargs, types[column]), types),
        "expect_column_unique_value_count_to_be_between": lambda: all_rows(table, column, "'one'", types),
        "expect_column_value_lengths_to_be_between": lambda: one_more(
            table, {column: f"repeat('x', {kwargs['max_value']} + 1)"}, types
        ),
        "expect_column_pair_values_a_to_be_greater_than_b": lambda: one_more(
            table, {kwargs["column_A"]: f"{kwargs['column_B']} - 1"}, types
        ),
    }
    return mutations[expectation.type]().replace("select * replace ()", "select *")


def gate(con: duckdb.DuckDBPyConnection, suite: Suite, select: str) -> Verdict:
    con.execute(f"create or replace view gate.staged as {select}")
    key = GRAPH.models[suite.table].key
    return run_gate(con, suite, run_id="r1", staged="gate.staged", candidate="gate.staged", key=key)


@pytest.mark.parametrize("name", list(SUITES), ids=str)
def test_good_rows_pass_whole(con: duckdb.DuckDBPyConnection, name: TableName) -> None:
    verdict = gate(con, SUITES[name], f"from {name}")
    assert [c.message for c in verdict.checks if c.outcome != "passed"] == []


@pytest.mark.parametrize(("name", "position"), EVERY, ids=lambda v: str(v))
def test_bad_rows_do_not(con: duckdb.DuckDBPyConnection, name: TableName, position: int) -> None:
    suite = SUITES[name]
    types = {str(r[0]): str(r[1]) for r in con.execute(f"describe {name}").fetchall()}
    verdict = gate(con, suite, broken(suite, position, types))
    (check,) = (c for c in verdict.checks if c.position == position)
    assert check.outcome == "failed", check
    assert reported(verdict, suite.expectations[position], check)


def reported(verdict: Verdict, expectation: Expectation, check: Check) -> bool:
    """Whether a failed check has its severity's consequence."""
    if expectation.severity == "warning":
        return check in verdict.warnings
    if expectation.severity == "quarantine" and verdict.passed:
        return check in verdict.diverting and verdict.rows_diverted > 0
    return not verdict.passed


def test_the_texts_that_break_patterns_do() -> None:
    patterns = [e.kwargs["regex"] for s in SUITES.values() for e in s.expectations if "regex" in e.kwargs]
    assert patterns and not any(re.search(p, "~") for p in patterns)
