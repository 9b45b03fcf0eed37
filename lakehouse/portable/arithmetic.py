"""Numbers and intervals: Trino's precision of every result, and division as it rounds."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from lakehouse.portable.types import DATE, UNKNOWN, Refused, Type, decimal, is_exact, is_integer, is_number
from lakehouse.portable.typing import Typing, rule
from lakehouse.portable.write import cast_to, casting, macro, number, paren

SIGNS = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}


@rule(exp.Neg)
def negative(typing: Typing, node: exp.Neg, scope: Scope) -> Type:
    kind = typing.type(node.this, scope)
    if not is_number(kind):
        raise Refused(f"-{kind} · is not Athena's SQL", node)
    if isinstance(node.this, exp.Literal) and node.this.name == str(2**31):
        kind = Type("integer")  # the smallest integer is written as a minus and what is no integer
    if kind.name in ("tinyint", "smallint", "integer"):
        typing.rewrite(node, casting(kind))
    return kind


@rule(*SIGNS)
def arithmetic(typing: Typing, node: exp.Binary, scope: Scope) -> Type:
    left, right = typing.type(node.this, scope), typing.type(node.expression, scope)
    if "interval" in (left.name, right.name):
        return _moved(typing, node, left, right)
    left, right = (right if left == UNKNOWN else left), (left if right == UNKNOWN else right)
    if not (is_number(left) and is_number(right)):
        hint = " · write date_diff('day', a, b), or date ± INTERVAL '1' DAY" if DATE in (left, right) else ""
        raise Refused(f"{left} {SIGNS[type(node)]} {right} · is refused by Athena{hint}", node)
    if not (is_exact(left) and is_exact(right)):
        return _float(typing, node, left, right)
    if is_integer(left) and is_integer(right):
        return _whole(typing, node, left, right)
    return _exact(typing, node, left, right)


def _moved(typing: Typing, node: exp.Binary, left: Type, right: Type) -> Type:
    """A date or timestamp moved by an interval."""
    if left.name == "interval" and isinstance(node, exp.Add):
        left, right = right, left
    if right.name == "interval" and isinstance(node, exp.Add | exp.Sub):
        if left == DATE and right.fields[0] in ("year", "month", "day"):
            typing.rewrite(node, lambda n: cast_to(paren(n), DATE))
            return DATE
        if left.name == "timestamp":
            return left
    sign = SIGNS[type(node)]
    raise Refused(f"{left} {sign} {right} · is not the same on both engines · use date_add with whole units", node)


def _float(typing: Typing, node: exp.Binary, left: Type, right: Type) -> Type:
    kind = Type("double") if "double" in (left.name, right.name) else Type("real")
    for side, found in ((node.this, left), (node.expression, right)):
        if found.name == "decimal":
            typing.rewrite(side, casting(kind))
    return kind


def _whole(typing: Typing, node: exp.Binary, left: Type, right: Type) -> Type:
    kind = max(left, right, key=lambda t: t.digits)
    if isinstance(node, exp.Div):
        typing.rewrite(node, lambda n: paren(exp.IntDiv(this=n.this, expression=macro("nonzero", n.expression))))
    elif isinstance(node, exp.Mod):
        typing.rewrite(node, remainder)
    return kind


def remainder(node: exp.Expr) -> exp.Expr:
    left, right = (node.this, node.expression) if isinstance(node, exp.Mod) else node.expressions
    return paren(exp.Mod(this=paren(left), expression=macro("nonzero", right)))


def _exact(typing: Typing, node: exp.Binary, left: Type, right: Type) -> Type:
    kind = exact_type(node, left, right)
    if isinstance(node, exp.Div):
        typing.rewrite(node, lambda n: divided(n.this, left.scale, n.expression, right.scale, kind))
    elif isinstance(node, exp.Mod):
        typing.rewrite(node, remainder)
    elif typing.wide and kind.size > 18:
        typing.rewrite(node.this, casting(decimal(38, left.scale)))
    return kind


def exact_type(node: exp.Expr, left: Type, right: Type) -> Type:
    """Trino's decimal for an operator, as measured."""
    scale = max(left.scale, right.scale)
    whole = (left.digits - left.scale, right.digits - right.scale)
    if isinstance(node, exp.Add | exp.Sub):
        return decimal(max(whole) + scale + 1, scale)
    if isinstance(node, exp.Div):
        return decimal(left.digits + right.scale + max(0, right.scale - left.scale), scale)
    if isinstance(node, exp.Mul):
        if left.scale + right.scale > 38:
            raise Refused(
                f"{left} * {right} · has more than 38 decimals, which Athena refuses · CAST one of them", node
            )
        return decimal(left.digits + right.digits, left.scale + right.scale)
    return decimal(min(whole) + scale, scale)


def divided(left: exp.Expr, left_scale: int, right: exp.Expr, right_scale: int, kind: Type) -> exp.Expr:
    """A decimal quotient, exact and half away from zero: unscaled integers divided, then scaled back."""
    top = _unscaled(left, left_scale, kind.scale + right_scale)
    quotient = cast_to(macro("divide", top, _unscaled(right, right_scale, right_scale)), decimal(38, 0))
    if kind.scale:
        unit = cast_to(exp.Literal.number("0." + "0" * (kind.scale - 1) + "1"), decimal(kind.scale + 1, kind.scale))
        quotient = exp.Mul(this=quotient, expression=unit)
    return cast_to(paren(quotient), kind)


def _unscaled(node: exp.Expr, scale: int, power: int) -> exp.Expr:
    if power == 0:
        return cast_to(node, "HUGEINT")
    product = exp.Mul(this=cast_to(paren(node), decimal(38, scale)), expression=cast_to(number(10**power), "HUGEINT"))
    return cast_to(paren(product), "HUGEINT")
