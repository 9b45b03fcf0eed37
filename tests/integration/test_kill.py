"""kill -9 at every kind of request a run makes, found by counting them: readers see the old or the new, never between.

The run talks to S3 and Glue through a proxy that kills it just before a chosen request is forwarded.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lakehouse.run import open_session, run_lake
from tests.integration.conftest import Place
from tests.integration.proxy import STORAGE_FULL, Fault, proxied
from tests.integration.small import small_shop

KILLS = 8  # places spread over the run's requests; `make test-long` tries every one


@pytest.fixture
def shop(place: Place) -> Iterator[Place]:
    small_shop(place)
    run_lake(place.project)
    yield place


def change(place: Place, number: int) -> None:
    place.sql(
        f"update orders set amount = amount + 1 where id % 50 = {number % 50}",
        f"delete from orders where id = {number + 1}",
        f"insert into orders values ({10_000 + number}, 1, 7.77, now())",
        f"update customers set name = 'Customer v{number}' where id = 3",
    )


def content(place: Place) -> dict[str, Any]:
    """What a reader sees of each table."""
    with open_session(place.project) as session:
        found = {}
        for table in ("silver.orders", "silver.customers", "gold.monthly_orders"):
            select = session.inputs.select(table)
            assert select is not None
            found[table] = sorted(session.con.execute(select).fetchall())
        return found


def source_content(place: Place) -> dict[str, Any]:
    """What they must be, from the source."""
    orders = "select id, customer_id, amount, ordered_at at time zone 'UTC' from orders"
    monthly = (
        "select date_trunc('month', ordered_at at time zone 'UTC')::date, count(*), sum(amount)::numeric(18, 2)"
        " from orders group by 1"
    )
    return {
        "silver.orders": sorted(place.sql(orders)),
        "silver.customers": sorted(place.sql("select id, name from customers")),
        "gold.monthly_orders": sorted(place.sql(monthly)),
    }


def start(place: Place, **environment: str) -> subprocess.Popen[str]:
    settings = {**os.environ, **place.environment, **environment}
    command = [sys.executable, "-m", "lakehouse", "--project", str(place.root), "--json", "run"]
    return subprocess.Popen(
        command,
        env=settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Of a test that runs in the background it would inherit that it ignores the keyboard's interrupt.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run_through_proxies(place: Place, kill_at: int | None) -> tuple[int, int, str]:
    """Run in a process of its own; its exit code, how many requests it made, and what it said on stderr."""
    process: list[subprocess.Popen[str]] = []
    total = [0]

    def before(method: str, path: str) -> Fault | None:
        total[0] += 1
        if kill_at is not None and total[0] == kill_at:
            process[0].send_signal(signal.SIGKILL)
            process[0].wait()
        return None

    s3, glue = place.environment["LAKEHOUSE_S3_ENDPOINT"], place.environment["LAKEHOUSE_GLUE_ENDPOINT"]
    with proxied(s3, before) as store, proxied(glue, before) as catalog:
        process.append(start(place, LAKEHOUSE_S3_ENDPOINT=store.url, LAKEHOUSE_GLUE_ENDPOINT=catalog.url))
        _, said = process[0].communicate(timeout=120)
    return process[0].returncode, total[0], said


def check_kill(place: Place, number: int, kill_at: int) -> bool:
    """Change the source, kill a run, look, run again, look; whether the kill struck."""
    old = content(place)
    change(place, number)
    new = source_content(place)
    code, _, said = run_through_proxies(place, kill_at)
    struck = code == -signal.SIGKILL
    assert struck or code == 0, said
    seen = content(place)
    for table in seen:
        assert seen[table] in (old[table], new[table]), f"{table} is neither old nor new after a kill at {kill_at}"
    again = run_lake(place.project)
    assert again.exit_code == 0, [s.message for s in again.steps]
    assert content(place) == new
    return struck


def test_a_killed_run_leaves_old_or_new_and_the_next_one_finishes(shop: Place) -> None:
    change(shop, 0)
    code, requests, said = run_through_proxies(shop, None)
    assert code == 0, said
    survived = [check_kill(shop, i + 1, 1 + i * (requests - 1) // (KILLS - 1)) for i in range(KILLS)]
    print(f"survived {sum(survived)} kills, spread over {requests} requests")
    assert sum(survived) >= KILLS - 2  # a run may make a few requests fewer than the one that was counted


@pytest.mark.long
def test_every_single_request_may_be_the_last(shop: Place) -> None:
    change(shop, 0)
    code, requests, said = run_through_proxies(shop, None)
    assert code == 0, said
    survived = sum(check_kill(shop, at, at) for at in range(1, requests + 1))
    print(f"survived {survived} kills at {requests} requests")
    assert survived >= requests - 5


def test_a_full_disk_under_the_object_store_is_said_and_nothing_becomes_visible(shop: Place) -> None:
    old = content(shop)
    change(shop, 1)

    def refuse_data(method: str, path: str) -> Fault | None:
        return STORAGE_FULL if method in ("PUT", "POST") and ("/data/" in path or "part-" in path) else None

    with proxied(shop.environment["LAKEHOUSE_S3_ENDPOINT"], refuse_data) as store:
        process = start(shop, LAKEHOUSE_S3_ENDPOINT=store.url)
        out, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the object store's disk is full" in out + said
    assert content(shop) == old
    assert run_lake(shop.project).exit_code == 0
    assert content(shop) == source_content(shop)


def test_ctrl_c_says_that_nothing_half_written_is_visible(shop: Place) -> None:
    old = content(shop)
    change(shop, 2)
    seen = [0]

    def slow(method: str, path: str) -> Fault | None:
        seen[0] += 1
        if seen[0] > 12:
            time.sleep(0.3)
        return None

    with proxied(shop.environment["LAKEHOUSE_S3_ENDPOINT"], slow) as store:
        process = start(shop, LAKEHOUSE_S3_ENDPOINT=store.url)
        while seen[0] < 16 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert "Interrupted. Nothing half-written is visible; run again to go on." in said
    assert "Traceback" not in said
    new = source_content(shop)
    for table, rows in content(shop).items():
        assert rows in (old[table], new[table])
    assert run_lake(shop.project).exit_code == 0
    assert content(shop) == new


def test_a_second_run_yields_and_says_to_whom(shop: Place) -> None:
    change(shop, 3)
    seen = [0]

    def slow(method: str, path: str) -> Fault | None:
        seen[0] += 1
        time.sleep(0.2)
        return None

    with proxied(shop.environment["LAKEHOUSE_S3_ENDPOINT"], slow) as store:
        first = start(shop, LAKEHOUSE_S3_ENDPOINT=store.url)
        while seen[0] < 6 and first.poll() is None:
            time.sleep(0.05)
        second = start(replace(shop))
        _, said = second.communicate(timeout=60)
        _, first_said = first.communicate(timeout=120)
    assert first.returncode == 0, first_said
    assert second.returncode == 1
    assert "is at work on this lake" in said
    assert f"process {first.pid}" in said
    assert content(shop) == source_content(shop)
