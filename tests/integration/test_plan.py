"""lakehouse plan: it writes nothing, and a run afterwards does what it said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lakehouse.plan import PlannedStep, plan_run
from lakehouse.record import RunResult
from lakehouse.run import open_session, run_lake
from tests.integration.conftest import Place
from tests.integration.small import small_shop


@pytest.fixture
def shop(place: Place) -> Place:
    small_shop(place)
    return place


def everything(place: Place) -> Any:
    """Every object of the lake with its entity tag, and every table of the catalog as Glue tells it."""
    with open_session(place.project) as session:
        layout = session.store.layout
        listed = session.store.client.list_objects_v2(Bucket=layout.bucket, Prefix=layout.prefix)
        objects = [(o["Key"], o["ETag"], o["LastModified"]) for o in listed.get("Contents", [])]
        glue = session.catalog.glue
        databases = [d["Name"] for d in glue.get_databases()["DatabaseList"]]
        return objects, {d: glue.get_tables(DatabaseName=d)["TableList"] for d in databases}


def checked_plan(place: Place, *tables: str, full: bool = False) -> list[PlannedStep]:
    before = everything(place)
    steps = plan_run(place.project, tables, full=full)
    assert everything(place) == before
    return steps


def as_said(steps: list[PlannedStep], result: RunResult) -> None:
    """The run did what the plan said: the same tables, in the same way, as many rows."""
    assert [(str(s.table), s.outcome, s.scope) for s in steps] == [
        (str(s.table), s.outcome, s.scope) for s in result.steps
    ]
    for planned, done in zip(steps, result.steps, strict=True):
        if planned.table.layer == "bronze":
            assert (planned.rows, planned.deleted, planned.rows_total) == (done.rows, done.deleted, done.rows_total)


def test_a_first_run_is_planned_in_full_and_then_nothing(shop: Place) -> None:
    steps = checked_plan(shop)
    assert {(s.scope, s.reason) for s in steps} == {("full", "first copy"), ("full", "first version")}
    as_said(steps, run_lake(shop.project))
    idle = checked_plan(shop)
    assert {s.outcome for s in idle} == {"nothing"}
    assert {s.rows for s in idle} == {0}


def test_changes_are_planned_by_rows_and_partitions(shop: Place) -> None:
    run_lake(shop.project)
    shop.sql(
        "update orders set amount = 99.99 where id = 7",
        "delete from orders where id in (8, 9)",
        "update orders set ordered_at = '2024-09-09 00:00:00+00' where id = 300",
        "insert into orders values (1001, 3, 5.00, '2024-06-01 00:00:00+00')",
    )
    steps = {str(s.table): s for s in checked_plan(shop)}
    orders = steps["bronze.orders"]
    assert (orders.scope, orders.rows, orders.deleted, orders.rows_total) == ("increment", 3, 2, 399)
    silver = steps["silver.orders"]
    assert (silver.scope, silver.rows) == ("by_key", 5)
    assert silver.reason == "bronze.orders has 5 changed rows"
    # Row 300 was of March (15 January and 75 days); rows 7 to 9 of January.
    assert silver.partitions == ("2024-01", "2024-03", "2024-06", "2024-09")
    assert steps["gold.monthly_orders"].scope == "by_partition"
    assert steps["silver.customers"].outcome == "nothing"
    result = run_lake(shop.project)
    as_said(list(steps.values()), result)
    with open_session(shop.project) as session:
        table = session.inputs.table(next(s.table for s in result.steps if str(s.table) == "silver.orders"))
        assert table is not None
        summary = table.current_snapshot().summary.additional_properties  # type: ignore[union-attr]
        assert int(summary["changed-partition-count"]) == len(silver.partitions)


def test_full_and_single_tables_are_planned_as_they_would_run(shop: Place) -> None:
    run_lake(shop.project)
    steps = checked_plan(shop, "customers", full=True)
    assert [(str(s.table), s.scope, s.reason) for s in steps] == [
        ("bronze.customers", "full", "asked for"),
        ("silver.customers", "full", "asked for"),
    ]
    as_said(steps, run_lake(shop.project, ["customers"], full=True))


def test_a_changed_model_and_drift_are_told(shop: Place) -> None:
    run_lake(shop.project)
    path = shop.root / "queries/gold/monthly_orders.sql"
    path.write_text(path.read_text().replace("sum(amount)", "max(amount)"))
    shop.sql("alter table customers add column city text", "alter table orders drop column customer_id")
    steps = {str(s.table): s for s in checked_plan(shop)}
    assert steps["bronze.customers"].drift == "city text was added"
    assert steps["silver.customers"].outcome == "done"
    orders = steps["silver.orders"]
    assert orders.outcome == "failed"
    assert "customer_id bigint was dropped" in orders.reason
    assert (steps["gold.monthly_orders"].outcome, steps["gold.monthly_orders"].reason) == (
        "blocked",
        "silver.orders would fail",
    )
    result = run_lake(shop.project)
    assert {str(s.table): s.outcome for s in result.steps} == {t: s.outcome for t, s in steps.items()}


def test_the_command_prints_what_would_move(shop: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from lakehouse.cli import cli

    for name, value in shop.environment.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(cli, ["--project", str(shop.root), "plan", "silver.orders"])
    assert done.exit_code == 0
    assert "a run would touch 2 tables and leave 0 as they are" in done.output
    assert "400" in done.output
    assert "first copy" in done.output
    as_json = CliRunner().invoke(cli, ["--json", "--project", str(shop.root), "plan", "silver.orders"])
    assert [s["table"] for s in json.loads(as_json.output)] == ["bronze.orders", "silver.orders"]
