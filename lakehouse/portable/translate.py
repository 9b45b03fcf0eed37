"""Athena's SQL in, DuckDB's SQL out: the same values and types, or a refusal that says where and what to write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from lakehouse.errors import PortabilityError
from lakehouse.names import quote

# Each registers the rules of its kind of expression.
from lakehouse.portable import arithmetic, calls, casts, expressions, functions, texts
from lakehouse.portable.dialect import PortableDuckDB, parse, position
from lakehouse.portable.types import Refused, Type, duckdb_name, settled, type_of_name
from lakehouse.portable.typing import Typing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

RULE_MODULES = (arithmetic, calls, casts, expressions, functions, texts)
Schemas = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Translation:
    """DuckDB's text of a query, and what its columns are on Athena."""

    sql: str
    columns: tuple[tuple[str, Type], ...]


def to_duckdb(sql: str, schemas: Schemas, place: str = "the query", *, wide: bool = False) -> str:
    """`sql`, which is Athena's, as DuckDB must be asked to answer as Athena does.

    Args:
        schemas: the columns of each table, and their types as DuckDB describes them: {"gold.t": {"n": "BIGINT"}}.
        place: the file, for messages.
        wide: compute decimals beyond 18 digits in 128 bits; slower, and never out of range where Athena is not.

    Raises:
        PortabilityError: a part of it has no meaning that is established on both engines.
    """
    return translate(sql, schemas, place, wide=wide).sql


def translate(sql: str, schemas: Schemas, place: str = "the query", *, wide: bool = False) -> Translation:
    """`to_duckdb` with the columns' types.

    Raises:
        PortabilityError: as there.
    """
    try:
        tree = parse(sql)
        tables = {n.lower(): {c.lower(): type_of_name(t) for c, t in columns.items()} for n, columns in schemas.items()}
        typing = Typing(tree, tables, wide=wide)
        for scope in typing.root.traverse():
            typing.check(scope)
        columns = tuple(typing.columns(typing.root))
        for name, kind in columns:
            if kind.name == "interval":
                raise Refused(f"{name} is an interval · printed differently by each engine · use date_diff", tree)
    except Refused as e:
        line, column = position(e.node)
        raise PortabilityError(
            f"{place}:{line}:{column}: {e.message}. It would not mean the same in Athena and in DuckDB. "
            "(To run DuckDB's own SQL: lakehouse query --dialect duckdb.)"
        ) from e
    _write(tree, typing)
    return Translation(_cast_result(tree.sql(dialect=PortableDuckDB), columns), columns)


def _write(tree: exp.Expr, typing: Typing) -> None:
    """Apply what was noted, innermost first."""
    for node in reversed(list(tree.walk(bfs=False))):
        for build in typing.rewrites.get(id(node), ()):
            hole = exp.Placeholder()
            node.replace(hole)
            node = build(node)
            hole.replace(node)


def _cast_result(sql: str, columns: tuple[tuple[str, Type], ...]) -> str:
    """Every column of the result in Athena's type; DuckDB drops the casts that change nothing."""
    listed = []
    for i, (name, kind) in enumerate(columns):
        value = f"CAST(c{i} AS {duckdb_name(kind)})" if settled(kind) else f"c{i}"
        listed.append(f"{value} AS {quote(name)}")
    names = ", ".join(f"c{i}" for i in range(len(columns)))
    return f"SELECT {', '.join(listed)} FROM ({sql}) AS result({names})"


def table_schemas(con: DuckDBPyConnection, tables: Iterable[str]) -> dict[str, dict[str, str]]:
    """The columns of tables and views of `con`, named layer.table."""
    found = {}
    for reference in tables:
        schema, _, table = reference.rpartition(".")
        name = f"{quote(schema)}.{quote(table)}" if schema else quote(table)
        found[reference] = {str(n): str(t) for n, t, *_ in con.execute(f"describe {name}").fetchall()}
    return found


def out_of_range(error: Exception) -> bool:
    """Whether DuckDB's 64 bits did not hold a decimal that Athena computes in 128: `wide` may help."""
    return type(error).__name__ == "OutOfRangeException" or "Casting value" in str(error)
