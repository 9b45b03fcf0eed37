"""Bronze back into PostgreSQL: every table of a run as it was there, in one transaction."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.bronze import Manifest, bronze_select
from lakehouse.engines.duckdb import explain_duckdb_error
from lakehouse.errors import SourceError
from lakehouse.extract.restore import RestoreResult
from lakehouse.extract.source import connect_source, explain_postgres_error
from lakehouse.extract.types import create_statement
from lakehouse.names import literal, quote
from lakehouse.project import Source
from lakehouse.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from psycopg2.extensions import cursor

BATCH_ROWS = 2048
THERE = "select relname::text from pg_class where relnamespace = to_regnamespace(%s) and relname = any(%s) order by 1"


def rebuild_tables(
    con: DuckDBPyConnection,
    store: Store,
    manifests: Sequence[Manifest],
    source: Source,
    *,
    replace: bool,
    report: Callable[[str], None],
) -> RestoreResult:
    """Make `manifests`' tables in the source's schema: columns, key, comments, types of their own, and every row.

    What bronze does not hold is not made: foreign keys, indexes, defaults, triggers, and whatever no model copied.

    Raises:
        SourceError: a table is there already (and not `replace`), or PostgreSQL refused; the database is as it was.
        LakeError: bronze could not be read; likewise.
    """
    import duckdb
    import psycopg2

    began, rows = time.monotonic(), 0
    with closing(connect_source(source)) as connection:
        try:
            with connection, connection.cursor() as cursor:
                _make_room(cursor, source, [m.table for m in manifests], replace)
                for statement in _types(cursor, manifests):
                    cursor.execute(statement)
                for manifest in manifests:
                    report(f"{manifest.table}, as run {manifest.run_id} copied it")
                    rows += _load(con, cursor, store, manifest, source)
        except psycopg2.Error as e:
            raise explain_postgres_error(e, source) from e
        except duckdb.Error as e:
            raise explain_duckdb_error(e, store.lake) or SourceError(
                f"bronze could not be read: {str(e)[:400]}. The database is as it was."
            ) from e
    return RestoreResult(len(manifests), rows, time.monotonic() - began)


def live_rows(store: Store, manifest: Manifest) -> str:
    """The SELECT of a bronze table's rows as they were at the manifest's run: the last word on each key."""
    columns = ", ".join(quote(c.name) for c in manifest.columns)
    lines = bronze_select(store, manifest)
    if len(manifest.chain) == 1:
        return f"select {columns} from ({lines})"
    key = ", ".join(quote(k) for k in manifest.key)
    return (
        f"select {columns} from ({lines}) qualify _op = 'upsert' and "
        f"row_number() over (partition by {key} order by _ingested_at desc) = 1"
    )


def _make_room(cursor: cursor, source: Source, tables: list[str], replace: bool) -> None:
    _make_schema(cursor, quote(source.schema))
    cursor.execute(THERE, (quote(source.schema), tables))
    there = [row[0] for row in cursor.fetchall()]
    if there and not replace:
        raise SourceError(
            f"{source.place}, schema {source.schema!r}: {len(there)} of {len(tables)} tables are there already "
            f"({', '.join(there[:5])}{', …' if len(there) > 5 else ''}). Nothing was restored. Restore into another "
            "database (LAKEHOUSE_SOURCE_URL), or replace these: --replace"
        )
    for table in there:
        cursor.execute(f"drop table {quote(source.schema)}.{quote(table)}")


def _make_schema(cursor: cursor, name: str) -> None:
    """Where it is not there: CREATE SCHEMA IF NOT EXISTS asks for rights that a table's owner may not have."""
    cursor.execute("select to_regnamespace(%s) is null", (name,))
    missing = cursor.fetchone()
    if missing and missing[0]:
        cursor.execute(f"create schema {name}")


def _types(cursor: cursor, manifests: Sequence[Manifest]) -> Iterator[str]:
    """What makes the types that are not there; a type of that name that is there is taken as it is."""
    for definition in dict.fromkeys(d for m in manifests for d in m.types):
        if definition.kind != "extension":
            cursor.execute("select to_regtype(%s) is not null", (definition.name,))
            found = cursor.fetchone()
            if found and found[0]:
                continue
            _make_schema(cursor, definition.name.rpartition(".")[0])
        else:
            _make_schema(cursor, definition.parts[1])
        yield create_statement(definition)


def _load(con: DuckDBPyConnection, cursor: cursor, store: Store, manifest: Manifest, source: Source) -> int:
    table = f"{quote(source.schema)}.{quote(manifest.table)}"
    columns = ", ".join(f"{quote(c.name)} {c.type}{'' if c.nullable else ' not null'}" for c in manifest.columns)
    cursor.execute(f"create table {table} ({columns})")
    names = ", ".join(quote(c.name) for c in manifest.columns)
    lines = _Lines(con.execute(live_rows(store, manifest)).to_arrow_reader(BATCH_ROWS))
    cursor.copy_expert(f"copy {table} ({names}) from stdin (format csv, null '')", io.BufferedReader(lines, 1 << 20))
    loaded: int = cursor.rowcount
    if manifest.source_rows is not None and loaded != manifest.source_rows:
        raise SourceError(
            f"bronze.{manifest.table}, run {manifest.run_id}: {manifest.source_rows:,} rows were counted at the source "
            f"and {loaded:,} are in bronze. The database is as it was. Somebody changed the lake's files; "
            f"copy the table whole: lakehouse run {manifest.table} --full"
        )
    if manifest.key:
        cursor.execute(f"alter table {table} add primary key ({', '.join(quote(k) for k in manifest.key)})")
    if manifest.comment:
        cursor.execute(f"comment on table {table} is {literal(manifest.comment)}")
    for column in manifest.columns:
        if column.comment:
            cursor.execute(f"comment on column {table}.{quote(column.name)} is {literal(column.comment)}")
    return loaded


class _Lines(io.RawIOBase):
    """Record batches of text as the CSV that COPY reads: a value is quoted, a null is not."""

    def __init__(self, batches: Any) -> None:
        self.batches, self.pending = batches, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self.pending:
            try:
                batch = self.batches.read_next_batch()
            except StopIteration:
                return 0
            self.pending = memoryview(_csv(batch))
        size = min(len(target), len(self.pending))
        target[:size] = self.pending[:size]
        self.pending = self.pending[size:]
        return size


def _csv(batch: Any) -> bytes:
    import pyarrow as pa
    from pyarrow import csv

    sink = pa.BufferOutputStream()
    csv.write_csv(batch, sink, csv.WriteOptions(include_header=False, quoting_style="all_valid"))
    return bytes(sink.getvalue())
