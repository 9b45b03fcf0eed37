"""Runs against real services: what moves, what does not, and that the lake always equals the source."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from typing import Any

import duckdb
import psycopg2
import pytest

from lakehouse.ask import answer
from lakehouse.catalog.bronze import bronze_select, latest_manifest
from lakehouse.engines.duckdb import lake_secret_sql, load_extension
from lakehouse.errors import EngineError, ModelError, UsageError
from lakehouse.history import list_versions, quarantined_rows
from lakehouse.names import TableName
from lakehouse.record import RunResult
from lakehouse.run import Session, open_session, run_lake
from tests.integration.conftest import Place
from tests.integration.small import small_shop, suite


@pytest.fixture
def shop(place: Place) -> Place:
    small_shop(place)
    return place


def steps(result: RunResult) -> dict[str, tuple[str, str, int, int]]:
    return {str(s.table): (s.outcome, s.scope, s.rows, s.deleted) for s in result.steps}


def rows(session: Session, table: str, columns: str = "*") -> list[Any]:
    select = session.inputs.select(table)
    assert select is not None
    return sorted(session.con.execute(f"select {columns} from ({select})").fetchall(), key=repr)


def check_equal(place: Place) -> None:
    """Silver equals the source, and gold is what the source says, whatever happened before."""
    with open_session(place.project) as session:
        theirs = place.sql("select id, customer_id, amount, ordered_at at time zone 'UTC' from orders")
        assert rows(session, "silver.orders", "id, customer_id, amount, ordered_at") == sorted(theirs, key=repr)
        monthly = place.sql(
            "select date_trunc('month', ordered_at at time zone 'UTC')::date, count(*), sum(amount)::numeric(18, 2)"
            " from orders group by 1"
        )
        assert rows(session, "gold.monthly_orders", "order_month, orders, amount") == sorted(monthly, key=repr)


def test_a_first_run_copies_everything_and_a_second_nothing(shop: Place) -> None:
    first = run_lake(shop.project)
    assert first.exit_code == 0
    assert steps(first)["bronze.orders"] == ("done", "full", 400, 0)
    assert steps(first)["gold.monthly_orders"][:2] == ("done", "full")
    check_equal(shop)
    second = run_lake(shop.project)
    assert {s.outcome for s in second.steps} == {"nothing"}


def test_a_change_moves_only_itself(shop: Place) -> None:
    run_lake(shop.project)
    shop.sql(
        "update orders set amount = 99.99 where id = 7",
        "delete from orders where id in (8, 9)",
        "update orders set id = 1000 where id = 10",
        "insert into orders values (1001, 3, 5.00, '2024-06-01 00:00:00+00')",
    )
    result = run_lake(shop.project)
    assert steps(result)["bronze.orders"] == ("done", "increment", 3, 3)
    assert steps(result)["bronze.customers"][0] == "nothing"
    silver = next(s for s in result.steps if str(s.table) == "silver.orders")
    assert (silver.scope, silver.files_removed) == ("by_key", 1)
    gold = next(s for s in result.steps if str(s.table) == "gold.monthly_orders")
    assert (gold.scope, gold.files_removed, gold.files_added) == ("by_partition", 1, 2)
    check_equal(shop)


@pytest.mark.parametrize(
    "partition", ["is_large", "first_at", "day", "amount"], ids=["boolean", "timestamp", "date", "decimal"]
)
def test_partitions_of_every_kind_are_found_again(shop: Place, partition: str) -> None:
    shop.write(
        "queries/gold/groups.sql",
        f"""-- One row per group.
-- key: {partition}
-- partition_by: {partition}
-- update: by_partition
select
    cast(amount > 250 as boolean) as is_large,
    cast(date_trunc('month', ordered_at) + interval '0.12' second as timestamp(6)) as first_at,
    cast(ordered_at as date) as day,
    cast(floor(amount / 100) as decimal(10, 2)) as amount,
    cast(count(*) as bigint) as orders
from silver.orders
group by 1, 2, 3, 4
""",
    )
    count = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}, "severity": "critical"}
    shop.write("expectations/gold/groups.json", json.dumps({"name": "gold.groups", "expectations": [count]}))
    run_lake(shop.project, ["gold.groups"])
    shop.sql("update orders set amount = 999.00 where id = 5", "delete from orders where id = 300")
    result = run_lake(shop.project, ["gold.groups"])
    assert steps(result)["gold.groups"][:2] == ("done", "by_partition")
    with open_session(shop.project) as session:
        model = session.graph.models[TableName("gold", "groups")]
        partial = rows(session, "gold.groups")
        with answer(session, model.sql) as whole:
            assert partial == sorted((row for batch in whole.batches() for row in batch), key=repr)


def test_rows_committed_late_and_under_savepoints_are_not_missed(shop: Place) -> None:
    late = psycopg2.connect(shop.source_url)
    with late.cursor() as cursor:
        cursor.execute("insert into orders values (2001, 1, 1.00, '2020-01-01 00:00:00+00')")
        cursor.execute("savepoint a")
        cursor.execute("insert into orders values (2002, 1, 2.00, '2020-01-01 00:00:00+00')")
        cursor.execute("release savepoint a")
    # A transaction between: its xid is above the open ones, so the snapshot's xmax moves past the savepoint's.
    shop.sql("insert into orders values (2003, 1, 3.00, '2020-01-01 00:00:00+00')")
    run_lake(shop.project)
    late.commit()
    late.close()
    result = run_lake(shop.project)
    outcome, scope, moved, _ = steps(result)["bronze.orders"]
    assert (outcome, scope) == ("done", "increment")
    assert moved >= 2
    check_equal(shop)


def test_a_truncated_and_refilled_table_is_followed(shop: Place) -> None:
    run_lake(shop.project)
    shop.sql("truncate orders", "insert into orders select n, 1, n, now() from generate_series(5, 50) n")
    result = run_lake(shop.project)
    assert steps(result)["bronze.orders"][1:] == ("increment", 46, 354)
    check_equal(shop)


def test_a_changed_column_is_copied_whole_and_said(shop: Place) -> None:
    run_lake(shop.project)
    shop.sql("alter table orders add column note text default 'none'")
    result = run_lake(shop.project)
    bronze = next(s for s in result.steps if str(s.table) == "bronze.orders")
    assert (bronze.scope, bronze.message) == ("full", "the source's columns changed: note text was added")
    silver = next(s for s in result.steps if str(s.table) == "silver.orders")
    assert silver.message.startswith("bronze.orders was copied whole: the source's columns changed")
    check_equal(shop)


def test_a_table_without_a_key_is_copied_whole_and_only_when_it_changed(shop: Place) -> None:
    shop.sql("create table visits (at timestamptz, what text)", "insert into visits values (now(), 'a'), (now(), 'a')")
    shop.write("queries/bronze/visits.sql", "-- Visits.\nselect * from source.visits\n")
    shop.write(
        "expectations/bronze/visits.json",
        '{"name": "bronze.visits", "expectations": [{"type": "expect_table_row_count_to_be_between", '
        '"kwargs": {"min_value": 1}, "severity": "critical"}]}',
    )
    assert steps(run_lake(shop.project, ["visits"]))["bronze.visits"] == ("done", "full", 2, 0)
    assert steps(run_lake(shop.project, ["visits"]))["bronze.visits"][0] == "nothing"
    shop.sql("delete from visits where ctid = (select min(ctid) from visits)")
    third = run_lake(shop.project, ["visits"])
    assert steps(third)["bronze.visits"] == ("done", "full", 1, 0)
    assert "no key identifies its rows" in third.steps[0].message


def test_a_changed_model_is_rebuilt_in_full_and_says_so(shop: Place) -> None:
    run_lake(shop.project)
    path = shop.root / "queries" / "silver" / "orders.sql"
    path.write_text(path.read_text().replace("decimal(10, 2)", "decimal(12, 3)"))
    result = run_lake(shop.project)
    silver = next(s for s in result.steps if str(s.table) == "silver.orders")
    assert silver.scope == "full"
    assert silver.message.startswith("the model changed since its last commit; columns: amount retyped")
    with open_session(shop.project) as session:
        assert rows(session, "silver.orders", "id, amount")[0][1].as_tuple().exponent == -3


def test_a_repeated_run_id_repeats_nothing(shop: Place) -> None:
    first = run_lake(shop.project, run_id="nightly-2024-05-01")
    shop.sql("insert into orders values (3001, 1, 1.00, now())")
    again = run_lake(shop.project, run_id="nightly-2024-05-01")
    assert first.run_id == again.run_id
    assert {s.outcome for s in again.steps} == {"nothing"}
    assert steps(run_lake(shop.project))["bronze.orders"][2] == 1


def test_a_failing_gate_blocks_what_depends_on_it_and_nothing_else(shop: Place) -> None:
    run_lake(shop.project)
    with open_session(shop.project) as session:
        before = rows(session, "silver.orders"), rows(session, "gold.monthly_orders")
    limit = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "max_value": 1000}}
    shop.write("expectations/silver/orders.json", suite("silver.orders", "id", limit))
    shop.sql("insert into orders values (4001, 1, 5000.00, now())", "update customers set name = 'New' where id = 1")
    result = run_lake(shop.project)
    assert result.exit_code == 3
    outcome = {str(s.table): s.outcome for s in result.steps}
    assert outcome["silver.orders"] == "gate"
    assert outcome["gold.monthly_orders"] == "blocked"
    assert outcome["silver.customers"] == "done"
    message = next(s.message for s in result.steps if str(s.table) == "silver.orders")
    assert "Nothing was committed; readers still see the version before" in message
    with open_session(shop.project) as session:
        assert (rows(session, "silver.orders"), rows(session, "gold.monthly_orders")) == before
    shop.sql("delete from orders where id = 4001")
    assert run_lake(shop.project).exit_code == 0
    check_equal(shop)


def test_quarantined_rows_come_back_when_the_source_is_fixed(shop: Place) -> None:
    limit = {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "amount", "max_value": 1000},
        "severity": "quarantine",
    }
    shop.write("expectations/silver/orders.json", suite("silver.orders", "id", limit))
    run_lake(shop.project)
    shop.sql("insert into orders values (4001, 1, 5000.00, now())")
    result = run_lake(shop.project)
    assert result.exit_code == 0
    assert next(s.quarantined for s in result.steps if str(s.table) == "silver.orders") == 1
    columns, found = quarantined_rows(shop.project, "silver.orders")
    assert [dict(zip(columns, r, strict=True))["id"] for r in found] == [4001]
    shop.sql("update orders set amount = 50.00 where id = 4001")
    run_lake(shop.project)
    assert quarantined_rows(shop.project, "silver.orders")[1] == []
    assert [v["quarantined"] for v in list_versions(shop.project, "silver.orders")] == [0, 1, 0]
    check_equal(shop)


def test_by_key_needs_the_tables_own_key(shop: Place) -> None:
    run_lake(shop.project)
    path = shop.root / "queries" / "silver" / "customers.sql"
    computed = path.read_text().replace("cast(id as bigint) as id", "cast(id as bigint) + 1 as id")
    path.write_text(computed)
    assert run_lake(shop.project).exit_code == 0  # a rebuild needs no old rows
    shop.sql("update customers set name = 'x' where id = 1")
    result = run_lake(shop.project, ["silver.customers"])
    message = next(s.message for s in result.steps if str(s.table) == "silver.customers")
    assert result.exit_code == 1
    assert "update: by_key needs the key of bronze.customers (id)" in message
    assert "id is computed" in message


def test_one_attach_reads_the_lake_without_the_toolkit(shop: Place) -> None:
    run_lake(shop.project)
    lake = shop.project.lake
    con = duckdb.connect()
    load_extension(con, "httpfs")
    con.execute(lake_secret_sql(lake))
    con.execute(f"attach '{lake.layout.url(lake.layout.reader_file)}' as lake (read_only)")
    expected = shop.sql("select count(*), sum(amount) from orders")[0]
    assert con.execute("select sum(orders), sum(amount) from lake.gold.monthly_orders").fetchone() == expected
    assert con.execute("select count(*) from lake.bronze.orders").fetchone() == (400,)
    con.close()


def test_bronze_is_registered_with_the_runs_of_its_live_chain(shop: Place) -> None:
    import boto3

    run_lake(shop.project)
    shop.sql("update orders set amount = 1.00 where id = 1")
    second = run_lake(shop.project)
    glue = boto3.client("glue", endpoint_url=shop.environment["LAKEHOUSE_GLUE_ENDPOINT"], region_name="us-east-1")
    found = glue.get_partitions(DatabaseName="bronze", TableName="orders")["Partitions"]
    assert len(found) == 2
    assert second.run_id in {p["Values"][1] for p in found}
    third = run_lake(shop.project, ["bronze.orders"], full=True)
    found = glue.get_partitions(DatabaseName="bronze", TableName="orders")["Partitions"]
    assert [p["Values"][1] for p in found] == [third.run_id]
    columns = glue.get_table(DatabaseName="bronze", Name="orders")["Table"]["StorageDescriptor"]["Columns"]
    assert {c["Name"] for c in columns} == {"id", "customer_id", "amount", "ordered_at", "_op", "_ingested_at"}
    assert {c["Type"] for c in columns} == {"string"}


def test_bronze_holds_every_value_as_postgresql_prints_it(place: Place) -> None:
    place.sql(
        "create table zoo (id int primary key, n numeric, f float8, r real, d date, ts timestamptz, c char(6), j jsonb,"
        " a int[], b bytea, i interval, t text)",
        "insert into zoo values (1, 12345678901234567890.123456789012345678901234567890, 0.1, 1.1, '2024-02-29',"
        " '2024-01-01 00:00:00.123456+02', 'ab', '{\"b\": 1.00000000000000000000000001}', '{1,NULL,3}', '\\x00ff10',"
        " '1 year 2 mons 3 days 04:05:06.7', E'h\\u00e9llo \"q\" \\\\n \\t\\n \\U0001F600'),"
        " (2, 'NaN', '-Infinity', 'NaN', 'infinity', '-infinity', '', 'null', '{}', '', '-1 day', ''),"
        " (3, null, null, null, '0044-03-15 BC', '0001-01-01 00:00:00+00 BC', null, null, '[0:1]={5,6}', null, null,"
        " null)",
    )
    place.write("queries/bronze/zoo.sql", "-- Zoo.\nselect * from source.zoo\n")
    place.write("expectations/bronze/zoo.json", suite("bronze.zoo", "id"))
    assert run_lake(place.project).exit_code == 0
    settings = "set DateStyle = ISO; set TimeZone = 'UTC'; set IntervalStyle = postgres; set bytea_output = hex; "
    columns = "id, n, f, r, d, ts, c, j, a, b, i, t"
    printed = ", ".join(
        f"case when {c} is not null then concat({c}) end" if c == "c" else f"{c}::text" for c in columns.split(", ")
    )
    theirs = place.sql(f"{settings} select {printed} from zoo order by id")
    with open_session(place.project) as session:
        manifest = latest_manifest(session.store, "sales", "zoo")
        assert manifest is not None
        ours = session.con.execute(
            f"select {columns} from ({bronze_select(session.store, manifest)}) order by id"
        ).fetchall()
    assert ours == theirs


def test_two_commits_on_one_version_cannot_both_win(shop: Place) -> None:
    from lakehouse.errors import CommitConflict
    from lakehouse.promote.commit import Provenance, commit_files, open_target

    run_lake(shop.project)
    with open_session(shop.project) as session:
        model = session.graph.models[TableName("silver", "orders")]
        before = rows(session, "silver.orders")
        targets = []
        for _ in range(2):
            table = session.catalog.load(model.name)
            assert table is not None
            targets.append(open_target(session.catalog, model, table, table.schema()))
        provenance = Provenance("a", {}, "s", 0)
        commit_files(session.catalog, targets[0], [], targets[0].files[:1], provenance)
        with pytest.raises(CommitConflict, match="another run committed to it first"):
            commit_files(session.catalog, targets[1], [], targets[1].files, provenance)
        session.inputs.forget(model.name)
        after = rows(session, "silver.orders")
        assert 0 < len(after) < len(before)


def test_a_model_that_was_never_made_is_named(shop: Place) -> None:
    result = run_lake(shop.project, ["gold.monthly_orders"], steps=("gold",))
    assert result.exit_code == 1
    assert (
        "silver.orders has no committed version yet. Make it first: lakehouse run silver.orders"
        in result.steps[0].message
    )


def test_an_unknown_table_is_refused_with_a_suggestion(shop: Place) -> None:
    with pytest.raises(ModelError, match=r"No model makes 'order'\. Did you mean"):
        run_lake(shop.project, ["order"])


def test_the_lake_can_be_asked_as_it_was(shop: Place) -> None:
    first = run_lake(shop.project)
    shop.sql("delete from orders where id > 100")
    path = shop.root / "queries" / "silver" / "orders.sql"
    path.write_text(path.read_text().replace("as amount", "as paid"))
    gold = shop.root / "queries" / "gold" / "monthly_orders.sql"
    gold.write_text(gold.read_text().replace("sum(amount)", "sum(paid)"))
    second = run_lake(shop.project)
    assert second.exit_code == 0

    def ask(sql: str, as_of: str | None = None) -> list[Any]:
        with open_session(shop.project) as session, answer(session, sql, as_of) as found:
            return [row for batch in found.batches() for row in batch]

    counts = "select (select count(*) from bronze.orders), (select count(*) from silver.orders)"
    assert ask(counts) == [(700, 100)]
    assert ask(counts, first.run_id) == [(400, 400)]
    assert ask("select sum(amount) from silver.orders", first.run_id) == [(Decimal("100250.00"),)]
    assert ask("select sum(paid) from silver.orders", second.finished_at.isoformat()) == [(Decimal("6312.50"),)]
    with pytest.raises(EngineError, match=r"Not in the lake then: silver\.orders"):
        ask("select * from silver.orders", "2020-01-01")
    with pytest.raises(
        UsageError, match=r"'yesterday' is neither a run of this lake nor a time\. Runs: lakehouse runs"
    ):
        ask(counts, "yesterday")


def test_money_survives_to_the_last_digit(shop: Place) -> None:
    shop.sql("update orders set amount = 12345678.91 where id = 3")
    run_lake(shop.project)
    with open_session(shop.project) as session:
        found = session.con.execute(f"select amount from ({session.inputs.select('silver.orders')}) where id = 3")
        assert found.fetchone() == (Decimal("12345678.91"),)
    assert "LAKEHOUSE_SOURCE_URL" not in os.environ
