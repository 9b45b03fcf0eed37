"""Literals, columns, conditions, arrays: expressions other than arithmetic, casts and calls."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from lakehouse.portable.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOATS,
    INTEGER,
    UNKNOWN,
    VARCHAR,
    Refused,
    Type,
    array,
    common_type,
    decimal,
    is_integer,
)  # fmt: skip
from lakehouse.portable.typing import Typing, rule
from lakehouse.portable.write import casting, literal_integer, macro

COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
FLOAT_COMPARISONS = {
    exp.EQ: "equal", exp.NEQ: "differ", exp.GT: "above", exp.GTE: "at_least", exp.LT: "above", exp.LTE: "at_least",
}  # fmt: skip
QUERIES = (exp.Select, exp.Union, exp.Except, exp.Intersect, exp.Subquery)


@rule(exp.Paren, exp.Alias)
def inner(typing: Typing, node: exp.Expr, scope: Scope) -> Type:
    return typing.type(node.this, scope)


@rule(exp.Null, exp.Star)
def untyped(typing: Typing, node: exp.Expr, scope: Scope) -> Type:
    return UNKNOWN


@rule(exp.Boolean, exp.Exists)
def truth(typing: Typing, node: exp.Expr, scope: Scope) -> Type:
    return BOOLEAN


@rule(exp.CurrentDate)
def today(typing: Typing, node: exp.Expr, scope: Scope) -> Type:
    return DATE


@rule(exp.Literal)
def literal(typing: Typing, node: exp.Literal, scope: Scope) -> Type:
    if node.is_string:
        return VARCHAR
    written = node.name.lower()
    if "e" in written:
        return DOUBLE
    if written.isdigit():
        if int(written) > 2**63 - 1:
            raise Refused(f"{written} · is no number on Athena: beyond bigint · write CAST('…' AS decimal)", node)
        return INTEGER if int(written) < 2**31 else BIGINT
    whole, point, fraction = written.partition(".")
    digits = len(whole.lstrip("0")) + len(fraction)
    if not point or not (whole + fraction).isdigit() or digits > 38:
        raise Refused(f"{written} · is no number on Athena", node)
    kind = decimal(max(1, digits), len(fraction))
    typing.rewrite(node, casting(kind))
    return kind


@rule(exp.Column)
def column(typing: Typing, node: exp.Column, scope: Scope) -> Type:
    return typing.resolve(node, scope)


@rule(*QUERIES)
def query(typing: Typing, node: exp.Expr, scope: Scope) -> Type:
    return typing.query_type(node, scope)


@rule(exp.Not)
def negation(typing: Typing, node: exp.Expr, scope: Scope) -> Type:
    typing.want(node.this, BOOLEAN, scope, "what NOT negates")
    return BOOLEAN


@rule(exp.And, exp.Or)
def connective(typing: Typing, node: exp.Expr, scope: Scope) -> Type:
    for side in (node.this, node.expression):
        typing.want(side, BOOLEAN, scope, f"a side of {type(node).__name__.upper()}")
    return BOOLEAN


@rule(*COMPARISONS)
def comparison(typing: Typing, node: exp.Binary, scope: Scope) -> Type:
    left, right = node.this, node.expression
    if isinstance(right, exp.Any | exp.All):
        kinds = (typing.type(left, scope), typing.query_type(right.this, scope))
    else:
        kinds = (typing.type(left, scope), typing.type(right, scope))
    common = common_type(kinds, "a comparison", node)
    _refuse_nested(common, node)
    if common in FLOATS:
        _compare_floats(typing, node)
    return BOOLEAN


def _compare_floats(typing: Typing, node: exp.Binary) -> None:
    """NaN is not equal to itself nor above anything on Athena; in DuckDB it is both."""
    left, right = node.this, node.expression
    if isinstance(right, exp.Any | exp.All):
        raise Refused("a comparison of doubles with a whole query · NaN differs · write a join", node)
    if isinstance(node, exp.NullSafeEQ | exp.NullSafeNEQ):
        return
    swapped = isinstance(node, exp.LT | exp.LTE)
    guarded = left if not swapped else right
    if isinstance(node, exp.EQ | exp.NEQ) and not (may_be_nan(left) and may_be_nan(right)):
        return
    if may_be_nan(guarded):
        name = FLOAT_COMPARISONS[type(node)]
        typing.rewrite(
            node, lambda n: macro(name, n.expression, n.this) if swapped else macro(name, n.this, n.expression)
        )


def may_be_nan(node: exp.Expr) -> bool:
    """Not a number that is written there."""
    return not isinstance(node.this if isinstance(node, exp.Neg | exp.Paren) else node, exp.Literal)


def _refuse_nested(kind: Type, node: exp.Expr) -> None:
    if kind.items or kind.name == "json":
        raise Refused(f"a comparison of {kind} · a NULL inside makes it NULL on Athena, not on DuckDB", node)


@rule(exp.Is)
def is_null(typing: Typing, node: exp.Is, scope: Scope) -> Type:
    if not isinstance(node.expression, exp.Null):
        raise Refused("IS TRUE and IS FALSE are not Athena's SQL · write coalesce(x, false)", node)
    typing.type(node.this, scope)
    return BOOLEAN


@rule(exp.Between)
def between(typing: Typing, node: exp.Between, scope: Scope) -> Type:
    if node.args.get("symmetric"):
        raise Refused("BETWEEN SYMMETRIC is not Athena's SQL · write least and greatest", node)
    kinds = [typing.type(n, scope) for n in (node.this, node.args["low"], node.args["high"])]
    common = common_type(kinds, "BETWEEN", node)
    _refuse_nested(common, node)
    if common in FLOATS and may_be_nan(node.args["high"]):
        raise Refused("BETWEEN with a computed double · NaN differs · write x >= a AND x <= b", node)
    return BOOLEAN


@rule(exp.In)
def membership(typing: Typing, node: exp.In, scope: Scope) -> Type:
    kinds = [typing.type(node.this, scope)]
    inside = node.args.get("query")
    kinds += (
        [typing.query_type(inside, scope)] if inside is not None else [typing.type(e, scope) for e in node.expressions]
    )
    if all(k.name == "row" for k in kinds) and inside is not None:
        return BOOLEAN
    common = common_type(kinds, "IN", node)
    _refuse_nested(common, node)
    if common in FLOATS and (inside is not None or any(map(may_be_nan, node.expressions))):
        raise Refused("IN over doubles that are not written out · NaN differs · write a comparison", node)
    return BOOLEAN


@rule(exp.Like)
def like(typing: Typing, node: exp.Like, scope: Scope) -> Type:
    for side in (node.this, node.expression):
        typing.want(side, VARCHAR, scope, "a side of LIKE")
    return BOOLEAN


@rule(exp.Escape)
def escape(typing: Typing, node: exp.Escape, scope: Scope) -> Type:
    return typing.type(node.this, scope)


@rule(exp.Tuple)
def row(typing: Typing, node: exp.Tuple, scope: Scope) -> Type:
    items = tuple(typing.type(e, scope) for e in node.expressions)
    return Type("row", items=items, fields=("",) * len(items))


@rule(exp.Case)
def case(typing: Typing, node: exp.Case, scope: Scope) -> Type:
    base = node.args.get("this")
    results = []
    for branch in node.args["ifs"]:
        if base is None:
            typing.want(branch.this, BOOLEAN, scope, "what WHEN asks")
        else:
            common_type((typing.type(base, scope), typing.type(branch.this, scope)), "CASE", branch)
        results.append(typing.type(branch.args["true"], scope))
    if node.args.get("default") is not None:
        results.append(typing.type(node.args["default"], scope))
    return common_type(results, "the results of CASE", node)


@rule(exp.Interval)
def interval(typing: Typing, node: exp.Interval, scope: Scope) -> Type:
    unit = node.args["unit"].name.lower() if node.args.get("unit") is not None else ""
    if unit not in ("year", "month", "day", "hour", "minute", "second"):
        raise Refused(f"INTERVAL … {unit.upper()} is refused by Athena · write '7' DAY for a week, '3' MONTH", node)
    if unit != "second" and "." in node.this.name:
        raise Refused("INTERVAL takes whole numbers except of seconds on Athena", node)
    return Type("interval", fields=(unit,), items=(UNKNOWN,))


@rule(exp.DPipe)
def concatenation(typing: Typing, node: exp.DPipe, scope: Scope) -> Type:
    kinds = (typing.type(node.this, scope), typing.type(node.expression, scope))
    if kinds == (VARCHAR, VARCHAR):
        return VARCHAR
    if all(k.name == "array" for k in kinds):
        return common_type(kinds, "||", node)
    raise Refused(f"{kinds[0]} || {kinds[1]} · refused by Athena, text on DuckDB · CAST both to varchar", node)


@rule(exp.Array)
def array_of(typing: Typing, node: exp.Array, scope: Scope) -> Type:
    return array(common_type((typing.type(e, scope) for e in node.expressions), "ARRAY", node))


@rule(exp.Bracket)
def subscript(typing: Typing, node: exp.Bracket, scope: Scope) -> Type:
    kind, index = typing.type(node.this, scope), node.expressions[0]
    wanted = typing.type(index, scope)
    if kind.name == "array" and is_integer(wanted):
        known = literal_integer(index)
        if known == 0:
            raise Refused("[0] · an error on Athena, NULL on DuckDB · arrays start at 1", node)
        typing.rewrite(node, lambda n: macro("item", n.this, n.expressions[0]))
        return kind.items[0]
    if kind.name == "map":
        common_type((kind.items[0], wanted), "the key of a map", node)
        typing.rewrite(node, lambda n: macro("entry", n.this, n.expressions[0]))
        return kind.items[1]
    raise Refused(f"[{wanted}] of {kind} · is not Athena's SQL", node)


@rule(exp.Dot)
def field(typing: Typing, node: exp.Dot, scope: Scope) -> Type:
    kind, name = typing.type(node.this, scope), node.expression.name.lower()
    if kind.name != "row" or name not in kind.fields:
        raise Refused(f".{name} of {kind} · there is no such field", node)
    return kind.items[kind.fields.index(name)]
