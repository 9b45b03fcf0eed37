"""up, down, status: the services together, in the order they need each other."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from lakehouse.errors import StackError
from lakehouse.project import Project
from lakehouse.stack import airflow as airflow_service
from lakehouse.stack import aws, minio, postgres, trino
from lakehouse.stack.services import (
    Report,
    ServiceStatus,
    State,
    is_alive,
    is_free,
    locked,
    state_of,
    stop,
    terminate,
)

Entry = dict[str, Any]
PACKAGES = ("psutil", "moto")  # PostgreSQL's programs may be the system's, and say themselves that they are missing


@dataclass(frozen=True)
class Service:
    """What differs between services; `is_answering` is what makes one "up", not that its process is there."""

    start: Callable[[Project, State, Report], bool | None]
    is_answering: Callable[[Entry], bool]
    find_strays: Callable[[Project], list[Any]]
    shutdown: signal.Signals = signal.SIGTERM


SERVICES = {
    # PostgreSQL's fast shutdown: sessions are ended, what is committed is on disk.
    "postgres": Service(postgres.start, lambda e: postgres.is_answering(e["url"]), postgres.find_strays, signal.SIGINT),
    "minio": Service(
        minio.start, lambda e: minio.is_answering(e["endpoint"], e["access_key"], e["secret_key"]), minio.find_strays
    ),
    "aws": Service(aws.start, lambda e: aws.is_answering(e["endpoint"]), aws.find_strays),
    "trino": Service(trino.start, lambda e: trino.is_answering(e["url"]), trino.find_strays),
    "airflow": Service(
        airflow_service.start, lambda e: airflow_service.is_answering(e["url"]), airflow_service.find_strays
    ),
}
# Their other processes are their children, at work in the same folder.
HAS_CHILDREN = ("postgres", "airflow")


def up(project: Project, *, trino: bool = False, airflow: bool = False, report: Report) -> list[ServiceStatus]:
    """Start what is not up; each is waited for until it answers. Calling it again changes nothing.

    Raises:
        StackError: one of them could not be started; those that could, stay.
    """
    state = state_of(project)
    with _alone(project, report):
        if state.is_damaged():
            report(f"{state.path} was damaged; it is written anew")
        with ThreadPoolExecutor(3) as pool:
            names = ("postgres", "minio", "aws")
            started = [pool.submit(_ensure, project, state, name, report) for name in names]
        if not all(each.result() for each in started):
            _fall_back_to_memory(state, report)
        if trino or is_alive(state.read().get("trino", {})):
            _ensure(project, state, "trino", report)
        if airflow or is_alive(state.read().get("airflow", {})):
            _ensure(project, state, "airflow", report)
        return status(project)


def down(project: Project, *, report: Report) -> list[ServiceStatus]:
    """Stop every service by its process group; what they hold stays on disk."""
    state = state_of(project)
    with _alone(project, report):
        entries = state.read()
        for name in reversed(SERVICES):
            if _stop(project, name, entries.get(name, {})):
                report(f"{name}: stopped")
        return status(project)


def status(project: Project) -> list[ServiceStatus]:
    """Every service that was ever started here, asked whether it answers."""
    entries = state_of(project).read()
    return [_status(name, entries) for name in SERVICES if name in entries]


def missing_packages() -> list[str]:
    """What the local services need and is not installed; they are an extra of the package."""
    return [name for name in PACKAGES if find_spec(name) is None]


def find_unwritten(project: Project) -> dict[str, list[int]]:
    """Processes at work on a service's files that are not the one written down: two at once would spoil them."""
    entries = state_of(project).read()
    found = {}
    for name, service in SERVICES.items():
        is_led = is_alive(entries.get(name, {}))
        pids = [p.pid for p in service.find_strays(project)]
        known = {entries[name]["pid"]} if is_led else set()
        if extra := [] if is_led and name in HAS_CHILDREN else sorted(set(pids) - known):
            found[name] = extra
    return found


def is_port_taken(project: Project, name: str) -> bool:
    """Whether somebody listens on the port that a service had."""
    return not is_free(state_of(project).read().get(name, {}).get("port"))


def _status(name: str, entries: dict[str, Entry]) -> ServiceStatus:
    entry = entries[name]
    parts = urlsplit(str(entry.get("endpoint") or entry.get("url")))
    place = f"{parts.hostname}:{parts.port}{parts.path}"
    process = entries.get("aws", {}) if entry.get("in_memory") else entry
    if not is_alive(process):
        return ServiceStatus(name, "down", place, None, "start it: lakehouse up")
    if not SERVICES[name].is_answering(entry):
        return ServiceStatus(name, "broken", place, process["pid"], f"does not answer; see {process['log']}")
    return ServiceStatus(name, "up", place, process["pid"], str(entry.get("detail", "")))


def _ensure(project: Project, state: State, name: str, report: Report) -> bool:
    """Whether the service is up now; False only where MinIO cannot be had."""
    entries = state.read()
    entry = entries.get(name, {})
    is_current = name != "trino" or trino.is_current(entries)
    if is_current and is_alive(entry) and SERVICES[name].is_answering(entry):
        return True
    if _stop(project, name, entry):
        report(f"{name}: what was left of it is stopped")
    report(f"{name}: starting")
    is_up = _start(project, state, name, report)
    if is_up:
        report(f"{name}: up")
    return is_up


def _start(project: Project, state: State, name: str, report: Report) -> bool:
    """Start it; once more where another program took its port between choosing and binding it."""
    try:
        return SERVICES[name].start(project, state, report) is not False
    except StackError:
        entry = state.read().get(name, {})
        is_port_lost = not is_alive(entry) and not is_free(entry.get("port"))
        _stop(project, name, entry)
        if not is_port_lost:
            raise
    report(f"{name}: another program took its port; trying another port")
    return SERVICES[name].start(project, state, report) is not False


def _stop(project: Project, name: str, entry: Entry) -> bool:
    """Stop what was written down and what was not; whether there was anything."""
    service = SERVICES[name]
    was_running = stop(entry, service.shutdown)
    return terminate(service.find_strays(project), service.shutdown) or was_running


def _fall_back_to_memory(state: State, report: Report) -> None:
    """moto's S3 in place of MinIO: works, but holds everything in memory until `down`."""
    endpoint = state.read()["aws"]["endpoint"]
    report("minio: using the AWS API's S3 instead. It is IN MEMORY: the lake is lost at `lakehouse down`.")
    keys = {"access_key": "in-memory", "secret_key": "in-memory"}
    detail = "in memory, by the AWS API; lost at down"
    state.put("minio", {"endpoint": endpoint, "pid": None, "in_memory": True, "detail": detail, **keys})
    minio.make_bucket(endpoint, **keys)


@contextmanager
def _alone(project: Project, report: Report) -> Iterator[None]:
    """Only one `up` or `down` of a project at a time; the second waits and says so."""
    if missing := missing_packages():
        raise StackError(
            f"The local services need packages that are not installed: {', '.join(missing)}. "
            "Install them: pip install 'lakehouse[local]'"
        )
    waiting = "another lakehouse up or down is at work here; waiting for it"
    with locked(project.state_dir / "up.lock", lambda: report(waiting)):
        yield
