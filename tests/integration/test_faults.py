"""What can happen to S3, Glue and PostgreSQL in the middle of a run, at requests found by counting them.

After each fault readers see a whole old or whole new version, what went wrong is said, and the next run mends it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from lakehouse import stack
from lakehouse.errors import LakehouseError
from lakehouse.project import Project
from lakehouse.record import RunResult
from lakehouse.run import run_lake
from lakehouse.stack.services import state_of
from tests.integration.conftest import Place
from tests.integration.proxy import CUT, EXPIRED, SLOW_DOWN, Fault, proxied
from tests.integration.small import small_shop
from tests.integration.test_kill import change, content, source_content

PLACES = 2  # of each kind of fault, spread over the run's requests; `make test-long` tries every one
OUTAGE = 10_000  # requests: to the end of the run

Happening = Callable[[int], Fault | None]


@pytest.fixture
def shop(place: Place) -> Iterator[Place]:
    small_shop(place)
    run_lake(place.project)
    yield place


@contextmanager
def through_proxies(place: Place, happening: Happening) -> Iterator[tuple[Place, list[int]]]:
    """The place behind proxies that number the requests to S3 and Glue, and do to each what `happening` says."""
    total = [0]

    def before(method: str, path: str) -> Fault | None:
        total[0] += 1
        return happening(total[0])

    names = ("LAKEHOUSE_S3_ENDPOINT", "LAKEHOUSE_GLUE_ENDPOINT")
    with proxied(place.environment[names[0]], before) as store, proxied(place.environment[names[1]], before) as aws:
        yield replace(place, environment={**place.environment, names[0]: store.url, names[1]: aws.url}), total


def attempt(place: Place) -> tuple[RunResult | None, str]:
    """A run that may fail; what it said if it did."""
    try:
        result = run_lake(place.project)
    except LakehouseError as e:
        return None, str(e)
    return result, " ".join(s.message for s in result.steps if s.outcome == "failed")


def count_requests(place: Place) -> int:
    with through_proxies(place, lambda _: None) as (through, total):
        assert attempt(through)[1] == ""
    return total[0]


def check(place: Place, number: int, happening: Happening, mend: Callable[[], None] = lambda: None) -> str:
    """Change the source, run through the fault, look at what readers see, and run again; what the fault made it say."""
    old = content(place)
    change(place, number)
    new = source_content(place)
    with through_proxies(place, happening) as (through, _):
        _, said = attempt(through)
    mend()
    for table, rows in content(place).items():
        assert rows in (old[table], new[table]), f"{table} is neither old nor new: {said}"
    again = run_lake(place.project)
    assert again.exit_code == 0, [s.message for s in again.steps]
    assert content(place) == new
    return said


def at(first: int, fault: Fault, last: int | None = None) -> Happening:
    """The fault at request `first`, or from there to `last`."""
    return lambda n: fault if first <= n <= (last or first) else None


def spread(requests: int, places: int) -> list[int]:
    return [requests * (i + 1) // (places + 1) for i in range(places)]


def survive(shop: Place, fault: Fault, places: int, length: int) -> list[str]:
    """The fault at `places` of a run, each time for `length` requests; what each said."""
    change(shop, 0)
    requests = count_requests(shop)
    numbers = spread(requests, places) if places < requests else list(range(1, requests + 1))
    said = [check(shop, i + 1, at(n, fault, n + length - 1)) for i, n in enumerate(numbers)]
    print(
        f"survived {len(said)} times {fault} for {length} of {requests} requests; {sum(map(bool, said))} stopped a run"
    )
    return said


@pytest.mark.parametrize("fault", [SLOW_DOWN, CUT], ids=["slow down", "cut"])
def test_a_fault_that_passes(shop: Place, fault: Fault) -> None:
    survive(shop, fault, PLACES, 1)


@pytest.mark.parametrize("fault", [SLOW_DOWN, CUT, EXPIRED], ids=["slow down", "cut", "expired"])
def test_a_fault_that_stays(shop: Place, fault: Fault) -> None:
    said = [s for s in survive(shop, fault, PLACES, OUTAGE) if s]
    assert said
    if fault is EXPIRED:
        assert any("have expired" in s for s in said), said


@pytest.mark.long
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("length", [1, OUTAGE])
@pytest.mark.parametrize("fault", [SLOW_DOWN, CUT, EXPIRED], ids=["slow down", "cut", "expired"])
def test_every_fault_at_every_request(shop: Place, fault: Fault, length: int) -> None:
    survive(shop, fault, OUTAGE, length)


def kill(project: Project, service: str) -> None:
    os.killpg(state_of(project).read()[service]["pid"], signal.SIGKILL)


def up_again(project: Project) -> None:
    stack.up(project, report=print)


@pytest.mark.parametrize("service", ["postgres", "minio", "aws"])
def test_kill_9_of_a_service(shop: Place, stack_project: Project, service: str) -> None:
    change(shop, 0)
    requests = count_requests(shop)
    for i, number in enumerate(spread(requests, PLACES)):
        killed: list[int] = []

        def strike(n: int, number: int = number, killed: list[int] = killed) -> Fault | None:
            if n == number:
                kill(stack_project, service)
                killed.append(n)
            return None

        check(shop, i + 1, strike, lambda: up_again(stack_project))
        assert killed
    print(f"survived {PLACES} kills of {service}")
