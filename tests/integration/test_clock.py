"""Clocks that jump: what is newest is what stands on the rest, and no table's history goes back in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from lakehouse.catalog.iceberg import Catalog
from lakehouse.errors import LakehouseError
from lakehouse.names import TableName
from lakehouse.run import run_lake
from lakehouse.store import Store
from tests.integration.conftest import Place
from tests.integration.small import small_shop
from tests.integration.test_kill import change, content, source_content


@pytest.fixture
def shop(place: Place) -> Iterator[Place]:
    small_shop(place)
    run_lake(place.project)
    yield place


@pytest.mark.parametrize("minutes", [-10, 10])
def test_runs_before_and_after_a_jump_are_followed(shop: Place, minutes: int) -> None:
    change(shop, 0)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=minutes)):
        assert run_lake(shop.project).exit_code == 0
        assert content(shop) == source_content(shop)
    for number in (1, 2):
        change(shop, number)
        assert run_lake(shop.project).exit_code == 0
        assert content(shop) == source_content(shop)
    table = Catalog(Store(shop.project.lake)).load(TableName("silver", "orders"))
    assert table is not None
    times = [s.timestamp_ms for s in sorted(table.snapshots(), key=lambda s: s.sequence_number or 0)]
    assert len(times) == 4
    assert times == sorted(set(times))


def test_a_clock_that_s3_does_not_believe_is_named(shop: Place) -> None:
    old = content(shop)
    change(shop, 0)
    with (
        time_machine.travel(datetime.now(UTC) - timedelta(hours=3)),
        pytest.raises(LakehouseError, match=r"this machine's clock is more than 15 minutes off S3's"),
    ):
        run_lake(shop.project)
    assert content(shop) == old
    assert run_lake(shop.project).exit_code == 0
    assert content(shop) == source_content(shop)
