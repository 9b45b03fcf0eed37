"""The same text on DuckDB and on Trino, Athena's engine: equal, or the first value or type in which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lakehouse.ask import answer
from lakehouse.errors import EngineError, LakehouseError
from lakehouse.model import ModelGraph, load_questions
from lakehouse.portable.dialect import parse
from lakehouse.portable.types import Type, type_of_name
from lakehouse.portable.values import canonical, equal, row_text, trino_type
from lakehouse.project import Project, local_service
from lakehouse.run import Session, open_session

CATALOG = "awsdatacatalog"


@dataclass(frozen=True)
class Result:
    """What one engine answered."""

    columns: tuple[str, ...]
    types: tuple[Type, ...]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True)
class Comparison:
    """`difference` is None where both answered alike; where a text could not be compared, it says why."""

    name: str
    rows: int
    difference: str | None


def compare_files(project: Project, files: Sequence[str]) -> list[Comparison]:
    """Compare the queries in `files`, or every question and every model above bronze of the project.

    Raises:
        EngineError: Trino is not there.
    """
    url = _trino_url(project)
    with open_session(project) as session:
        texts = {f: _read(Path(f)) for f in files} or _all_queries(project, session.graph)
        return [_compare(session, url, name, text.strip().rstrip(";")) for name, text in texts.items()]


def _all_queries(project: Project, graph: ModelGraph) -> dict[str, str]:
    models = [m for m in graph.models.values() if m.name.layer != "bronze"]
    queries = [*((m.path, m.sql) for m in models), *((q.path, q.sql) for q in load_questions(project.root))]
    return {str(path.relative_to(project.root)): sql for path, sql in queries}


def _read(path: Path) -> str:
    if not path.is_file():
        raise EngineError(
            f"There is no file {path}. Give one with a query in it, or none to compare all of the project."
        )
    return path.read_text(encoding="utf-8")


def _trino_url(project: Project) -> str:
    return project.engine.trino_url or str(local_service(project, "trino")["url"])


def _compare(session: Session, url: str, name: str, sql: str) -> Comparison:
    try:
        with answer(session, sql, place=name) as found:
            types = tuple(type_of_name(t) for t in found.types)
            ours = Result(found.columns, types, [row for batch in found.batches() for row in batch])
        theirs = ask_trino(url, sql)
    except LakehouseError as e:
        return Comparison(name, 0, str(e))
    return Comparison(
        name, len(ours.rows), difference(ours, theirs, is_ordered=parse(sql).args.get("order") is not None)
    )


def ask_trino(url: str, sql: str) -> Result:
    """The whole answer, every value as Trino spells it.

    Raises:
        EngineError: it does not answer, or refuses the query; the message is Trino's.
    """
    from requests import RequestException
    from trino.dbapi import connect
    from trino.exceptions import Error

    parts = urlsplit(url)
    con = connect(  # type: ignore[no-untyped-call]
        host=parts.hostname or "localhost",
        port=parts.port or 8080,
        user="lakehouse",
        catalog=CATALOG,
        http_scheme=parts.scheme or "http",
        timezone="UTC",
        legacy_primitive_types=True,
    )
    try:
        cursor = con.cursor()
        cursor.execute(sql)
        rows = [tuple(row) for row in cursor.fetchall()]
        described = cursor.description or []
    except RequestException as e:
        raise EngineError(f"Trino at {parts.netloc} does not answer. Start it: lakehouse up --trino") from e
    except Error as e:
        raise EngineError(f"Trino refuses it: {getattr(e, 'message', e)}") from e
    finally:
        con.close()
    return Result(tuple(d[0] for d in described), tuple(trino_type(d[1]) for d in described), rows)


def difference(ours: Result, theirs: Result, *, is_ordered: bool) -> str | None:
    """Where two answers part, or None. Without ORDER BY, rows are compared in an order of their own."""
    if len(ours.columns) != len(theirs.columns):
        return f"DuckDB returns {len(ours.columns)} columns, Trino {len(theirs.columns)}"
    for column, left, right in zip(theirs.columns, ours.types, theirs.types, strict=True):
        # Trino gives a bare NULL no type; nothing can be read from it.
        if str(left) != str(right) and "unknown" not in str(right):
            return f"column {column}: the type is {left} in DuckDB, {right} in Trino"
    sides = [r.rows if is_ordered else _sorted(r) for r in (ours, theirs)]
    for number, (left_row, right_row) in enumerate(zip(*sides, strict=False), 1):
        for column, kind, a, b in zip(theirs.columns, theirs.types, left_row, right_row, strict=True):
            if not equal(a, b, kind):
                one, other = canonical(a, kind), canonical(b, kind)
                return f"row {number}, column {column} ({kind}): {one} in DuckDB, {other} in Trino"
    if len(ours.rows) != len(theirs.rows):
        return f"DuckDB returns {len(ours.rows):,} rows, Trino {len(theirs.rows):,}"
    return None


def _sorted(result: Result) -> list[tuple[Any, ...]]:
    return sorted(result.rows, key=lambda row: row_text(row, result.types))
