"""One local service as a process group of its own: written down, started, waited for, stopped."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
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
LOG_BYTES = 16 << 20
STOP_TIMEOUT_S = 20.0
# In a service's environment: tells it, for sure, from a stranger that was given its process id.
TOKEN = "LAKEHOUSE_SERVICE"
# All that a service sees of ours: it lives on after us, and keys in its environment are no business of its.
ENVIRONMENT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR", "TZ", "VIRTUAL_ENV")
WANTED_KEYS: dict[str, tuple[str, ...]] = {
    "postgres": ("url",),
    "minio": ("endpoint", "access_key", "secret_key"),
    "aws": ("endpoint",),
    "trino": ("url",),
    "airflow": ("url",),
}
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
        """Every service written down whole; what is damaged is not there."""
        return {name: entry for name, entry in self._parse().items() if _is_whole(name, entry)}

    def is_damaged(self) -> bool:
        return self.path.exists() and (not self._text().strip() or self._parse() != self.read())

    def put(self, service: str, entry: Mapping[str, Any]) -> None:
        with STATE_LOCK:
            self._write(self.read() | {service: dict(entry)})

    def _text(self) -> str:
        try:
            return self.path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def _parse(self) -> dict[str, Any]:
        text = self._text()
        if not text.strip():
            return {}
        try:
            value = json.loads(text)
        except ValueError:
            return {"": "not JSON"}
        return value if isinstance(value, dict) else {"": "not an object"}

    def _write(self, value: Mapping[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(f".{os.getpid()}.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(value, file, indent=1)
        fresh.replace(self.path)


def state_of(project: Project) -> State:
    return State(project.state_dir / SERVICES_FILE)


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file at `path`; `waiting` is called once where somebody else holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_free(port: int | None) -> bool:
    """Whether nobody listens on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port or 0))
        except OSError:
            return False
    return True


def free_port(preferred: int | None = None) -> int:
    """A loopback port nobody listens on: the preferred one if it is free, since people write ports down."""
    if preferred and is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    identity: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Start `command` in a session of its own, its output to `log`; what must be known to find and stop it again.

    `identity` is what subprocess needs to run it as another user (user, group, extra_groups).
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    token = secrets.token_hex(8)
    ours = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**ours, **(environment or {}), TOKEN: token},
            **(identity or {}),
        )
    STARTED.append(process)
    entry = {"pid": process.pid, "token": token, "log": str(log)}
    # For an instant after it began a process shows neither its command nor its environment.
    until = time.monotonic() + 5
    while process.poll() is None and not is_alive(entry) and time.monotonic() < until:
        time.sleep(0.001)
    return entry


def is_alive(entry: Mapping[str, Any]) -> bool:
    """Whether the process that was written down still runs, and its number was not given to another."""
    return _leader(entry) is not None


def stop(entry: Mapping[str, Any], how: signal.Signals = signal.SIGTERM) -> bool:
    """Ask the process group to end, wait, then kill what is left of it; whether there was anything to stop."""
    return terminate(_group(entry), how)


def terminate(processes: Sequence[Any], how: signal.Signals = signal.SIGTERM) -> bool:
    """End psutil processes: asked first, killed where they do not listen; whether there were any."""
    import psutil

    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)  # a suspended process hears nothing else
    for process in _wait_gone(processes, STOP_TIMEOUT_S):
        with suppress(psutil.Error):
            process.kill()
    _wait_gone(processes, STOP_TIMEOUT_S)
    for child in STARTED:
        child.poll()
    return bool(processes)


def _wait_gone(processes: Sequence[Any], timeout_s: float) -> list[Any]:
    """Those still running after the time; one that ended and that nobody buries (a container's usual pid 1) is gone."""
    import psutil

    def is_running(process: Any) -> bool:
        try:
            # While one thread of a dead leader is left, so are its port and its files.
            is_dead = process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
            return bool(process.is_running() and not is_dead)
        except psutil.NoSuchProcess:
            return False

    until = time.monotonic() + timeout_s
    while (left := [p for p in processes if is_running(p)]) and time.monotonic() < until:
        time.sleep(0.02)
    return left


def strays(program: str, data: Path) -> list[Any]:
    """Processes of `program` at work on the folder `data`, written down or not: two at once would spoil it."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command = process.cmdline()
            works_there = any(part == str(data) or part.endswith(f"={data}") for part in command)
            if works_there and any(program in part for part in command[:3]):
                found.append(process)
    return found


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


def _is_whole(name: str, entry: Any) -> bool:
    if name not in WANTED_KEYS or not isinstance(entry, dict):
        return False
    has_process = isinstance(entry.get("pid"), int | None)
    return has_process and all(isinstance(entry.get(key), str) for key in WANTED_KEYS[name])


def _carries(process: Any, token: str) -> bool:
    """Whether it is a process we started, by its environment; another user's cannot be read and is not ours."""
    import psutil

    try:
        return bool(process.environ().get(TOKEN) == token)
    except (psutil.Error, OSError):
        return False


def _leader(entry: Mapping[str, Any]) -> Any:
    import psutil

    pid, token = entry.get("pid"), entry.get("token")
    if pid is None or not token:
        return None
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
    return process if _carries(process, token) else None


def _group(entry: Mapping[str, Any]) -> list[Any]:
    """The leader and its group; where the leader is gone, children that outlived it, told by the token they carry."""
    import psutil

    pid, token = entry.get("pid"), entry.get("token")
    if pid is None or not token:
        return []
    is_led = _leader(entry) is not None
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == pid and (is_led or _carries(process, token)):
                found.append(process)
    return found
