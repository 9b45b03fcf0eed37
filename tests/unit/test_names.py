"""Names and keys: quoting that survives anything, ids that sort."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.names import RUN_ID, LakeLayout, TableName, literal, new_run_id, quote

TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1)
LAYOUT = LakeLayout("bucket", "a/b/")


@given(TEXT)
def test_a_literal_is_read_back_as_it_was(text: str) -> None:
    assert duckdb.execute(f"select {literal(text)}").fetchone() == (text,)


@given(TEXT)
def test_an_identifier_is_read_back_as_it_was(name: str) -> None:
    described = duckdb.execute(f"select 1 as {quote(name)}").description
    assert described is not None and described[0][0] == name


def test_run_ids_sort_by_time_and_differ() -> None:
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    ids = [new_run_id(noon + timedelta(seconds=s)) for s in range(5)]
    assert ids == sorted(ids)
    assert all(RUN_ID.fullmatch(i) for i in ids)
    assert new_run_id(noon) != new_run_id(noon)


def test_keys_are_the_contract() -> None:
    started = datetime(2024, 5, 1, 23, 59, tzinfo=UTC)
    orders = TableName("silver", "orders")
    assert (
        LAYOUT.bronze_run("sales", "orders", "r1", started) == "a/b/bronze/sales/orders/run_date=2024-05-01/run_id=r1/"
    )
    assert LAYOUT.staged(orders, "r1", "x").startswith("a/b/silver/orders/data/")
    assert LAYOUT.quarantine(orders, "r1") == "a/b/quarantine/silver/orders/run_id=r1/"
    assert LAYOUT.run_record("r1") == "a/b/runs/r1.json"
    assert LAYOUT.reader_file == "a/b/lake.duckdb"
    assert LAYOUT.key(LAYOUT.url("a/b/c")) == "a/b/c"
