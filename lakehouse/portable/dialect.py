"""Athena's SQL as sqlglot reads it, with every function left a call by its own name; and DuckDB's as we write it."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.trino import Trino
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token, TokenType

from lakehouse.portable.types import Refused

# Written with syntax of their own; everything else stays a call, so that a function we do not know is seen.
SYNTAX = ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "POSITION", "LISTAGG", "SUBSTRING")
SHORT = "text|string|float|float4|float8|int2|int4|int8|datetime|timestamptz|blob|bytea|hugeint|number"
FOREIGN_TYPE = re.compile(rf"\bas\s+({SHORT}|\w+\s*\[\s*\])\s*\)", re.IGNORECASE)
FOREIGN = (
    exp.ILike, exp.SimilarTo, exp.RegexpLike, exp.Pivot, exp.TableSample, exp.MatchRecognize, exp.AtTimeZone,
    exp.IntDiv, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.JSONExtract, exp.JSONExtractScalar, exp.Qualify,
    exp.Parameter, exp.Placeholder,
)  # fmt: skip
RESERVED = frozenset(
    """alter and as between by case cast constraint create cross cube current_date deallocate delete describe distinct
    drop else end escape except execute exists extract false for from full group grouping having in inner insert
    intersect into is join left like natural not null on or order outer prepare recursive right rollup select skip
    table then trim true uescape union unnest using values when where with listagg localtime
    localtimestamp""".split()  # noqa: SIM905
)
WORDS = {
    "MATERIALIZED": "MATERIALIZED is not Athena's SQL · leave it out",
    "::": ":: is not Athena's SQL · write CAST(x AS type)",
    ";": "; is refused by Athena · leave it out",
}


def _type_literal(parser: Parser, this: exp.Expr, kind: exp.DataType) -> exp.Expr:
    """TIMESTAMP '…' has the digits that are written; CAST('…' AS timestamp) has three."""
    cast = exp.Cast(this=this, to=kind)
    cast.meta["literal"] = True
    return cast


class PortableAthena(Trino):
    """Trino's grammar without sqlglot's own conversions; not named Athena, since sqlglot registers dialects by name."""

    INDEX_OFFSET = 0

    class Parser(Trino.Parser):  # type: ignore[misc,valid-type]
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        TYPE_LITERAL_PARSERS: ClassVar[dict[Any, Any]] = dict.fromkeys(
            (exp.DataType.Type.TIMESTAMP, exp.DataType.Type.DECIMAL), _type_literal
        )
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            k: v for k, v in Trino.Parser.FUNCTION_PARSERS.items() if k in SYNTAX
        }


class PortableDuckDB(DuckDB):
    """DuckDB's text for a tree of ours: function names and divisions as they stand."""

    class Generator(DuckDB.Generator):  # type: ignore[misc,valid-type]
        def anonymous_sql(self, expression: exp.Anonymous) -> str:
            return str(self.func(self.sql(expression, "this"), *expression.expressions, normalize=False))

        def div_sql(self, expression: exp.Div) -> str:
            return str(self.binary(expression, "/"))

        def ignorenulls_sql(self, expression: exp.IgnoreNulls) -> str:
            return str(self.sql(expression, "this"))[:-1] + " IGNORE NULLS)"

        def respectnulls_sql(self, expression: exp.RespectNulls) -> str:
            return str(self.sql(expression, "this"))


def parse(text: str) -> exp.Expr:
    """The tree of one query.

    Raises:
        Refused: it is not a query of Athena's dialect.
    """
    try:
        _gate(text, PortableAthena().tokenize(text))
        tree = sqlglot.parse_one(text, dialect=PortableAthena)
    except sqlglot.errors.ParseError as e:
        found = e.errors[0] if e.errors else {}
        where = exp.Identifier(this="")
        where.meta.update(line=found.get("line", 1), col=found.get("col", 1))
        raise Refused(f"does not parse as Athena's SQL: {found.get('description', e)}", where) from e
    except sqlglot.errors.TokenError as e:
        raise Refused(f"does not parse as Athena's SQL: {e}") from e
    if not isinstance(tree, exp.Query):
        raise Refused("is not a query · write one SELECT, or WITH … SELECT", tree)
    for node in tree.walk():
        if isinstance(node, FOREIGN):
            raise Refused(f"{node.sql('trino')[:80]} · is not the same on Athena and DuckDB, or not Athena's SQL", node)
        if (
            isinstance(node, exp.Fetch)
            and node.args.get("limit_options") is not None
            and node.args["limit_options"].args.get("with_ties")
        ):
            raise Refused("WITH TIES · is not DuckDB's · write rank() in a subquery", node)
        if isinstance(node, exp.Alias) and not node.args["alias"].quoted and node.alias.lower() in RESERVED:
            raise Refused(f'{node.alias} · is a word of Athena\'s grammar · write "{node.alias.lower()}"', node)
    return tree


def _gate(text: str, tokens: list[Token]) -> None:
    """What sqlglot reads and Athena does not."""
    for token, after in pairwise(tokens):
        if token.token_type == TokenType.NUMBER and after.token_type == TokenType.VAR and after.start == token.end + 1:
            raise _at(token, f"{token.text}{after.text} · is not a number on Athena")
        if token.text.upper() == "INTERVAL" and (
            after.token_type == TokenType.NUMBER
            or (after.token_type == TokenType.STRING and not re.fullmatch(r"[+-]?\d+(\.\d{1,3})?", after.text))
        ):
            raise _at(token, "INTERVAL takes a whole number in quotes on Athena · write INTERVAL '1' DAY")
    words = [t for t in tokens if t.token_type not in (TokenType.STRING, TokenType.IDENTIFIER)]
    _gate_words(words)
    if match := FOREIGN_TYPE.search(text):
        line = text.count("\n", 0, match.start()) + 1
        raise _at_line(line, f"the type {match[1]} is DuckDB's · Athena has varchar, real, double, integer, timestamp")


def _gate_words(words: list[Token]) -> None:
    names = [t.text.upper() for t in words]
    for token, name in zip(words, names, strict=True):
        if name in WORDS:
            raise _at(token, WORDS[name])
    if names[:1] == ["FROM"]:
        raise _at(words[0], "FROM comes after SELECT on Athena")
    for i, name in enumerate(names[:-2]):
        if name == "LIMIT" and names[i + 2] == "OFFSET":
            raise _at(words[i], "Athena wants OFFSET before LIMIT")
        if name in ("UNION", "ALL") and names[i + 1 : i + 3] == ["BY", "NAME"]:
            raise _at(words[i], "BY NAME is not Athena's SQL · name the columns in one order")


def _at(token: Token, message: str) -> Refused:
    return _at_line(token.line, message, token.col)


def _at_line(line: int, message: str, column: int = 1) -> Refused:
    node = exp.Identifier(this="")
    node.meta.update(line=line, col=column)
    return Refused(message, node)


def position(node: exp.Expr | None) -> tuple[int, int]:
    """Line and column of `node`, or of the nearest thing around it whose place is known."""
    while node is not None:
        placed = [n.meta for n in node.walk() if "line" in n.meta]
        if placed:
            first = min(placed, key=lambda m: m.get("start", 0))
            return first["line"], max(1, first["col"] - first.get("end", 0) + first.get("start", 0))
        node = node.parent
    return 1, 1
