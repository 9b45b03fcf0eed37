"""Answer a query over the lake's live tables, or as they were; in DuckDB, or on a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lakehouse.catalog.iceberg import Catalog
from lakehouse.engines import Receipt, Result, open_cluster
from lakehouse.engines.duckdb import explain_duckdb_error
from lakehouse.errors import EngineError, UsageError
from lakehouse.names import RUN_ID, TABLE_REFERENCE
from lakehouse.portable import install, out_of_range, table_schemas, to_duckdb
from lakehouse.project import Project
from lakehouse.promote.inputs import Inputs, expose
from lakehouse.run import Session
from lakehouse.scan import Tables, check_cap
from lakehouse.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Dialect = Literal["portable", "duckdb"]
COMMENT = re.compile(r"--[^\n]*")


@dataclass(frozen=True)
class Answer:
    """A result being read: column names, the engine's types, and rows in batches."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    source: DuckDBPyConnection | Result

    def batches(self, size: int = 2048) -> Iterator[list[tuple[object, ...]]]:
        if isinstance(self.source, Result):
            for batch in self.source.batches:
                yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
            return
        while rows := self.source.fetchmany(size):
            yield rows

    @property
    def receipt(self) -> Receipt | None:
        """What it cost, once all of it was read; None for DuckDB, which costs nothing."""
        return self.source.receipt() if isinstance(self.source, Result) else None


def read_query(text: str) -> str:
    """`text` itself, or the content of the file it names."""
    path = Path(text)
    if "\n" not in text and len(text) < 4096 and path.suffix == ".sql":
        if not path.is_file():
            raise EngineError(f"There is no file {text}. Give a path that is, or the SQL itself in quotes.")
        return path.read_text(encoding="utf-8")
    return text


def moment_of(store: Store, text: str) -> datetime:
    """The moment that `text` names: an ISO time (UTC unless it says otherwise), or the end of a run.

    Raises:
        UsageError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        record = store.get_json(store.layout.run_record(text)) if RUN_ID.fullmatch(text) else None
        if record is None:
            raise UsageError(
                f"--as-of {text!r} is neither a run of this lake nor a time. Runs: lakehouse runs. "
                "A time is written 2024-05-01T06:00, in UTC."
            ) from None
        moment = datetime.fromisoformat(record["finished_at"])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def answer_on_cluster(project: Project, engine: str, sql: str, max_bytes: int | None = None) -> Iterator[Answer]:
    """Run `sql`, as it is, on the project's Trino or Athena, over the tables as they are live in the catalog.

    `max_bytes` is what Athena may scan for it, in place of the project's own cap.

    Raises:
        EngineError: it would scan more than that; or it does not run there, and the message is the engine's.
        StackError: the local Trino is wanted and is not up.
    """
    cap = project.athena.max_bytes if max_bytes is None else max_bytes
    if engine == "athena" and cap is not None:
        inputs = Inputs(Catalog(Store(project.lake)), str(project.settings.get("source", {}).get("name", "source")))
        check_cap(sql, Tables(inputs.table, inputs.manifest), cap, "The query")
    with open_cluster(project, engine).query(sql) as result:
        yield Answer(tuple(result.schema.names), result.types, result)


@contextmanager
def answer(
    session: Session, sql: str, as_of: str | None = None, dialect: Dialect = "portable", place: str = "the query"
) -> Iterator[Answer]:
    """Run `sql` over views of every table it names, live or as they were at the end of a run or at a time.

    Portable SQL is Athena's, and is answered as Athena answers it; DuckDB's own is run as it is.

    Raises:
        UsageError: `as_of` is neither.
        PortabilityError: a part of portable SQL has no meaning that both engines share; `place` is the file it is in.
        EngineError: it does not run; the message is DuckDB's, and lists the lake's tables where one was missing.
    """
    from duckdb import Error

    session.inputs.as_of = moment_of(session.store, as_of) if as_of else None
    named = {".".join(m) for m in TABLE_REFERENCE.findall(COMMENT.sub("", sql))}
    known = {str(n) for n in session.graph.models}
    selects = {r: s for r in sorted(named & known) if (s := session.inputs.select(r))}
    expose(session.con, selects)
    try:
        if dialect == "portable" and named <= set(selects):
            cursor = _run_portable(session.con, sql, selects, place)
        else:
            cursor = session.con.execute(sql)
    except Error as e:
        missing = sorted(named - set(selects))
        then = " then" if as_of else ""
        hint = f" Not in the lake{then}: {', '.join(missing)}. It has: {', '.join(sorted(known))}." if missing else ""
        text = " ".join(str(e).split())[:600]
        raise explain_duckdb_error(e, session.store.lake) or EngineError(f"{text}.{hint}") from e
    described = cursor.description or []
    yield Answer(tuple(d[0] for d in described), tuple(str(d[1]) for d in described), cursor)


def _run_portable(con: DuckDBPyConnection, sql: str, tables: Iterable[str], place: str) -> DuckDBPyConnection:
    """Translated for speed; once more, wide, where a decimal did not fit DuckDB's 64 bits."""
    from duckdb import Error

    install(con)
    sql = sql.strip().rstrip(";")
    schemas = table_schemas(con, tables)
    try:
        return con.execute(to_duckdb(sql, schemas, place))
    except Error as e:
        if not out_of_range(e):
            raise
    return con.execute(to_duckdb(sql, schemas, place, wide=True))
