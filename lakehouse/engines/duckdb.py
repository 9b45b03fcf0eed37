"""DuckDB on this machine: a connection that reads PostgreSQL and S3, within the memory it was given."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lakehouse.engines.protocol import Receipt, Result
from lakehouse.errors import EngineError, LakeError, LakehouseError
from lakehouse.names import literal
from lakehouse.project import Lake, Project

if TYPE_CHECKING:
    import duckdb

EXTENSIONS = ("httpfs", "postgres_scanner")
BATCH_ROWS = 20_000


@dataclass(frozen=True)
class DuckDBEngine:
    """A connection that sees the lake's tables under their names, as an engine like the others."""

    con: duckdb.DuckDBPyConnection
    lake: Lake

    @property
    def name(self) -> str:
        return "duckdb"

    @contextmanager
    def query(self, sql: str) -> Iterator[Result]:
        began = time.monotonic()
        with self._errors():
            cursor = self.con.execute(sql)
            types = tuple(str(d[1]) for d in cursor.description or [])
            reader = cursor.to_arrow_reader(BATCH_ROWS)
            yield Result(
                reader.schema, types, iter(reader), lambda: Receipt("duckdb", seconds=time.monotonic() - began)
            )

    def execute(self, sql: str) -> Receipt:
        began = time.monotonic()
        with self._errors():
            self.con.execute(sql)
        return Receipt("duckdb", seconds=time.monotonic() - began)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import duckdb

        try:
            yield
        except duckdb.Error as e:
            raise explain_duckdb_error(e, self.lake) or EngineError(" ".join(str(e).split())[:600]) from e


@contextmanager
def open_duckdb(project: Project) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB with the project's limits, in UTC; what it spills goes to a folder removed at the end."""
    import duckdb

    project.state_dir.mkdir(parents=True, exist_ok=True)
    spill = Path(tempfile.mkdtemp(prefix="spill-", dir=project.state_dir))
    con = duckdb.connect()
    try:
        for extension in EXTENSIONS:
            load_extension(con, extension)
        engine = project.engine
        con.execute(f"set memory_limit = {literal(engine.memory_limit)}")
        con.execute(f"set threads = {engine.threads}")
        con.execute(f"set temp_directory = {literal(str(spill))}")
        con.execute("set timezone = 'UTC'")
        con.execute("set enable_progress_bar = false")
        # A file being uploaded holds part-sized buffers, and a part is this divided by 10,000: 80 MB by default, which
        # a partitioned write needs once for every partition. 5 MB is S3's smallest part.
        con.execute("set s3_uploader_max_filesize = '50GB'")
        yield con
    finally:
        con.close()
        shutil.rmtree(spill, ignore_errors=True)


def load_extension(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension from its wheel, so that nothing is fetched or written at run time.

    Raises:
        EngineError: its wheel is not installed.
    """
    spec = find_spec(f"duckdb_extension_{name}")
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    found = next(folder.rglob(f"{name}.duckdb_extension"), None) if folder else None
    if found is None:
        wheel = f"duckdb-extension-{name.replace('_', '-')}"
        raise EngineError(f"DuckDB's extension {name} is not installed. Install its wheel: pip install {wheel}")
    con.execute(f"load {literal(str(found))}")


def use_lake(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Let `con` read and write `lake`; called again, it renews credentials that expire.

    Raises:
        LakeError: there are no credentials.
    """
    con.execute(lake_secret_sql(lake))


def lake_secret_sql(lake: Lake) -> str:
    """The CREATE SECRET statement for `lake`; it holds credentials, so it is executed and never shown."""
    options = {"region": literal(lake.region), "scope": literal(f"s3://{lake.layout.bucket}")}
    key, secret, token = _credentials(lake)
    options |= {"key_id": literal(key), "secret": literal(secret)}
    if token:
        options["session_token"] = literal(token)
    if lake.endpoint:
        parts = urlsplit(lake.endpoint)
        options |= {"endpoint": literal(parts.netloc), "url_style": "'path'"}
        options["use_ssl"] = "true" if parts.scheme == "https" else "false"
    listed = ", ".join(f"{name} {value}" for name, value in options.items())
    return f"create or replace secret lake (type s3, {listed})"


def _credentials(lake: Lake) -> tuple[str, str, str | None]:
    if lake.credentials:
        return lake.credentials.access_key, lake.credentials.secret_key.reveal(), None
    import boto3

    found = boto3.Session().get_credentials()
    if found is None:
        raise LakeError("No AWS credentials were found. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret.")
    frozen = found.get_frozen_credentials()
    return frozen.access_key, frozen.secret_key, frozen.token


def explain_duckdb_error(error: Exception, lake: Lake) -> LakehouseError | None:
    """DuckDB's own errors in our words: out of memory or disk, or S3; None for what is about the statement itself."""
    import duckdb

    text = " ".join(str(error).split())
    if isinstance(error, duckdb.OutOfMemoryException):
        return EngineError(
            f"DuckDB ran out of the memory it may use: {text[:160]}. Nothing was committed. "
            "Raise memory_limit in lakehouse.toml ([engine]) or LAKEHOUSE_MEMORY_LIMIT, or lower LAKEHOUSE_THREADS."
        )
    if "maximum_object_size" in text:
        return EngineError(
            "A row is longer than 16 MB as JSON text, which is more than DuckDB reads. Nothing was committed. "
            "Leave its large column out of the bronze model, or keep it elsewhere."
        )
    if "No space left on device" in text:
        return EngineError(f"The local disk is full: {text[:200]}. Nothing was committed. Free space, then run again.")
    place = f"s3://{lake.layout.bucket}/{lake.layout.prefix}"
    if isinstance(error, duckdb.HTTPException) or (isinstance(error, duckdb.IOException) and "s3://" in text):
        if "NoSuchBucket" in text:
            return LakeError(
                f"{place}: the bucket does not exist. Nothing was written. Create it, or set LAKEHOUSE_LAKE."
            )
        if "StorageFull" in text or "507" in text:
            return LakeError(
                f"{place}: the object store's disk is full. Nothing became visible. Free space, run again."
            )
        denied = "403" in text or "AccessDenied" in text
        hint = "The credentials may not do this: lakehouse doctor." if denied else "Nothing became visible; run again."
        return LakeError(f"{place}: {text[:400]}. {hint}", retryable=not denied)
    return None
