"""Calls: the table of functions whose meaning is established. What is not in it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from lakehouse.portable.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Refused,
    Type,
    is_day,
    is_integer,
    is_number,
)  # fmt: skip
from lakehouse.portable.typing import Build, Typing, rule
from lakehouse.portable.write import call, casting

Test = Callable[[Type], bool]


@dataclass(frozen=True)
class Call:
    """One call: `whole` is the node with its FILTER or OVER, which is what a result's cast goes around."""

    typing: Typing
    node: exp.Expr
    name: str
    arguments: list[exp.Expr]
    types: list[Type]
    scope: Scope
    whole: exp.Expr

    def rewrite(self, build: Build) -> None:
        self.typing.rewrite(self.node, build)

    def rename(self, name: str) -> None:
        self.rewrite(lambda n: call(name, *given(n)))

    def result(self, kind: Type) -> Type:
        """`kind`, to which the whole call is cast."""
        self.typing.rewrite(self.whole, casting(kind))
        return kind

    def need(self, test: bool, why: str) -> None:
        if not test:
            raise Refused(f"{self.name}({', '.join(map(str, self.types))}) · {why}", self.node)


Function = Callable[[Call], Type]
FUNCTIONS: dict[str, Function] = {}
# Any answer is right for these, so two engines give two.
ANY_ANSWER = {
    "arbitrary": "any row's value · write min or max",
    "any_value": "any row's value · write min or max",
    "random": "another number each time",
    "rand": "another number each time",
    "uuid": "another text each time",
    "now": "another moment each time · write the day as a literal",
    "approx_distinct": "each engine estimates otherwise · write count(DISTINCT x)",
    "approx_percentile": "each engine estimates otherwise · rank the rows and pick one",
    "log": "the last digit differs · write ln(x) / ln(b)",
    "cbrt": "the last digit differs · write power(x, 1e0 / 3)",
    "skewness": "another definition on each engine",
}


def text_type(kind: Type) -> bool:
    return kind == VARCHAR


def anything(kind: Type) -> bool:
    return True


def same(result: Type, *tests: Test, least: int | None = None, to: str = "") -> Function:
    """A function that is the same on both, perhaps by another name."""

    def check(found: Call) -> Type:
        fits = (least if least is not None else len(tests)) <= len(found.types) <= len(tests)
        found.need(fits, f"takes {len(tests)} arguments")
        for kind, test in zip(found.types, tests, strict=False):
            found.need(kind == UNKNOWN or test(kind), "is not established for these types · CAST the arguments")
        if to:
            found.rename(to)
        return result

    return check


def floating(to: str = "", count: int = 1) -> Function:
    """A function of doubles; decimals and integers become doubles first, as on Trino."""

    def check(found: Call) -> Type:
        found.need(len(found.types) == count, f"takes {count} arguments")
        for node, kind in zip(found.arguments, found.types, strict=True):
            found.need(is_number(kind) or kind == UNKNOWN, "takes numbers")
            if kind != DOUBLE:
                found.typing.rewrite(node, casting(DOUBLE))
        if to:
            found.rename(to)
        return DOUBLE

    return check


def given(node: exp.Expr) -> list[exp.Expr]:
    """The arguments of a call, also where it has syntax of its own."""
    if isinstance(node, exp.Anonymous):
        return list(node.expressions)
    return [a for a in (node.this, *(node.args.get(k) for k in ("substr", "start", "length"))) if a is not None]


def type_of_call(typing: Typing, name: str, node: exp.Expr, scope: Scope, whole: exp.Expr | None = None) -> Type:
    function = FUNCTIONS.get(name)
    if function is None:
        why = ANY_ANSWER.get(name, "no meaning is established for it on both engines · lakehouse compare shows both")
        raise Refused(f"{name}() · {why}", node)
    arguments = given(node)
    if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
        arguments = list(arguments[0].expressions)
    unordered = [a.this if isinstance(a, exp.Order) else a for a in arguments]
    types = [typing.type(a.expressions[0] if isinstance(a, exp.Distinct) else a, scope) for a in unordered]
    for ordered in (a for a in arguments if isinstance(a, exp.Order)):
        for item in ordered.expressions:
            typing.type(item.this, scope)
    return function(Call(typing, node, name, arguments, types, scope, whole or node))


@rule(exp.Anonymous)
def anonymous(typing: Typing, node: exp.Anonymous, scope: Scope) -> Type:
    return type_of_call(typing, node.name.lower(), node, scope)


@rule(exp.Substring, exp.StrPosition)
def with_syntax(typing: Typing, node: exp.Expr, scope: Scope) -> Type:
    return type_of_call(typing, "substr" if isinstance(node, exp.Substring) else "strpos", node, scope)


@rule(exp.Window)
def window(typing: Typing, node: exp.Window, scope: Scope) -> Type:
    function = node.this
    if isinstance(function, exp.IgnoreNulls | exp.RespectNulls):
        function = function.this
    if not isinstance(function, exp.Anonymous):
        raise Refused(f"{node.this.sql('trino')[:60]} OVER · is not Athena's SQL · write CASE inside the call", node)
    typing.check_window(node, scope)
    return type_of_call(typing, function.name.lower(), function, scope, node)


@rule(exp.Filter)
def filtered(typing: Typing, node: exp.Filter, scope: Scope) -> Type:
    typing.want(node.expression.this, BOOLEAN, scope, "FILTER")
    if not isinstance(node.this, exp.Anonymous):
        return typing.type(node.this, scope)
    return type_of_call(typing, node.this.name.lower(), node.this, scope, node)


FUNCTIONS |= {
    **{n: floating() for n in ("exp", "degrees", "radians", "sin", "cos", "tan", "atan", "asin", "acos")},
    **{n: floating(count=2) for n in ("power", "pow", "atan2")},
    **{n: floating(f"athena.{n}") for n in ("sqrt", "ln", "log2", "log10")},
    **{
        n: floating()
        for n in (
            "stddev",
            "stddev_samp",
            "stddev_pop",
            "variance",
            "var_samp",
            "var_pop",
            "geometric_mean",
            "kurtosis",
        )
    },
    **{n: floating(count=2) for n in ("covar_samp", "covar_pop")},
    "pi": same(DOUBLE),
    "is_nan": same(BOOLEAN, lambda t: t == DOUBLE, to="isnan"),
    **{n: same(BIGINT, is_day) for n in ("year", "quarter", "month", "week", "day")},
    **{n: same(BIGINT, lambda t: t.name == "timestamp") for n in ("hour", "minute", "second")},
    **{
        n: same(BIGINT, is_day, to=to)
        for n, to in {
            "week_of_year": "week",
            "day_of_week": "isodow",
            "dow": "isodow",
            "day_of_year": "dayofyear",
            "doy": "dayofyear",
            "day_of_month": "day",
            "year_of_week": "isoyear",
            "yow": "isoyear",
        }.items()
    },
    "row_number": same(BIGINT),
    "rank": same(BIGINT),
    "dense_rank": same(BIGINT),
    "ntile": same(BIGINT, is_integer),
    "percent_rank": same(DOUBLE),
    "cume_dist": same(DOUBLE),
    "length": same(BIGINT, text_type),
    "lower": same(VARCHAR, text_type),
    "upper": same(VARCHAR, text_type, to="athena.upper"),
    "from_hex": same(VARBINARY, text_type, to="athena.from_hex"),
    "reverse": same(VARCHAR, text_type, to="athena.reverse"),
    "strpos": same(BIGINT, text_type, text_type, to="strpos"),
    "split_part": same(VARCHAR, text_type, text_type, is_integer, to="athena.split_part"),
    "starts_with": same(BOOLEAN, text_type, text_type),
    "translate": same(VARCHAR, text_type, text_type, text_type),
    "chr": same(VARCHAR, is_integer),
    "trim": same(VARCHAR, text_type, to="athena.trim"),
    "bool_and": same(BOOLEAN, lambda t: t == BOOLEAN),
    "bool_or": same(BOOLEAN, lambda t: t == BOOLEAN),
    "every": same(BOOLEAN, lambda t: t == BOOLEAN, to="bool_and"),
    "count": same(BIGINT, anything, least=0),
}
