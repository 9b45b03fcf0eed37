"""Answer a query over the lake's live tables, or as they were."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lakehouse.engines.duckdb import explain_duckdb_error
from lakehouse.errors import EngineError, UsageError
from lakehouse.names import RUN_ID, TABLE_REFERENCE
from lakehouse.portable import install, out_of_range, table_schemas, to_duckdb
from lakehouse.promote.inputs import expose
from lakehouse.run import Session
from lakehouse.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Dialect = Literal["portable", "duckdb"]
COMMENT = re.compile(r"--[^\n]*")


@dataclass(frozen=True)
class Answer:
    """A result being read: column names, DuckDB types, and rows in batches."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    cursor: DuckDBPyConnection

    def batches(self, size: int = 2048) -> Iterator[list[tuple[object, ...]]]:
        while batch := self.cursor.fetchmany(size):
            yield batch


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
