"""Columns added, dropped, renamed, widened, narrowed and retyped at the source between two runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse.catalog.iceberg import Catalog
from lakehouse.names import TableName
from lakehouse.record import RunResult, StepResult
from lakehouse.run import open_session, run_lake
from lakehouse.store import Store
from tests.integration.conftest import Place
from tests.integration.small import small_shop


@pytest.fixture
def shop(place: Place) -> Iterator[Place]:
    small_shop(place)
    assert run_lake(place.project).exit_code == 0
    yield place


def step(result: RunResult, table: str) -> StepResult:
    return next(s for s in result.steps if str(s.table) == table)


def rows(place: Place, select: str) -> list[Any]:
    """What a query says of the lake's live tables."""
    with open_session(place.project) as session:
        views = {f"{n}": s for n in session.graph.models if (s := session.inputs.select(str(n)))}
        from lakehouse.promote.inputs import expose

        expose(session.con, views)
        return session.con.execute(select).fetchall()


def on_drift(place: Place, rule: str) -> None:
    """Set the rule, and let the model be made anew under it."""
    path = place.root / "queries/silver/orders.sql"
    path.write_text(path.read_text().replace("-- update:", f"-- on_drift: {rule}\n-- update:"))
    assert run_lake(place.project).exit_code == 0


def test_an_added_column_is_in_bronze_at_once_and_told(shop: Place) -> None:
    shop.sql("alter table orders add column note text")
    result = run_lake(shop.project)
    assert result.exit_code == 0
    assert step(result, "bronze.orders").scope == "increment"
    assert "the source's columns changed: note text was added" in step(result, "bronze.orders").message
    assert "bronze.orders changed since run" in step(result, "silver.orders").message
    assert "note text was added" in step(result, "silver.orders").message
    assert rows(shop, "select count(*), count(note) from bronze.orders") == [(400, 0)]
    shop.sql("update orders set note = 'n' where id = 7")
    assert step(run_lake(shop.project), "bronze.orders").rows == 1
    assert rows(shop, "select note from bronze.orders where id = '7' and note is not null") == [("n",)]


def test_an_added_column_with_a_default_is_copied_whole(shop: Place) -> None:
    shop.sql("alter table orders add column state text default 'new'")
    result = run_lake(shop.project)
    assert step(result, "bronze.orders").scope == "full"
    assert rows(shop, "select distinct state from bronze.orders") == [("new",)]


def test_a_column_that_is_dropped_and_added_anew_is_not_taken_for_the_old_one(shop: Place) -> None:
    shop.sql("alter table customers drop column name", "alter table customers add column name text")
    result = run_lake(shop.project)
    assert "name was dropped and added anew" in step(result, "bronze.customers").message
    assert rows(shop, "select count(name) from silver.customers") == [(0,)]


def test_add_takes_a_new_column_along_without_rewriting_the_table(shop: Place) -> None:
    on_drift(shop, "add")
    catalog = Catalog(Store(shop.project.lake))
    before = catalog.load(TableName("silver", "orders"))
    shop.sql("alter table orders add column weight numeric(8, 3)", "update orders set weight = 1.125 where id = 7")
    result = run_lake(shop.project)
    assert result.exit_code == 0, [s.message for s in result.steps]
    assert step(result, "silver.orders").scope == "by_key"
    assert "columns: weight added" in step(result, "silver.orders").message
    after = catalog.load(TableName("silver", "orders"))
    assert before and after and after.location() == before.location()
    assert str(after.schema().find_field("weight").field_type) == "decimal(8, 3)"
    assert before.schema().find_field("amount").field_id == after.schema().find_field("amount").field_id
    assert rows(shop, "select id, weight from silver.orders where weight is not null") == [(7, pytest.approx(1.125))]
    assert rows(shop, "select count(*) from silver.orders") == [(400,)]
    shop.sql("update orders set weight = 2.5, amount = amount + 1 where id = 8")
    assert run_lake(shop.project).exit_code == 0
    assert rows(shop, "select count(weight), sum(weight) from silver.orders") == [(2, pytest.approx(3.625))]
    run_lake(shop.project, ["silver.orders"], full=True)
    shop.sql("alter table orders drop column weight")
    said = step(run_lake(shop.project), "silver.orders")
    assert said.outcome == "failed"
    assert "weight numeric(8,3) was dropped. Nothing was committed" in said.message


def test_stop_stops_at_anything(shop: Place) -> None:
    on_drift(shop, "stop")
    shop.sql("alter table orders add column note text")
    result = run_lake(shop.project)
    said = step(result, "silver.orders")
    assert (result.exit_code, said.outcome) == (1, "failed")
    assert "note text was added. Nothing was committed" in said.message
    assert "says on_drift: stop." in said.message
    assert step(result, "gold.monthly_orders").outcome == "blocked"
    assert run_lake(shop.project, ["silver.orders"], full=True).exit_code == 0


def test_a_renamed_column_stops_and_is_guessed(shop: Place) -> None:
    shop.sql("alter table orders rename column amount to total")
    said = step(run_lake(shop.project), "silver.orders")
    assert said.outcome == "failed"
    assert "total numeric(10,2) was added; amount numeric(10,2) was dropped" in said.message
    assert "reads it: cast(amount as decimal(10, 2)) as amount," in said.message
    assert "Was amount renamed to total?" in said.message
    assert "queries/silver/orders.sql:12" in said.message


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ("amount", "numeric(12,2)"),
        ("customer_id", "integer"),
    ],
)
def test_a_widened_column_goes_on_and_a_narrowed_one_stops(shop: Place, before: str, kind: str) -> None:
    shop.sql(f"alter table orders alter column {before} type {kind}")
    result = run_lake(shop.project)
    said = step(result, "silver.orders")
    assert f", is {kind}" in said.message
    assert said.outcome == ("done" if before == "amount" else "failed")


@pytest.mark.parametrize(
    ("column", "kind"),
    [("amount", "numeric(10,4)"), ("ordered_at", "timestamp without time zone"), ("amount", "text")],
)
def test_what_could_be_rounded_or_shifted_stops_until_it_is_accepted(shop: Place, column: str, kind: str) -> None:
    old = rows(shop, "select sum(amount) from silver.orders")
    shop.sql(f"alter table orders alter column {column} type {kind}", "update orders set amount = '5' where id = 9")
    for _ in range(2):  # it goes on stopping
        said = step(run_lake(shop.project), "silver.orders")
        assert said.outcome == "failed"
        assert "could lose or reinterpret values" in said.message
        assert rows(shop, "select sum(amount) from silver.orders") == old
    assert run_lake(shop.project, ["silver.orders"], full=True).exit_code == 0
    assert rows(shop, "select sum(amount) from silver.orders") != old


def test_ignore_goes_on_whatever_came(shop: Place) -> None:
    on_drift(shop, "ignore")
    shop.sql("alter table orders alter column amount type numeric(10,4)", "alter table orders add column note text")
    result = run_lake(shop.project)
    assert result.exit_code == 0
    assert "amount was numeric(10,2), is numeric(10,4)" in step(result, "silver.orders").message


def test_a_dropped_column_that_nobody_reads_goes_on(shop: Place) -> None:
    shop.sql("alter table orders add column note text default 'x'")
    assert run_lake(shop.project).exit_code == 0
    shop.sql("alter table orders drop column note")
    result = run_lake(shop.project)
    assert result.exit_code == 0
    assert step(result, "bronze.orders").scope == "increment"
    assert "note text was dropped" in step(result, "silver.orders").message


def test_labels_that_are_renamed_are_followed(place: Place) -> None:
    place.sql("create type mood as enum ('good', 'bad')", "create table m (id integer primary key, mood mood)")
    place.sql("insert into m values (1, 'good'), (2, 'bad')")
    place.write("queries/bronze/m.sql", "-- m.\nselect * from source.m\n")
    suite = '{"name": "bronze.m", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "id"}}]}'
    place.write("expectations/bronze/m.json", suite)
    run_lake(place.project)
    place.sql("alter type mood add value 'so so'")
    assert step(run_lake(place.project), "bronze.m").outcome == "nothing"
    place.sql("alter type mood rename value 'bad' to 'awful'")
    result = run_lake(place.project)
    assert "the type public.mood was good, bad, is good, awful, so so" in step(result, "bronze.m").message
    assert rows(place, "select mood from bronze.m order by id") == [("good",), ("awful",)]


def test_an_attached_partition_brings_its_old_rows(place: Place) -> None:
    place.sql(
        "create table p (id integer primary key) partition by range (id)",
        "create table p1 partition of p for values from (0) to (10)",
        "create table p2 (id integer primary key)",
        "insert into p2 values (11), (12)",
        "insert into p values (1)",
    )
    place.write("queries/bronze/p.sql", "-- p.\nselect * from source.p\n")
    suite = '{"name": "bronze.p", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "id"}}]}'
    place.write("expectations/bronze/p.json", suite)
    run_lake(place.project)
    place.sql("alter table p attach partition p2 for values from (10) to (20)")
    said = step(run_lake(place.project), "bronze.p")
    assert (said.scope, said.rows) == ("increment", 2)
    place.sql("alter table p detach partition p1")
    assert step(run_lake(place.project), "bronze.p").deleted == 1
    place.sql("alter table p attach partition p1 for values from (0) to (10)")
    assert step(run_lake(place.project), "bronze.p").rows == 1
    assert rows(place, "select count(*) from bronze.p where _op = 'upsert'") == [(4,)]


def test_a_virtual_column_whose_expression_changes_is_copied_whole(place: Place) -> None:
    place.sql("create table v (id integer primary key, twice integer generated always as (id * 2) virtual)")
    place.sql("insert into v values (1)")
    place.write("queries/bronze/v.sql", "-- v.\nselect * from source.v\n")
    suite = '{"name": "bronze.v", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "id"}}]}'
    place.write("expectations/bronze/v.json", suite)
    run_lake(place.project)
    place.sql("alter table v alter column twice set expression as (id * 3)")
    assert "twice was (id * 2), is (id * 3)" in step(run_lake(place.project), "bronze.v").message
    assert rows(place, "select twice from bronze.v") == [("3",)]
