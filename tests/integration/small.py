"""A small shop for tests: two tables, three layers, everything the sample has in miniature."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.conftest import Place

SOURCE = """
create table customers (id bigint primary key, name text);
create table orders (
    id bigint primary key, customer_id bigint not null, amount numeric(10, 2), ordered_at timestamptz not null
);
insert into customers select n, 'Customer ' || n from generate_series(1, 20) n;
insert into orders
select n, 1 + n % 20, n * 1.25, timestamptz '2024-01-15 12:00:00+00' + n * interval '6 hours'
from generate_series(1, 400) n
"""

SILVER = """-- One row per {one}, latest version.
-- key: id
{extra}-- update: by_key
with lines as (
    select *, row_number() over (partition by id order by _ingested_at desc) as version_rank from bronze.{table}
)

select
{columns}
from lines
where version_rank = 1 and _op = 'upsert'
"""
ORDER_COLUMNS = """    cast(id as bigint) as id,
    cast(customer_id as bigint) as customer_id,
    cast(amount as decimal(10, 2)) as amount,
    cast(replace(ordered_at, '+00', '') as timestamp(6)) as ordered_at"""
CUSTOMER_COLUMNS = "    cast(id as bigint) as id,\n    cast(name as varchar) as name"
GOLD = """-- One row per month with orders.
-- key: order_month
-- partition_by: month(order_month)
-- update: by_partition
select
    cast(date_trunc('month', cast(ordered_at as date)) as date) as order_month,
    cast(count(*) as bigint) as orders,
    cast(sum(amount) as decimal(18, 2)) as amount
from silver.orders
group by cast(date_trunc('month', cast(ordered_at as date)) as date)
"""


def small_shop(place: Place) -> None:
    """Write the models and suites, and fill the source."""
    place.sql(*SOURCE.strip().split(";\n"))
    for table in ("customers", "orders"):
        place.write(f"queries/bronze/{table}.sql", f"-- {table}.\nselect * from source.{table}\n")
        place.write(f"expectations/bronze/{table}.json", suite(f"bronze.{table}", "id"))
        place.write(f"expectations/silver/{table}.json", suite(f"silver.{table}", "id"))
    orders = SILVER.format(
        one="order", extra="-- partition_by: month(ordered_at)\n", table="orders", columns=ORDER_COLUMNS
    )
    place.write("queries/silver/orders.sql", orders)
    customers = SILVER.format(one="customer", extra="", table="customers", columns=CUSTOMER_COLUMNS)
    place.write("queries/silver/customers.sql", customers)
    place.write("queries/gold/monthly_orders.sql", GOLD)
    place.write("expectations/gold/monthly_orders.json", suite("gold.monthly_orders", "order_month"))


def suite(table: str, key: str, *more: dict[str, Any]) -> str:
    """A suite: a row count, a key that is there and unique, and `more`."""
    expectations: list[dict[str, Any]] = [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": key}},
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": key}},
        *more,
    ]
    return json.dumps({"name": table, "expectations": [{"severity": "critical", **e} for e in expectations]})
