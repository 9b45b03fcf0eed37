"""Trino as an engine: Arrow of the right types, a page at a time; errors in our words; models made on it."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from lakehouse.ask import answer, answer_on_cluster
from lakehouse.engines import open_cluster
from lakehouse.engines.duckdb import DuckDBEngine
from lakehouse.engines.trino import TrinoEngine
from lakehouse.errors import EngineError, StackError, UsageError
from lakehouse.project import Project, Secret, load_project
from lakehouse.record import RunResult
from lakehouse.run import open_session, run_lake
from tests.integration.conftest import Place
from tests.integration.small import small_shop, suite

TYPED = """-- One row of every type.
-- key: id
with lines as (
    select *, row_number() over (partition by id order by _ingested_at desc) as version_rank from bronze.customers
)

select
    cast(id as bigint) as id,
    cast(id as integer) as small,
    cast(id as decimal(38, 10)) as wide,
    cast(null as decimal(20, 4)) as nothing,
    cast(id as double) / 7 as ratio,
    cast('2024-02-29' as date) as day,
    cast('2024-05-01 12:00:00.123456' as timestamp(6)) as at,
    cast(id as bigint) % 2 = 0 as even,
    array[cast(id as bigint), null] as list
from lines
where version_rank = 1 and _op = 'upsert' -- the end
"""


def rows(place: Place, table: str, order: str) -> list[Any]:
    with open_session(place.project) as session, answer(session, f"select * from {table} order by {order}") as found:
        return [(found.columns, found.types), *(row for batch in found.batches() for row in batch)]


def steps(result: RunResult) -> dict[str, str]:
    assert result.exit_code == 0, [s.message for s in result.steps]
    return {str(s.table): s.message for s in result.steps if s.table.layer != "bronze"}


def test_it_returns_arrow_of_the_right_types(trino: TrinoEngine) -> None:
    sql = (
        "select cast(1.50 as decimal(38, 2)) d, timestamp '2024-05-01 12:00:00.123456' t, date '2024-02-29' day, "
        "timestamp '2024-05-01 12:00:00.123456 Europe/Berlin' tz, array[1, null] a, map(array['k'], array[1e0]) m, "
        "cast(row(1, null) as row(x bigint, y varchar)) r, cast(null as array(bigint)) n, x'00ff' b;"
    )
    with trino.query(sql) as result:
        (row,) = [row for batch in result.batches for row in batch.to_pylist()]
        receipt = result.receipt()
    assert row == {
        "d": Decimal("1.50"),
        "t": datetime(2024, 5, 1, 12, 0, 0, 123456),
        "day": date(2024, 2, 29),
        "tz": datetime(2024, 5, 1, 10, 0, 0, 123456, tzinfo=UTC),
        "a": [1, None],
        "m": [("k", 1.0)],
        "r": {"x": 1, "y": None},
        "n": None,
        "b": b"\x00\xff",
    }
    assert result.schema.field("d").type == pa.decimal128(38, 2)
    assert result.schema.field("r").type == pa.struct([("x", pa.int64()), ("y", pa.string())])
    assert result.types[:2] == ("decimal(38, 2)", "timestamp(6)")
    assert receipt.engine == "trino" and receipt.query_id and receipt.bytes_scanned == 0


def read_all(trino: TrinoEngine, rows: int) -> tuple[int, int]:
    """How many rows came, and by how much our memory grew meanwhile, in bytes."""
    sql = (
        f"select a * 10000 + b as id, cast(a as decimal(18, 2)) as v from unnest(sequence(1, {rows // 10_000})) x(a), "
        "unnest(sequence(1, 10000)) y(b)"
    )
    process, found, peak = psutil.Process(os.getpid()), 0, 0
    before = process.memory_info().rss
    with trino.query(sql) as result:
        for batch in result.batches:
            found += batch.num_rows
            peak = max(peak, process.memory_info().rss)
    return found, peak - before


def test_a_large_result_is_never_held_whole(trino: TrinoEngine) -> None:
    assert read_all(trino, 200_000)[0] == 200_000
    found, growth = read_all(trino, 1_000_000)
    assert found == 1_000_000
    assert growth < 60 << 20


@pytest.mark.long
def test_ten_million_rows_in_the_memory_of_one_page(trino: TrinoEngine) -> None:
    found, growth = read_all(trino, 10_000_000)
    assert found == 10_000_000
    assert growth < 100 << 20


def test_leaving_a_result_early_cancels_it(trino: TrinoEngine) -> None:
    with trino.query("select x + y from unnest(sequence(1, 10000)) a(x), unnest(sequence(1, 10000)) b(y)") as result:
        next(result.batches)
        query_id = result.receipt().query_id
    with trino.query(f"select error_code from system.runtime.queries where query_id = '{query_id}'") as found:
        assert [r["error_code"] for b in found.batches for r in b.to_pylist()] == ["USER_CANCELED"]


def test_its_errors_say_what_where_and_which_query(trino: TrinoEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"Trino at 127.0.0.1:\d+, query \w+: COLUMN_NOT_FOUND: line 1:8: Column 'x'"):
        trino.execute("select x")
    with (
        pytest.raises(EngineError, match="DIVISION_BY_ZERO: Division by zero"),
        trino.query("select 1 / a from (values 0) t(a)") as r,
    ):
        list(r.batches)
    nobody = TrinoEngine(Secret("https://me:hidden@127.0.0.1:9"))
    with pytest.raises(EngineError, match=r"Trino at 127.0.0.1:9 does not answer.*lakehouse up --trino") as refused:
        nobody.execute("select 1")
    assert refused.value.retryable and "hidden" not in str(refused.value)
    (tmp_path / "lakehouse.toml").write_text("")
    with pytest.raises(StackError, match=r"local trino service is not up. Start it: lakehouse up --trino. Or name"):
        open_cluster(load_project(tmp_path, {}), "trino")
    with pytest.raises(UsageError, match=r"'spark' is not a cluster. Valid: trino, athena"):
        open_cluster(load_project(tmp_path, {}), "spark")


def test_the_local_trino_is_found_without_being_named(stack_project: Project, trino_url: str) -> None:
    assert stack_project.trino_url.reveal() == trino_url
    with answer_on_cluster(stack_project, "trino", "select 1 as one") as found:
        assert (found.columns, found.types, list(found.batches())) == (("one",), ("integer",), [[(1,)]])


def test_models_made_on_it_are_the_same_row_for_row(cluster_place: Place) -> None:
    place = cluster_place
    small_shop(place)
    place.write("queries/silver/typed.sql", TYPED)
    place.write("expectations/silver/typed.json", suite("silver.typed", "id"))
    wanted = {
        "silver.orders": "id",
        "silver.customers": "id",
        "silver.typed": "id",
        "gold.monthly_orders": "order_month",
    }
    assert run_lake(place.project).exit_code == 0
    first = {table: rows(place, table, order) for table, order in wanted.items()}

    done = run_lake(place.project, full=True, engine="trino")
    assert set(steps(done).values()) == {"asked for; on trino"}
    assert {table: rows(place, table, order) for table, order in wanted.items()} == first
    made = {s["table"]: s["made_by"] for s in done.to_json()["steps"]}
    assert made["gold.monthly_orders"]["engine"] == "trino" and made["silver.orders"]["bytes_scanned"] > 0
    assert made["bronze.orders"] == {"engine": "duckdb"}

    # An update by key reads only changed rows and stays here; one by partition runs there.
    place.sql("update orders set amount = 99.99 where id = 7", "delete from orders where id = 8")
    said = steps(run_lake(place.project, engine="trino"))
    assert said["silver.orders"] == (
        "bronze.orders has 2 changed rows; in DuckDB, not on trino: only changed rows are read"
    )
    assert said["gold.monthly_orders"] == "silver.orders changed; on trino"
    updated = {table: rows(place, table, order) for table, order in wanted.items()}
    assert run_lake(place.project, full=True).exit_code == 0
    assert {table: rows(place, table, order) for table, order in wanted.items()} == updated


def test_a_model_names_its_engine_and_leaves_nothing_behind(cluster_place: Place) -> None:
    place = cluster_place
    small_shop(place)
    path = place.root / "queries/gold/monthly_orders.sql"
    path.write_text(path.read_text().replace("-- key:", "-- engine: trino\n-- key:", 1))
    said = steps(run_lake(place.project))
    assert said["gold.monthly_orders"] == "first version; on trino"
    assert said["silver.orders"] == "first version"
    with open_session(place.project) as session:
        glue = session.catalog.glue
        assert glue.get_tables(DatabaseName="lakehouse_staging")["TableList"] == []
        keys = [o.key for o in session.store.find(f"{session.store.layout.prefix}gold/monthly_orders/data/")]
        assert keys and all(key.endswith(".parquet") for key in keys)
        with DuckDBEngine(session.con, place.project.lake).query("select 1.5 as a") as result:
            assert result.schema.field("a").type == pa.decimal128(2, 1)


def test_what_a_cluster_refuses_names_the_model_and_commits_nothing(cluster_place: Place) -> None:
    place = cluster_place
    small_shop(place)
    broken = place.root / "queries/gold/monthly_orders.sql"
    broken.write_text(
        broken.read_text().replace("cast(count(*) as bigint)", "cast(1 / (count(*) - count(*)) as bigint)")
    )
    done = run_lake(place.project, engine="trino")
    (failed,) = [s for s in done.steps if s.outcome == "failed"]
    assert "gold.monthly_orders could not be made on trino: Trino at 127.0.0.1:" in failed.message
    assert "DIVISION_BY_ZERO" in failed.message and "Nothing was committed" in failed.message
    with open_session(place.project) as session:
        assert session.catalog.load(failed.table) is None
        assert session.catalog.glue.get_tables(DatabaseName="lakehouse_staging")["TableList"] == []
