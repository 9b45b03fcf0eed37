"""The PostgreSQL side: one REPEATABLE READ snapshot, exported, and what the catalog says of a table in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC
from difflib import get_close_matches
from typing import TYPE_CHECKING

from lakehouse.catalog.bronze import Column, SnapshotId, TypeDefinition
from lakehouse.errors import SourceError
from lakehouse.extract.exact import PRINT_SETTINGS
from lakehouse.extract.types import type_definitions
from lakehouse.names import literal, quote
from lakehouse.project import Source

if TYPE_CHECKING:
    import duckdb
    from psycopg2.extensions import connection, cursor

ATTACHED = "source"

IDENTITY = """
select pg_current_snapshot()::text,
       pg_snapshot_xmin(pg_current_snapshot())::text,
       pg_snapshot_xmax(pg_current_snapshot())::text,
       (select system_identifier::text from pg_control_system()),
       -- The checkpoint still tells the old timeline for a while after a failover; the WAL does not.
       case when pg_is_in_recovery() then (select timeline_id from pg_control_checkpoint())
            else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end,
       (select oid::bigint from pg_database where datname = current_database()),
       current_setting('server_version'),
       clock_timestamp() at time zone 'UTC',
       (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end - '0/0')::bigint
"""

RELATION = """
select c.oid::bigint, c.relkind::text, obj_description(c.oid, 'pg_class'),
       c.relkind = 'r' and exists (select from pg_inherits h where h.inhparent = c.oid),
       row_security_active(c.oid),
       array(select relid::oid::bigint from pg_partition_tree(c.oid) where isleaf and relid <> c.oid order by 1),
       pg_relation_size(c.oid)
       + (select coalesce(sum(pg_relation_size(relid)), 0)::bigint from pg_partition_tree(c.oid) where relid <> c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = %s and c.relname = %s and c.relkind in ('r', 'p', 'v', 'm', 'f')
"""

COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod), not a.attnotnull, col_description(a.attrelid, a.attnum),
       a.attnum, case when a.attgenerated <> '' then pg_get_expr(d.adbin, d.adrelid) else '' end
from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = %s and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""

# Columns added with a default, which rows written before have without having been touched.
BACKFILLED = """
select distinct attname::text from pg_attribute
where attrelid = any(%s::bigint[]::oid[]) and atthasmissing and not attisdropped
"""

# The primary key, else the first unique index over not-null columns that holds for every row.
KEY = """
select array(select a.attname::text from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality k(attnum, n)
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum order by k.n)
from pg_index i join pg_class x on x.oid = i.indexrelid
where i.indrelid = %s and i.indisunique and i.indisvalid and i.indimmediate
  and i.indpred is null and i.indexprs is null
  and not exists (select from unnest(i.indkey[0:i.indnkeyatts - 1]) k(attnum)
                  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum where not a.attnotnull)
order by i.indisprimary desc, i.indnkeyatts, x.relname
limit 1
"""


@dataclass(frozen=True)
class SourceTable:
    """What PostgreSQL's catalog says of one table. `key` is empty where no column set identifies a row.

    `partitions` are the oids of its leaf partitions; `backfilled` the columns whose default old rows show untouched;
    `is_filtered` says that row-level security hides rows from this user; `size_bytes` is what a scan of it reads.
    """

    schema: str
    name: str
    oid: int
    kind: str
    comment: str | None
    has_children: bool
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partitions: tuple[int, ...] = ()
    backfilled: frozenset[str] = frozenset()
    is_filtered: bool = False
    size_bytes: int = 0

    @property
    def qualified(self) -> str:
        return f"{quote(self.schema)}.{quote(self.name)}"


@dataclass(frozen=True)
class SourceSnapshot:
    """An open snapshot: `connection` holds it, `exported` lets other connections read the same state."""

    source: Source
    connection: connection
    id: SnapshotId
    exported: str

    def describe(self, table: str) -> SourceTable:
        """The table of the source's schema, or of another where it is written "schema.table", as this snapshot sees it.

        Raises:
            SourceError: no such table; the message names close ones.
        """
        with self._guarded() as cursor:
            schema, name = self.source.schema, table
            cursor.execute(RELATION, (schema, name))
            found = cursor.fetchone()
            if found is None and "." in table:
                schema, name = table.split(".", 1)
                cursor.execute(RELATION, (schema, name))
                found = cursor.fetchone()
            if found is None:
                raise self._no_such_table(table)
            oid, kind, comment, has_children, is_filtered, partitions, size_bytes = found
            cursor.execute(COLUMNS, (oid,))
            columns = tuple(Column(*row) for row in cursor.fetchall())
            cursor.execute(KEY, (oid,))
            key = cursor.fetchone()
            cursor.execute(BACKFILLED, ([oid, *partitions],))
            backfilled = frozenset(row[0] for row in cursor.fetchall())
        return SourceTable(
            schema,
            name,
            oid,
            kind,
            comment,
            has_children,
            columns,
            tuple(key[0]) if key else (),
            tuple(partitions),
            backfilled,
            is_filtered,
            size_bytes,
        )

    def types_of(self, columns: tuple[Column, ...]) -> tuple[TypeDefinition, ...]:
        """What the columns' types are made of, as far as they are not PostgreSQL's own."""
        with self._guarded() as cursor:
            return type_definitions(cursor, [c.type for c in columns])

    def value(self, query: str) -> str | None:
        """The one text that `query` answers."""
        with self._guarded() as cursor:
            cursor.execute(query)
            found = cursor.fetchone()
        return found[0] if found else None

    def result_columns(self, query: str, table: SourceTable) -> tuple[Column, ...]:
        """Names and types of `query`'s result; a column taken over, even renamed, keeps its comment."""
        by_number = {c.number: c for c in table.columns}
        with self._guarded() as cursor:
            cursor.execute(f"select * from ({query}) q limit 0")
            described = cursor.description or ()
            cursor.execute(
                "select oid, format_type(oid, null) from pg_type where oid = any(%s)",
                ([d.type_code for d in described],),
            )
            types = dict(cursor.fetchall())
        columns = []
        for found in described:
            same = by_number.get(found.table_column) if found.table_oid == table.oid else None
            computed = Column(found.name, types[found.type_code], True, None)
            columns.append(replace(same, name=found.name) if same else computed)
        return tuple(columns)

    def count_rows(self, query: str) -> int:
        """How many rows `query` returns in this snapshot."""
        with self._guarded() as cursor:
            cursor.execute(f"select count(*) from ({query}) q")
            found = cursor.fetchone()
            assert found is not None
            return int(found[0])

    @contextmanager
    def _guarded(self) -> Iterator[cursor]:
        """A cursor whose failure leaves the snapshot as it is for the other tables."""
        with explained(self.source), self.connection.cursor() as cursor:
            cursor.execute("savepoint lakehouse")
            try:
                yield cursor
            except BaseException:
                cursor.execute("rollback to savepoint lakehouse")
                raise
            cursor.execute("release savepoint lakehouse")

    def _no_such_table(self, table: str) -> SourceError:
        with self.connection.cursor() as cursor:
            cursor.execute(
                "select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                " where nspname = %s and relkind in ('r', 'p', 'v', 'm', 'f') order by 1",
                (self.source.schema,),
            )
            names = [row[0] for row in cursor.fetchall()]
        close = get_close_matches(table, names, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(names[:12]) or 'no tables'}."
        place = f"{self.source.place}, schema {self.source.schema!r}"
        return SourceError(
            f"{place}: there is no table {table!r}, or this user may not see it. {hint} "
            "A bronze model reads source.<table>; the schema is set in lakehouse.toml ([source] schema)."
        )


@contextmanager
def open_snapshot(source: Source) -> Iterator[SourceSnapshot]:
    """Open one REPEATABLE READ, read-only snapshot of the source and export it, for all tables of a run.

    Raises:
        SourceError: PostgreSQL cannot be reached or refuses; the message never holds the password.
    """
    connection = connect_source(source)
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with explained(source), connection.cursor() as cursor:
            cursor.execute(IDENTITY)
            snapshot, xmin, xmax, system, timeline, database, version, taken, lsn = cursor.fetchone()
            cursor.execute("select pg_export_snapshot()")
            exported = cursor.fetchone()[0]
        taken_at = taken.replace(tzinfo=UTC).isoformat(timespec="microseconds")
        identity = SnapshotId(system, timeline, database, snapshot, int(xmin), int(xmax), version, taken_at, lsn)
        yield SourceSnapshot(source, connection, identity, exported)
    finally:
        connection.close()


def connect_source(source: Source) -> connection:
    """A psycopg2 connection that prints every type losslessly.

    Raises:
        SourceError: PostgreSQL cannot be reached, or refuses.
    """
    import psycopg2

    with explained(source):
        return psycopg2.connect(
            source.url.reveal(), options=_print_options(), connect_timeout=10, application_name="lakehouse"
        )


def attach_source(con: duckdb.DuckDBPyConnection, snapshot: SourceSnapshot) -> None:
    """Attach the source to DuckDB inside a transaction that sees exactly `snapshot`; the caller ends the transaction.

    Raises:
        SourceError: the source refused, or does not print as it must.
    """
    import duckdb
    from psycopg2.extensions import parse_dsn

    dsn = {k: str(v) for k, v in parse_dsn(snapshot.source.url.reveal()).items()}
    secret = {"host": dsn.pop("host", "localhost"), "port": dsn.pop("port", "5432"), "database": dsn.pop("dbname", "")}
    secret |= {"user": dsn.pop("user", ""), "password": dsn.pop("password", "")}
    listed = ", ".join(f"{k} {literal(v)}" for k, v in secret.items() if v)
    dsn |= {"options": f"{dsn.get('options', '')} {_print_options()}".strip(), "application_name": "lakehouse"}
    rest = " ".join("{}='{}'".format(k, v.replace("\\", "\\\\").replace("'", "\\'")) for k, v in dsn.items())
    try:
        con.execute(f"create or replace secret source_postgres (type postgres, {listed})")
        con.execute(f"attach {literal(rest)} as {ATTACHED} (type postgres, read_only, secret source_postgres)")
        con.execute("begin")
        con.execute(
            f"call postgres_execute('{ATTACHED}', {literal(f'set transaction snapshot {literal(snapshot.exported)}')})"
        )
    except duckdb.Error as e:
        raise explain_postgres_error(e, snapshot.source) from e


@contextmanager
def explained(source: Source) -> Iterator[None]:
    """Turn psycopg2's errors into ours."""
    import psycopg2

    try:
        yield
    except psycopg2.Error as e:
        raise explain_postgres_error(e, source) from e


def explain_postgres_error(error: Exception, source: Source) -> SourceError:
    """PostgreSQL's error in our words, without its secrets, and whether trying again can help."""
    text = source.redact(" ".join(str(error).split()))
    for fragment, meaning, retryable in POSTGRES_ERRORS:
        if fragment in text:
            return SourceError(f"PostgreSQL at {source.place}: {text[:300]}. {meaning}", retryable=retryable)
    return SourceError(f"PostgreSQL at {source.place}: {text[:600]}.")


POSTGRES_ERRORS = (
    ("password authentication failed", "Check the user and password in LAKEHOUSE_SOURCE_URL.", False),
    ("no password supplied", "LAKEHOUSE_SOURCE_URL has no password. Add it, or use a ~/.pgpass file.", False),
    ("does not exist", "Check the database, schema and table names in LAKEHOUSE_SOURCE_URL and lakehouse.toml.", False),
    ("could not translate host name", "Check the host in LAKEHOUSE_SOURCE_URL.", False),
    ("Connection refused", "Is PostgreSQL up there, and the port right? For the local one: lakehouse up.", True),
    ("timeout expired", "It did not answer within 10 s. Check host, port and firewall.", True),
    ("server closed the connection", "The connection broke. Nothing became visible; run again.", True),
    ("terminating connection", "The server ended the connection. Nothing became visible; run again.", True),
    ("too many connections", "Wait, or raise max_connections; a run needs two connections.", True),
    ("permission denied", "Grant this user SELECT on the table, or leave it out of queries/bronze.", False),
)


def _print_options() -> str:
    return " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in PRINT_SETTINGS.items())


def detach_source(con: duckdb.DuckDBPyConnection) -> None:
    """End the transaction and the connections of `attach_source`; a server that is gone is not an error here.

    DuckDB aborts the whole process if its last ROLLBACK to a dead PostgreSQL happens at shutdown; so it happens here.
    """
    import duckdb

    for statement in ("rollback", f"detach database if exists {ATTACHED}", "drop secret if exists source_postgres"):
        with suppress(duckdb.Error):
            con.execute(statement)
