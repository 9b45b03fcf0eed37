"""Packing the sample, and its second day, where something is in the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from lakehouse.demo.days import LateCommit, play_second_day
from lakehouse.demo.pack import SCRATCH, pack_sales_dump, sample_recipe
from lakehouse.errors import SourceError, StackError
from lakehouse.extract.restore import restore_dump
from lakehouse.programs import postgres_program
from tests.integration.conftest import Place

PG_DUMP = postgres_program("pg_dump")


def scratch_databases(place: Place) -> int:
    return int(place.sql(f"select count(*) from pg_database where datname = '{SCRATCH}'")[0][0])


@pytest.fixture
def server_url(place: Place) -> Iterator[str]:
    """The server, as somebody whose password has letters that a URL must escape."""
    role = f"packer_{urlsplit(place.source_url).path.lstrip('/')}"
    place.sql(f"create role {role} superuser login password $$p@ss/w:rd% it's$$")
    url = urlsplit(place.source_url)
    yield urlunsplit(url._replace(netloc=f"{role}:p%40ss%2Fw%3Ard%25%20it%27s@{url.hostname}:{url.port}"))
    place.sql(f"drop role {role}")


def test_an_old_dump_is_made_anew_and_one_of_the_same_recipe_is_kept(
    place: Place, server_url: str, tmp_path: Path
) -> None:
    target = tmp_path / "demo" / "sales.dump"
    target.parent.mkdir()
    target.write_text("made by an older version")
    said: list[str] = []
    assert pack_sales_dump(server_url, PG_DUMP, target, said.append) == target
    assert target.read_bytes().startswith(b"PGDMP")
    made = target.stat().st_mtime_ns
    pack_sales_dump(server_url, PG_DUMP, target, said.append)
    assert said == ["packing the sample database, once: 1.47 million basket lines"]
    assert target.stat().st_mtime_ns == made
    assert target.with_suffix(".recipe").read_text() == sample_recipe()
    assert scratch_databases(place) == 0
    result = restore_dump(str(target), place.project.source, report=said.append)
    assert (result.tables, result.rows) == (10, 1_841_679)


def test_a_pg_dump_that_fails_leaves_what_was_there(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "sales.dump"
    target.write_text("as it was")
    with pytest.raises(StackError, match="pg_dump of the sample failed"):
        pack_sales_dump(place.source_url, Path("/bin/false"), target, lambda _: None)
    assert target.read_text() == "as it was"
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["sales.dump"]
    assert scratch_databases(place) == 0


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    url = "postgresql://lakehouse:s3cret-here@127.0.0.1:1/sales"
    with pytest.raises(StackError) as caught:
        pack_sales_dump(url, PG_DUMP, tmp_path / "sales.dump", lambda _: None)
    assert "The sample could not be packed at 127.0.0.1:1/sales" in str(caught.value)
    assert "No dump was made. Look at the disk and the server (lakehouse doctor)" in str(caught.value)
    assert "s3cret-here" not in str(caught.value)


def test_the_second_day_on_a_database_without_the_sample(place: Place) -> None:
    with pytest.raises(SourceError, match='relation "orders" does not exist'):
        play_second_day(place.project.source)
    with pytest.raises(SourceError, match='relation "orders" does not exist'):
        LateCommit(place.project.source)


def test_the_second_day_is_played_once_on_a_restored_sample(place: Place) -> None:
    small_sample(place)
    late = LateCommit(place.project.source)
    count = "select count(*) from orders"
    before = place.sql(count)[0][0]
    late.commit()
    assert place.sql(count)[0][0] == before + 1
    day = play_second_day(place.project.source)
    assert (day.new_orders, day.new_items, day.corrected_prices, day.bad_items) == (3, 6, 1, 1)
    assert (day.deleted_orders, day.deleted_items, day.late_orders) == (1, 2, 1)
    assert place.sql("select quantity, sales_value::text from order_items where quantity < 0") == [(-3, "-4.50")]
    with pytest.raises(SourceError, match=r"The second day was already played at .* Nothing was changed"):
        play_second_day(place.project.source)
    assert place.sql(count)[0][0] == before + 1 + 3 - 1


def test_a_late_order_that_is_abandoned_was_never_there(place: Place) -> None:
    small_sample(place)
    late = LateCommit(place.project.source)
    late.abandon()
    assert place.sql("select count(*) from orders where ordered_at > '2017-12-31'") == [(0,)]


def small_sample(place: Place) -> None:
    """The sample's schema with a December of three orders a day, two lines each."""
    schema = Path(__file__).parents[2] / "lakehouse" / "demo" / "schema.sql"
    place.sql(
        schema.read_text(),
        "insert into customers (customer_id) select generate_series(1, 9)",
        "insert into stores values (1, 'Store 1')",
        "insert into products (product_id, department, brand) "
        "select n, 'DELI', 'Private' from generate_series(1, 4000) n",
        "insert into orders select n, 1 + n % 9, 1, timestamptz '2017-12-01 09:00+00' + (n - 1) * interval '8 hours' "
        "from generate_series(1, 60) n",
        "insert into order_items (order_id, line_number, product_id, ordered_at, quantity, sales_value) "
        "select order_id, line, line, ordered_at, 1, 2.50 from orders, generate_series(1, 2) line",
    )
