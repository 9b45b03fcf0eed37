"""The sample's questions on a few rows, whose answers a person can count."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from lakehouse.model import load_questions

ROOT = Path(__file__).parents[3]
QUESTIONS = {q.name: q for q in load_questions(ROOT)}


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("create schema gold")
        yield con


def asked(con: duckdb.DuckDBPyConnection, question: str, table: str, rows: str) -> list[tuple[object, ...]]:
    con.execute(f"create table gold.{table} as {rows}")
    return [
        tuple(str(v) if v is not None else None for v in row) for row in con.execute(QUESTIONS[question].sql).fetchall()
    ]


def test_weekdays_have_their_own_names(con: duckdb.DuckDBPyConnection) -> None:
    days = (
        "select d::date as sales_date, 1 as orders, day(d)::decimal(18, 2) as net_sales from generate_series({}) t(d)"
    )
    rows = days.format("timestamp '2024-01-01', timestamp '2024-01-07', interval 1 day")
    named = {sales: weekday for weekday, _, sales in asked(con, "busiest_days", "daily_store_sales", rows)}
    order = [named[f"{day}.00"] for day in range(1, 8)]
    assert order == ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def test_uplift_is_against_the_time_before_and_not_of_nothing(con: duckdb.DuckDBPyConnection) -> None:
    rows = """select * from (values (1, 'Type A', date '2017-01-01', 10, 2, 200.00, 250.00),
        (2, 'Type B', date '2017-02-01', 10, 0, 0.00, 70.00), (3, 'Type B', date '2017-03-01', 5, 1, 100.00, 90.00))
        t(campaign_id, campaign_type, starts_on, customers_mailed, customers_redeeming, sales_before, sales_during)"""
    answer = asked(con, "campaign_uplift", "campaign_effect", rows)
    assert [(row[0], row[-1]) for row in answer] == [("1", "25.0"), ("3", "-10.0")]


def test_retention_is_the_share_that_came_back(con: duckdb.DuckDBPyConnection) -> None:
    rows = """select * from (values (date '2017-01-01', 0, 8, 8), (date '2017-01-01', 1, 6, 8),
        (date '2017-01-01', 3, 2, 8), (date '2017-12-01', 0, 3, 3))
        t(cohort_month, months_after, customers, cohort_customers)"""
    answer = asked(con, "retention", "retention_cohorts", rows)
    assert answer == [("2017-01-01", "8", "75.0", "25.0", None), ("2017-12-01", "3", None, None, None)]


def test_a_week_is_compared_with_the_one_before(con: duckdb.DuckDBPyConnection) -> None:
    rows = """select * from (values (date '2024-01-01', 5.00), (date '2024-01-01', 2.50), (date '2024-01-08', 4.00))
        t(week_start, net_sales)"""
    answer = asked(con, "weekly_trend", "weekly_department_sales", rows)
    assert answer == [("2024-01-01", "7.50", None), ("2024-01-08", "4.00", "-3.50")]


def test_shares_of_departments_are_of_all_and_not_of_those_shown(con: duckdb.DuckDBPyConnection) -> None:
    rows = "select 'D' || lpad(i::varchar, 2, '0') as department, 10.00 as net_sales from range(20) t(i)"
    answer = asked(con, "top_departments", "weekly_department_sales", rows)
    assert len(answer) == 10
    assert {row[2] for row in answer} == {"5.0"}


def test_the_ten_best_stores_are_shown_with_what_a_visit_brings(con: duckdb.DuckDBPyConnection) -> None:
    rows = "select i as store_id, 2 as orders, (100 - i)::decimal(18, 2) as net_sales from range(15) t(i)"
    answer = asked(con, "best_stores", "daily_store_sales", rows)
    assert [row[0] for row in answer] == [str(i) for i in range(10)]
    assert answer[0] == ("0", "2", "100.00", "50.0")


def test_customers_who_slip_away_are_valuable_and_long_not_seen(con: duckdb.DuckDBPyConnection) -> None:
    rows = """select * from (values (1, 9.00, 2, date '2017-01-01', 31, 5), (2, 99.00, 2, date '2017-01-01', 30, 5),
        (3, 20.00, 2, date '2017-01-01', 90, 4), (4, 50.00, 2, date '2017-01-01', 90, 3))
        t(customer_id, net_sales, orders, last_order_date, days_since_order, value_fifth)"""
    assert [row[0] for row in asked(con, "slipping_customers", "customer_value", rows)] == ["3", "1"]
