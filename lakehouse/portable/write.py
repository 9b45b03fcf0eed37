"""Small trees to write with."""

from __future__ import annotations

from collections.abc import Callable

import sqlglot
from sqlglot import exp

from lakehouse.portable.library import SCHEMA
from lakehouse.portable.types import Refused, Type, duckdb_name


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def macro(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """A call of the run-time library."""
    return call(f"{SCHEMA}.{name}", *arguments)


def cast_to(node: exp.Expr, kind: Type | str, *, attempt: bool = False) -> exp.Expr:
    name = kind if isinstance(kind, str) else duckdb_name(kind)
    build = exp.TryCast if attempt else exp.Cast
    return build(this=node, to=exp.DataType.build(name, dialect="duckdb"))


def paren(node: exp.Expr) -> exp.Expr:
    return exp.Paren(this=node)


def number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def text(value: str) -> exp.Expr:
    return exp.Literal.string(value)


def duckdb(sql: str) -> exp.Expr:
    return sqlglot.parse_one(sql, dialect="duckdb")


def casting(kind: Type) -> Callable[[exp.Expr], exp.Expr]:
    return lambda node: cast_to(node, kind)


def literal_text(node: exp.Expr, what: str) -> str:
    """The text of a literal, for what must be known before running."""
    if not (isinstance(node, exp.Literal) and node.is_string):
        raise Refused(f"{what} must be a text in quotes: what it means has to be known before the query runs", node)
    return node.name


def literal_integer(node: exp.Expr) -> int | None:
    return int(node.name) if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit() else None
