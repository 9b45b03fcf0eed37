"""One local service as a process group of its own: written down, started, waited for, stopped."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lakehouse.errors import StackError
from lakehouse.project import SERVICES_FILE, Project

Report = Callable[[str], None]
LOG_TAIL_LINES = 12
STOP_TIMEOUT_S = 20.0
STARTED: list[subprocess.Popen[bytes]] = []  # kept, because Python warns of a child that outlives its handle
STATE_LOCK = threading.Lock()  # services start side by side


@dataclass(frozen=True)
class ServiceStatus:
    """`endpoint` never holds a password; `state` is broken where a process is there and does not answer."""

    name: str
    state: Literal["up", "down", "broken"]
    endpoint: str
    pid: int | None
    detail: str


@dataclass(frozen=True)
class State:
    """`.lakehouse/services.json`: what was started, readable by its owner alone, replaced whole."""

    path: Path

    def read(self) -> dict[str, dict[str, Any]]:
        """Every service written down; nothing where the file is missing or damaged."""
        try:
            value = json.loads(self.path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return value if isinstance(value, dict) else {}

    def is_damaged(self) -> bool:
        return self.path.exists() and not self.read() and self.path.read_text().strip() != "{}"

    def put(self, service: str, entry: Mapping[str, Any]) -> None:
        with STATE_LOCK:
            self._write(self.read() | {service: dict(entry)})

    def _write(self, value: Mapping[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(f".{os.getpid()}.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(value, file, indent=1)
        fresh.replace(self.path)


def state_of(project: Project) -> State:
    return State(project.state_dir / SERVICES_FILE)


@contextmanager
def locked(project: Project, report: Report) -> Iterator[None]:
    """Only one `up` or `down` of a project at a time; the second waits and says so."""
    project.state_dir.mkdir(parents=True, exist_ok=True)
    with (project.state_dir / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another lakehouse up or down is at work here; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def free_port(preferred: int | None = None) -> int:
    """A loopback port nobody listens on: the preferred one if it is free, since people write ports down."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", preferred or 0))
            return int(probe.getsockname()[1])
    return free_port()


def launch(
    command: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None, user: str | None = None
) -> dict[str, Any]:
    """Start `command` in a session of its own, its output to `log`; what must be known to find and stop it again."""
    import psutil

    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
            user=user,
        )
    STARTED.append(process)
    return {"pid": process.pid, "created": psutil.Process(process.pid).create_time(), "log": str(log)}


def is_alive(entry: Mapping[str, Any]) -> bool:
    """Whether the process that was written down still runs, and its number was not given to another."""
    return _leader(entry) is not None


def stop(entry: Mapping[str, Any], how: signal.Signals = signal.SIGTERM) -> None:
    """Ask the process group to end, wait, then kill what is left of it; nothing else that got its number is touched."""
    leader = _leader(entry)
    members = _members(entry)
    if leader is not None:
        with suppress(ProcessLookupError):
            leader.send_signal(how)
    _wait_gone([*members, *([leader] if leader else [])], STOP_TIMEOUT_S)
    for process in _members(entry):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    _wait_gone(_members(entry), STOP_TIMEOUT_S)


def wait_until(
    name: str, answers: Callable[[], bool], entry: Mapping[str, Any], timeout_s: float, report: Report | None = None
) -> None:
    """Wait until `answers` is true.

    Raises:
        StackError: the process ended, or the time is over; with the last lines of its log.
    """
    began = told = time.monotonic()
    while not answers():
        if not is_alive(entry):
            raise StackError(f"{name} ended while it started. Its log, {entry['log']}, ends:\n{log_tail(entry)}")
        now = time.monotonic()
        if now - began > timeout_s:
            raise StackError(
                f"{name} did not answer within {timeout_s:.0f} s. Its log, {entry['log']}, ends:\n{log_tail(entry)}"
            )
        if report and now - told > 10:
            told = now
            report(f"{name}: still starting ({now - began:.0f} s)")
        time.sleep(0.1)


def log_tail(entry: Mapping[str, Any]) -> str:
    """The last lines of a service's log."""
    path = Path(entry["log"])
    if not path.exists():
        return "(no log)"
    lines = path.read_text(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:])


def _leader(entry: Mapping[str, Any]) -> Any:
    import psutil

    try:
        process = psutil.Process(int(entry["pid"]))
        same = abs(process.create_time() - float(entry["created"])) < 1
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (KeyError, psutil.NoSuchProcess):
        return None


def _members(entry: Mapping[str, Any]) -> list[Any]:
    """Processes of the group that began after it did: children may outlive their leader."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == entry.get("pid") and process.create_time() >= float(entry["created"]) - 1:
                found.append(process)
    return found


def _wait_gone(processes: Sequence[Any], timeout_s: float) -> None:
    import psutil

    psutil.wait_procs(list(processes), timeout=timeout_s)
