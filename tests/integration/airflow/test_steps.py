"""The steps of a run as processes of their own: killed, repeated, and side by side with another run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest

from lakehouse import lease
from lakehouse.errors import GateFailed, LakehouseError, RunInProgress
from lakehouse.history import list_runs, list_versions
from lakehouse.lease import begin_shared, join_shared, release_shared
from lakehouse.orchestration.steps import Job, extract_tables, make_table, report_run
from lakehouse.run import run_lake
from lakehouse.store import Store
from tests.integration.airflow.attempt import attempt
from tests.integration.conftest import Place
from tests.integration.proxy import Fault, proxied
from tests.integration.small import small_shop, suite
from tests.integration.test_kill import change, content, source_content

TABLES = ("bronze.customers", "bronze.orders", "silver.customers", "silver.orders", "gold.monthly_orders")


@pytest.fixture
def shop(place: Place) -> Iterator[Place]:
    small_shop(place)
    run_lake(place.project)
    yield place


def attempt_through_proxies(
    place: Place, run_id: str, is_last: Callable[[int, str, str], bool]
) -> tuple[int, int, str]:
    """The steps in a process of their own, killed before its last request: exit code, requests, stderr."""
    process: list[subprocess.Popen[str]] = []
    total = [0]

    def before(method: str, path: str) -> Fault | None:
        total[0] += 1
        if is_last(total[0], method, path):
            process[0].send_signal(signal.SIGKILL)
            process[0].wait()
        return None

    s3, glue = place.environment["LAKEHOUSE_S3_ENDPOINT"], place.environment["LAKEHOUSE_GLUE_ENDPOINT"]
    with proxied(s3, before) as store, proxied(glue, before) as catalog:
        urls = {"LAKEHOUSE_S3_ENDPOINT": store.url, "LAKEHOUSE_GLUE_ENDPOINT": catalog.url}
        command = [sys.executable, "-m", "tests.integration.airflow.attempt", str(place.root), run_id]
        environment = {**os.environ, **place.environment, **urls}
        process.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
        _, said = process[0].communicate(timeout=120)
    return process[0].returncode, total[0], said


def check_kill(place: Place, number: int, is_last: Callable[[int, str, str], bool]) -> bool:
    """Kill a run, then repeat it under its id: readers see old or new, in the end the source; whether it struck."""
    old = content(place)
    change(place, number)
    new = source_content(place)
    run_id = f"scheduled__{number}"
    code, _, said = attempt_through_proxies(place, run_id, is_last)
    assert code in (0, -signal.SIGKILL), said
    seen = content(place)
    for table in seen:
        assert seen[table] in (old[table], new[table]), f"{table} is neither old nor new after kill {number}"
    attempt(place.project, run_id)
    assert content(place) == new
    runs = [v["run"] for v in list_versions(place.project, "silver.orders")]
    assert runs.count(run_id) == 1, "the repeated run committed twice"
    [record] = [r for r in list_runs(place.project, 1000) if r["run"] == run_id]
    assert (record["exit"], record["done"]) == (0, 5), record
    return code == -signal.SIGKILL


# Before bronze orders exist; with silver committed and its result not yet told; with gold staged and not committed.
@pytest.mark.parametrize(
    "method, part", [("PUT", "orders/run_date"), ("PUT", "silver.orders.json"), ("PUT", "/metadata/")]
)
def test_a_killed_task_leaves_old_or_new_and_its_repetition_ends_the_run(shop: Place, method: str, part: str) -> None:
    assert check_kill(shop, 1, lambda _, asked, path: asked == method and part in path)


@pytest.mark.long
def test_every_single_request_may_be_a_tasks_last(shop: Place) -> None:
    change(shop, 0)
    code, requests, said = attempt_through_proxies(shop, "scheduled__0", lambda *_: False)
    assert code == 0, said
    struck = sum(check_kill(shop, at, lambda number, *_: number == at) for at in range(1, requests + 1))  # noqa: B023
    print(f"survived {struck} kills at {requests} requests")
    assert struck >= requests - 5


def test_a_run_that_overtakes_a_slower_one_is_not_undone_by_it(shop: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    change(shop, 1)
    slow = Job(shop.project, "slow")
    extract_tables(slow)
    change(shop, 2)
    with pytest.raises(RunInProgress, match=r"Run slow is at work on this lake \(in several processes\)"):
        run_lake(shop.project, run_id="fast")
    with monkeypatch.context() as later:
        later.setattr(lease, "TTL", timedelta(0))  # the slow run's tasks wait for a worker, for longer than the lease
        assert run_lake(shop.project, run_id="fast").exit_code == 0
    now = source_content(shop)
    assert content(shop) == now
    made = [make_table(slow, table) for table in TABLES]
    assert content(shop) == now
    assert {m["outcome"] for m in made if m} == {"nothing"}
    record = report_run(slow)
    assert record["steps"][1]["message"] == "run fast copied it since, and holds all of this copy"
    assert content(shop) == now


def test_a_refused_copy_is_made_anew_by_a_repeated_extract_and_an_accepted_one_is_not(shop: Place) -> None:
    change(shop, 1)
    few = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "name", "value_set": ["Customer 1"]}}
    shop.write("expectations/bronze/customers.json", suite("bronze.customers", "id", few))
    job = Job(shop.project, "r1")
    assert extract_tables(job) == {"tables": 2, "changed": 2, "rows": 8 + 1 + 1 + 1}
    assert extract_tables(job) == {"tables": 0, "changed": 0, "rows": 0}
    with pytest.raises(GateFailed, match=r"bronze\.customers, run r1: 1 of 2 expectations failed"):
        make_table(job, "bronze.customers")
    assert make_table(job, "bronze.orders")
    shop.sql("update customers set name = 'Customer 1' where id = 3")
    assert extract_tables(job) == {"tables": 1, "changed": 1, "rows": 1}
    made = make_table(job, "bronze.customers")
    assert made and made["outcome"] == "done"
    for table in TABLES[2:]:
        make_table(job, table)
    assert report_run(job)["exit_code"] == 0
    assert content(shop) == source_content(shop)


def test_a_copy_that_failed_for_good_fails_in_its_own_task(shop: Place) -> None:
    shop.write("queries/bronze/customers.sql", "-- Customers.\nselect id, no_such_column from source.customers\n")
    change(shop, 1)
    job = Job(shop.project, "r1")
    assert extract_tables(job)["tables"] == 2
    with pytest.raises(LakehouseError, match="no_such_column") as caught:
        make_table(job, "bronze.customers")
    assert not caught.value.retryable
    assert [make_table(job, t)["outcome"] for t in ("bronze.orders", "silver.orders")] == ["done", "done"]  # type: ignore[index]
    record = report_run(job)
    assert {s["table"]: s["outcome"] for s in record["steps"]} == {
        "bronze.customers": "failed",
        "bronze.orders": "done",
        "silver.customers": "blocked",
        "silver.orders": "done",
        "gold.monthly_orders": "failed",
    }
    assert "its task ended without a result" in record["steps"][-1]["message"]


def test_tasks_of_one_run_share_the_lease_and_those_of_another_wait(shop: Place) -> None:
    store = Store(shop.project.lake)

    def refused(lease: AbstractContextManager[None], message: str) -> None:
        with pytest.raises(RunInProgress, match=message), lease:
            raise AssertionError("two at once")

    with join_shared(store, "one"), join_shared(store, "one"):
        refused(join_shared(store, "two"), r"Run one is at work on this lake \(in several processes\)")
    refused(begin_shared(store, "two"), "Run one is at work")
    with begin_shared(store, "one"):
        refused(join_shared(store, "one"), r"Run one is at work on this lake \(host")
    release_shared(store, "two")
    refused(join_shared(store, "two"), "Run one is at work")
    release_shared(store, "one")
    with join_shared(store, "two"):
        release_shared(store, "two")
