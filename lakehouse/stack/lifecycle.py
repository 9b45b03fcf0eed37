"""up, down, status: the services together, in the order they need each other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from lakehouse.project import Project
from lakehouse.stack import aws, minio, postgres, trino
from lakehouse.stack.services import Report, ServiceStatus, State, is_alive, locked, state_of, stop

ORDER = ("postgres", "minio", "aws", "trino")
# What makes a service "up" is an answer, not a process.
ANSWERS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "postgres": lambda e: postgres.is_answering(e["url"]),
    "minio": lambda e: minio.is_answering(e["endpoint"], e["access_key"], e["secret_key"]),
    "aws": lambda e: aws.is_answering(e["endpoint"]),
    "trino": lambda e: trino.is_answering(e["url"]),
}


def up(project: Project, *, trino: bool = False, report: Report) -> list[ServiceStatus]:
    """Start what is not up; each is waited for until it answers. Calling it again changes nothing.

    Raises:
        StackError: one of them could not be started; those that could, stay.
    """
    state = state_of(project)
    with locked(project, report):
        if state.is_damaged():
            report(f"{state.path} was damaged; it is written anew")
        with ThreadPoolExecutor(3) as pool:
            started = [pool.submit(_ensure, project, state, name, report) for name in ORDER[:3]]
        if not all([each.result() for each in started]):
            _fall_back_to_memory(state, report)
        if trino:
            _ensure(project, state, "trino", report)
        return status(project)


def down(project: Project, *, report: Report) -> list[ServiceStatus]:
    """Stop every service by its process group; what they hold stays on disk."""
    state = state_of(project)
    with locked(project, report):
        entries = state.read()
        for name in reversed(ORDER):
            if name in entries:
                postgres.halt(entries[name]) if name == "postgres" else stop(entries[name])
        return status(project)


def status(project: Project) -> list[ServiceStatus]:
    """Every service that was ever started here, asked whether it answers."""
    entries = state_of(project).read()
    return [_status(name, entries[name]) for name in ORDER if name in entries and "pid" in entries[name]]


def _status(name: str, entry: dict[str, Any]) -> ServiceStatus:
    where = str(entry.get("endpoint") or entry.get("url", ""))
    parts = urlsplit(where)
    place = f"{parts.hostname}:{parts.port}{parts.path}"
    if entry.get("pid") is None:
        return ServiceStatus(name, "up", place, None, str(entry.get("detail", "")))
    if not is_alive(entry):
        return ServiceStatus(name, "down", place, None, "start it: lakehouse up")
    if not ANSWERS[name](entry):
        return ServiceStatus(name, "broken", place, entry["pid"], f"does not answer; see {entry['log']}")
    return ServiceStatus(name, "up", place, entry["pid"], str(entry.get("detail", "")))


def _ensure(project: Project, state: State, name: str, report: Report) -> bool:
    """Whether the service is up now; False only where MinIO cannot be had."""
    entry = state.read().get(name)
    if entry and entry.get("pid") is not None and is_alive(entry):
        if ANSWERS[name](entry):
            return True
        report(f"{name}: its process {entry['pid']} does not answer; starting it again")
        postgres.halt(entry) if name == "postgres" else stop(entry)
    report(f"{name}: starting")
    starters = {"postgres": postgres.start, "minio": minio.start, "aws": aws.start, "trino": trino.start}
    is_up = starters[name](project, state, report) is not False
    if is_up:
        report(f"{name}: up")
    return is_up


def _fall_back_to_memory(state: State, report: Report) -> None:
    """moto's S3 in place of MinIO: works, but holds everything in memory until `down`."""
    endpoint = state.read()["aws"]["endpoint"]
    report("minio: using the AWS API's S3 instead. It is IN MEMORY: the lake is lost at `lakehouse down`.")
    keys = {"access_key": "local", "secret_key": "local"}
    state.put("minio", {"endpoint": endpoint, "pid": None, "detail": "in memory; lost at down", **keys})
    minio.make_bucket(endpoint, **keys)
