"""Functions whose type or text follows from their arguments: numbers, aggregates, conditions, arrays."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from lakehouse.portable.arithmetic import divided, exact_type, remainder
from lakehouse.portable.calls import FUNCTIONS, Call, Function, given
from lakehouse.portable.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOATS,
    INTEGER,
    REAL,
    VARCHAR,
    Refused,
    Type,
    array,
    common_type,
    decimal,
    is_exact,
    is_integer,
    is_number,
)  # fmt: skip
from lakehouse.portable.typing import Typing, rule
from lakehouse.portable.write import call, cast_to, duckdb, literal_integer, macro, number, paren, text


def total(found: Call) -> Type:
    (kind,) = found.types
    found.need(is_number(kind), "sums numbers")
    if is_integer(kind):
        return found.result(BIGINT)
    if kind == REAL:
        return found.result(REAL)
    return decimal(38, kind.scale) if kind.name == "decimal" else kind


def average(found: Call) -> Type:
    """Of decimals: an exact quotient, rounded to the decimals they have."""
    (kind,) = found.types
    found.need(is_number(kind), "averages numbers")
    if kind == REAL:
        return found.result(REAL)
    if kind.name != "decimal":
        return DOUBLE

    def build(whole: exp.Expr) -> exp.Expr:
        parts = []
        for name in ("sum", "count"):
            part = whole.copy()
            inner = part if isinstance(part, exp.Anonymous) else part.this
            inner.set("this", name)
            parts.append(part)
        return divided(parts[0], kind.scale, parts[1], 0, kind)

    found.typing.rewrite(found.whole, build)
    return kind


def first(found: Call) -> Type:
    return found.types[0]


def extreme(found: Call) -> Type:
    (kind, *more) = found.types
    found.need(not more, "with a number of rows is not established")
    found.need(not kind.items, "of nested values is not established")
    if kind in FLOATS and found.name == "max":
        found.typing.rewrite(found.whole, _largest)
    return kind


def _largest(whole: exp.Expr) -> exp.Expr:
    """The largest number, NaN only where there is nothing else."""
    numbers = whole.copy()
    inner = numbers if isinstance(numbers, exp.Anonymous) else numbers.this
    (argument,) = inner.expressions
    value = argument.expressions[0] if isinstance(argument, exp.Distinct) else argument
    clean = exp.Case(ifs=[exp.If(this=call("isnan", value.copy()), true=exp.Null())], default=value.copy())
    inner.set("expressions", [clean])
    return call("coalesce", numbers, whole)


def extreme_by(to: str) -> Function:
    def check(found: Call) -> Type:
        found.need(len(found.types) == 2, "with a number of rows is not established")
        found.rename(to)
        return found.types[0]

    return check


def collected(found: Call) -> Type:
    ordered = isinstance(found.arguments[0], exp.Order) or (
        isinstance(found.whole, exp.Window) and found.whole.args.get("order") is not None
    )
    found.need(ordered, "has no order, so the engines give two · write array_agg(x ORDER BY y)")
    return array(found.types[0])


@rule(exp.GroupConcat)
def joined(typing: Typing, node: exp.GroupConcat, scope: Scope) -> Type:
    ordered = node.this
    if not isinstance(ordered, exp.Order) or node.args.get("on_overflow") is not None:
        raise Refused("listagg · write listagg(x, ',') WITHIN GROUP (ORDER BY y)", node)
    inner = ordered.this
    typing.want(
        inner.expressions[0] if isinstance(inner, exp.Distinct) else inner, VARCHAR, scope, "what listagg joins"
    )
    for item in ordered.expressions:
        typing.type(item.this, scope)

    def build(n: exp.Expr) -> exp.Expr:
        separator = n.args.get("separator") or text("")
        return call("string_agg", n.this.this, exp.Order(this=separator, expressions=n.this.expressions))

    typing.rewrite(node, build)
    return VARCHAR


def rounded(found: Call) -> Type:
    kind = found.types[0]
    found.need(is_number(kind) and len(found.types) <= 2, "rounds numbers")
    if kind.name != "decimal":
        return found.result(kind) if is_integer(kind) else kind
    if len(found.types) == 2:
        found.need(literal_integer(found.arguments[1]) is not None, "wants the number of digits as a literal")
        return found.result(decimal(kind.size + 1, kind.scale))
    return found.result(decimal(kind.size - kind.scale + min(1, kind.scale), 0))


def whole_number(found: Call) -> Type:
    (kind,) = found.types
    found.need(is_number(kind), "takes numbers")
    if is_integer(kind):
        found.rewrite(lambda n: n.expressions[0])
        return kind
    if kind.name == "decimal":
        return found.result(decimal(kind.size - kind.scale + min(1, kind.scale), 0))
    return kind


def absolute(found: Call) -> Type:
    found.need(len(found.types) == 1 and is_number(found.types[0]), "takes a number")
    return found.types[0]


def sign(found: Call) -> Type:
    (kind,) = found.types
    found.need(is_number(kind), "takes a number")
    return found.result(decimal(1, 0) if kind.name == "decimal" else kind)


def modulo(found: Call) -> Type:
    found.need(len(found.types) == 2 and all(map(is_exact, found.types)), "takes two exact numbers")
    left, right = found.types
    found.rewrite(remainder)
    if is_integer(left) and is_integer(right):
        return max(left, right, key=lambda t: t.digits)
    return exact_type(exp.Mod(), left, right)


def common(found: Call) -> Type:
    return common_type(found.types, f"{found.name}()", found.node)


def bound(found: Call) -> Type:
    """greatest and least: NULL if any argument is; of doubles, NaN is a hole both ways."""
    kind = common(found)
    found.need(not kind.items and kind not in FLOATS, "of doubles treats NaN differently · write CASE WHEN a > b")

    def build(node: exp.Expr) -> exp.Expr:
        nulls = [paren(exp.Is(this=a.copy(), expression=exp.Null())) for a in node.expressions]
        empty: exp.Expr = nulls[0]
        for item in nulls[1:]:
            empty = exp.Or(this=empty, expression=item)
        return exp.Case(ifs=[exp.If(this=empty, true=exp.Null())], default=call(found.name, *node.expressions))

    found.rewrite(build)
    return kind


def nullif(found: Call) -> Type:
    found.need(len(found.types) == 2, "takes two arguments")
    common(found)
    return found.types[0]


def neighbour(found: Call) -> Type:
    if len(found.types) > 2:
        common_type((found.types[0], found.types[2]), f"the default of {found.name}", found.node)
    return found.types[0]


def chosen(found: Call) -> Type:
    """if(condition, then[, else])."""
    found.need(found.types[0] == BOOLEAN and len(found.types) in (2, 3), "asks a condition")
    found.rewrite(
        lambda n: exp.Case(
            ifs=[exp.If(this=n.expressions[0], true=n.expressions[1])],
            default=n.expressions[2] if len(n.expressions) > 2 else None,
        )
    )
    return common_type(found.types[1:], "if()", found.node)


def grouping(found: Call) -> Type:
    return found.result(INTEGER)


def counted_if(found: Call) -> Type:
    found.need(found.types == [BOOLEAN], "counts where a condition holds")
    return found.result(BIGINT)


def element(found: Call) -> Type:
    kind = found.types[0]
    if kind.name == "array":
        at = found.arguments[1]
        found.need(isinstance(at, exp.Neg) or (literal_integer(at) or 0) >= 1, "wants a literal place, 1 or more")
        found.rename("array_extract")
        return kind.items[0]
    found.need(kind.name == "map", "takes an array or a map")
    found.rewrite(lambda n: call("list_extract", call("map_extract", *n.expressions), number(1)))
    return kind.items[1]


def cardinality(found: Call) -> Type:
    (kind,) = found.types
    found.need(kind.name in ("array", "map"), "takes an array or a map")
    found.rename("len" if kind.name == "array" else "cardinality")
    return found.result(BIGINT)


def contained(found: Call) -> Type:
    found.need(found.types[0].name == "array" and not found.types[0].items[0].items, "takes an array of plain values")
    common_type((found.types[0].items[0], found.types[1]), "contains()", found.node)
    found.rewrite(lambda n: macro("contains", *n.expressions))
    return BOOLEAN


def sorted_array(found: Call) -> Type:
    found.need(len(found.types) == 1 and found.types[0].name == "array", "takes an array")
    found.rewrite(lambda n: call("list_sort", n.expressions[0], text("ASC"), text("NULLS LAST")))
    return found.types[0]


def built_map(found: Call) -> Type:
    found.need([t.name for t in found.types] == ["array", "array"], "takes two arrays")
    return Type("map", items=(found.types[0].items[0], found.types[1].items[0]))


def map_part(index: int) -> Function:
    def check(found: Call) -> Type:
        found.need(found.types[0].name == "map", "takes a map")
        return array(found.types[0].items[index])

    return check


def flattened(found: Call) -> Type:
    found.need(found.types[0].name == "array" and found.types[0].items[0].name == "array", "takes an array of arrays")
    return found.types[0].items[0]


def joined_array(found: Call) -> Type:
    found.need(found.types == [array(VARCHAR), VARCHAR], "joins an array of texts")
    found.rename("array_to_string")
    return VARCHAR


def series(found: Call) -> Type:
    if all(map(is_integer, found.types)) and len(found.types) in (2, 3):
        found.rename("generate_series")
        return found.result(array(BIGINT))
    daily = len(found.types) == 2 or found.types[2].fields == ("day",)
    found.need(found.types[:2] == [DATE, DATE] and daily, "is established for integers, and for dates by days")

    def build(node: exp.Expr) -> exp.Expr:
        start, stop, *step = given(node)
        step = step or [duckdb("INTERVAL '1' DAY")]
        return cast_to(
            call("generate_series", cast_to(start, "TIMESTAMP"), cast_to(stop, "TIMESTAMP"), *step), "DATE[]"
        )

    found.rewrite(build)
    return array(DATE)


FUNCTIONS |= {
    "sum": total, "avg": average, "min": extreme, "max": extreme, "count_if": counted_if, "grouping": grouping,
    "max_by": extreme_by("arg_max_null"), "min_by": extreme_by("arg_min_null"), "array_agg": collected,
    "first_value": first, "last_value": first, "nth_value": first, "lag": neighbour, "lead": neighbour,
    "round": rounded, "ceil": whole_number, "ceiling": whole_number, "floor": whole_number, "abs": absolute,
    "sign": sign, "mod": modulo, "greatest": bound, "least": bound, "coalesce": common, "nullif": nullif, "if": chosen,
    "element_at": element, "cardinality": cardinality, "contains": contained, "array_sort": sorted_array,
    "map": built_map, "map_keys": map_part(0), "map_values": map_part(1), "flatten": flattened,
    "array_join": joined_array, "sequence": series,
}  # fmt: skip
