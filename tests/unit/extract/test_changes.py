"""Which row versions are new: the 32-bit xmin of a row against the 64-bit ids of snapshots."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lakehouse.catalog.bronze import Column, SnapshotId
from lakehouse.extract.changes import EPOCH, bronze_key, is_row_local, newer_than, source_query
from lakehouse.extract.exact import text_of
from lakehouse.extract.source import SourceTable
from lakehouse.model import Model
from lakehouse.names import TableName

COLUMNS = (Column("id", "bigint", False, None, 1), Column("Name", "text", True, None, 2))
TABLE = SourceTable("public", "Orders", 1, "r", None, False, COLUMNS, ("id",))


def model(sql: str) -> Model:
    return Model(TableName("bronze", "orders"), Path("queries/bronze/orders.sql"), sql, "", ("source.Orders",))


def snapshot(xmin: int, xmax: int) -> SnapshotId:
    return SnapshotId("1", 1, 1, f"{xmin}:{xmax}:", xmin, xmax, "18", "2024-01-01T00:00:00.000000+00:00")


def is_selected(raw_xmin: int, old: SnapshotId, now: SnapshotId) -> bool:
    condition = newer_than(old, now).replace("t.xmin::text::bigint", str(raw_xmin))
    row = duckdb.execute(f"select {condition}").fetchone()
    return bool(row and row[0])


@example(old=4, passed=EPOCH - 1, row_age=EPOCH - 1)
@given(
    old=st.integers(3, 1 << 40),
    passed=st.integers(0, EPOCH - 1),
    row_age=st.integers(0, EPOCH - 1),
)
def test_no_row_is_missed_and_none_is_sent_without_need(old: int, passed: int, row_age: int) -> None:
    """For a row younger than 2^32 transactions the condition is exactly: its 64-bit xid is at or above the old xmin."""
    now = old + passed
    row = now - 1 - row_age
    if row < 3:
        return
    assert is_selected(row % EPOCH, snapshot(old, old), snapshot(now, now)) == (row >= old)


def test_across_an_epoch_both_sides_of_the_wrap_are_taken() -> None:
    old, now = snapshot(EPOCH - 10, EPOCH - 5), snapshot(EPOCH + 20, EPOCH + 20)
    assert is_selected(EPOCH - 10, old, now)  # the last of the old epoch
    assert is_selected(5, old, now)  # the first of the new one
    assert not is_selected(EPOCH - 11, old, now)


def test_a_row_older_than_an_epoch_is_sent_again_rather_than_missed() -> None:
    assert is_selected(123, snapshot(10, 10), snapshot(3 * EPOCH, 3 * EPOCH))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('select * from source."Orders"', 'select * from "public"."Orders" as "Orders"'),
        ('select o.id from source."Orders" o', 'select o.id from "public"."Orders" o'),
        ('select id from source."Orders" -- all\n', 'select id from "public"."Orders" as "Orders" -- all'),
    ],
)
def test_the_source_table_takes_its_real_name(sql: str, expected: str) -> None:
    assert source_query(model(sql), TABLE) == expected


def test_an_increment_filters_inside_where_xmin_is_visible() -> None:
    query = source_query(model('select id from source."Orders"'), TABLE, "t.xmin::text::bigint between 3 and 9")
    assert query == (
        'select id from (select t.* from "public"."Orders" t where t.xmin::text::bigint between 3 and 9) as "Orders"'
    )


@pytest.mark.parametrize(
    ("sql", "local"),
    [
        ("select * from source.t", True),
        ("select id, md5(name) as name, coalesce(a, 0) as a from source.t", True),
        ("select * from source.t where region = 'EU'", False),
        ("select distinct id from source.t", False),
        ("select count(*) as n from source.t", False),
        ("select id, row_number() over () as n from source.t", False),
        ("select a.id from source.t a join source.t b on a.id = b.id", False),
        ("select id from source.t limit 5", False),
        ("select id, (select max(id) from source.t) as m from source.t", False),
        ("with x as (select * from source.t) select * from x", False),
    ],
)
def test_only_models_without_other_rows_in_them_are_incremental(sql: str, local: bool) -> None:
    assert is_row_local(model(sql)) is local


def test_a_key_counts_only_if_it_leaves_postgresql_unchanged() -> None:
    assert bronze_key(TABLE, COLUMNS) == ("id",)
    assert bronze_key(TABLE, COLUMNS[1:]) == ()
    assert bronze_key(TABLE, (Column("id", "text", True, None),)) == ()
    assert bronze_key(TABLE, (Column("order_id", "bigint", False, None, 1),)) == ("order_id",)


def test_padding_is_printed_and_casts_are_quoted() -> None:
    assert text_of('we"ird', "numeric") == '"we""ird"::text as "we""ird"'
    assert "concat" in text_of("code", "character(6)")
    assert "concat" in text_of("code", "bpchar")
    assert "concat" not in text_of("codes", "character(6)[]")
    assert "concat" not in text_of("name", "character varying(6)")
