"""CAST and TRY_CAST: what Athena takes as a number or a day, and how it prints them."""

from __future__ import annotations

import re

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from lakehouse.portable.types import (
    BOOLEAN,
    DATE,
    FLOATS,
    JSON,
    UNKNOWN,
    VARCHAR,
    Refused,
    Type,
    is_day,
    is_exact,
    is_integer,
    is_number,
    timestamp,
    type_of_node,
)  # fmt: skip
from lakehouse.portable.typing import Build, Typing, rule
from lakehouse.portable.write import call, cast_to, macro, number, text

DAY = re.compile(r"\d{4}-\d\d-\d\d")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d(\.\d{1,6})?)?)?")
READERS = {
    "double": "double_text",
    "real": "double_text",
    "date": "date_text",
    "timestamp": "timestamp_text",
    "uuid": "uuid_text",
}
PRINTED = {0: "", 3: ".%g", 6: ".%f"}


@rule(exp.Cast, exp.TryCast)
def conversion(typing: Typing, node: exp.Cast, scope: Scope) -> Type:
    written: exp.DataType = node.args["to"]
    kind, found = type_of_node(written), _source_type(typing, node, scope)
    attempt = isinstance(node, exp.TryCast)
    if node.meta.get("literal") and kind.name == "decimal":
        raise Refused("DECIMAL '…' · has the digits that are written on Athena · write CAST('…' AS decimal(p,s))", node)
    length = _varchar_length(written)
    build: Build
    if found == VARCHAR and kind != VARCHAR:
        kind, build = _from_text(node, kind, attempt)
    elif kind == VARCHAR:
        build = _to_text(node, found, length)
    else:
        build = _between(node, found, kind, attempt)
    typing.rewrite(node, build)
    return kind


def _source_type(typing: Typing, node: exp.Cast, scope: Scope) -> Type:
    if isinstance(node.this, exp.Anonymous) and node.this.name.lower() == "json_extract_scalar":
        node.this.meta["number"] = True
    return typing.type(node.this, scope)


def _varchar_length(written: exp.DataType) -> int | None:
    name = written.sql("trino").upper()
    if name.startswith("CHAR"):
        raise Refused(f"{name} · is padded with blanks on Athena · write varchar", written)
    match = re.fullmatch(r"VARCHAR\((\d+)\)", name)
    return int(match[1]) if match else None


def _from_text(node: exp.Cast, kind: Type, attempt: bool) -> tuple[Type, Build]:
    inner = node.this
    if isinstance(inner, exp.Literal) and DAY.fullmatch(inner.name) and kind == DATE:
        return kind, lambda n: cast_to(n.this, DATE, attempt=attempt)
    if isinstance(inner, exp.Literal) and kind.name == "timestamp":
        if not MOMENT.fullmatch(inner.name):
            raise Refused(
                "a timestamp with a zone, or finer than microseconds · write it in UTC, as '… 12:00:00'", node
            )
        if node.meta.get("literal"):
            kind = timestamp(len(inner.name.partition(".")[2]))
        return kind, lambda n: _to_digits(cast_to(n.this, kind, attempt=attempt), kind.size)
    if kind == BOOLEAN:
        parsed: Build = lambda n: macro("boolean_text", n.this)  # noqa: E731
    else:
        reader = READERS.get(kind.name) or ("integer_text" if is_integer(kind) else "")
        reader = reader or ("decimal_text" if kind.name == "decimal" else "")
        if not reader:
            raise Refused(f"CAST(varchar AS {kind}) · is not the same on both engines", node)
        digits = kind.size if kind.name == "timestamp" else 6
        parsed = lambda n: _to_digits(cast_to(macro(reader, n.this), kind, attempt=True), digits)  # noqa: E731
    if attempt:
        return kind, parsed
    return kind, lambda n: macro("must", parsed(n), n.this.copy(), text(str(kind)))


def _to_text(node: exp.Cast, found: Type, length: int | None) -> Build:
    if length is not None:
        if found not in (VARCHAR, UNKNOWN):
            raise Refused(f"CAST({found} AS varchar({length})) · cuts on Athena, not on DuckDB · write varchar", node)
        return lambda n: call("substr", n.this, number(1), number(length))
    if found.name == "timestamp" and found.size in PRINTED:
        printed = "%Y-%m-%d %H:%M:%S" + PRINTED[found.size]
        return lambda n: call("strftime", n.this, text(printed))
    if found in FLOATS:
        raise Refused(
            f"CAST({found} AS varchar) · '1.5E0' on Athena, '1.5' on DuckDB · CAST it to decimal(p,s) by way of round "
            "in the source, or keep the number",
            node,
        )
    if not (is_exact(found) or found in (VARCHAR, DATE, BOOLEAN, UNKNOWN)):
        raise Refused(f"CAST({found} AS varchar) · is printed differently by each engine", node)
    return casting_this(VARCHAR)


def casting_this(kind: Type, *, attempt: bool = False) -> Build:
    return lambda n: cast_to(n.this, kind, attempt=attempt)


def _between(node: exp.Cast, found: Type, kind: Type, attempt: bool) -> Build:
    if found in FLOATS and is_integer(kind):
        return lambda n: cast_to(call("round", n.this), kind, attempt=attempt)
    if found in FLOATS and kind.name == "decimal":
        raise Refused(
            f"CAST({found} AS {kind}) · Athena rounds the printed digits, DuckDB the binary value: 1.005e0 is 1.01 and "
            "1.00 · compute in decimal, or round(x, n) and keep double",
            node,
        )
    if kind.name == found.name == "timestamp" and kind.size < found.size:
        return lambda n: _to_digits(cast_to(n.this, kind, attempt=attempt), kind.size)
    if not _converts(found, kind):
        raise Refused(f"CAST({found} AS {kind}) · is not the same on both engines", node)
    return casting_this(kind, attempt=attempt)


def _converts(found: Type, kind: Type) -> bool:
    """Conversions that DuckDB does as Trino does."""
    if found in (kind, UNKNOWN) or (is_day(found) and is_day(kind)):
        return True
    if found == BOOLEAN or kind == BOOLEAN:
        return is_number(kind) or is_number(found)
    if found == JSON:
        return is_integer(kind)
    if found.name == kind.name == "row" and found.fields != kind.fields and "" not in found.fields:
        return False  # DuckDB matches fields by name, Trino by place
    if found.items and found.name == kind.name and len(found.items) == len(kind.items):
        return all(_converts(a, b) for a, b in zip(found.items, kind.items, strict=True))
    return is_number(found) and is_number(kind)


def _to_digits(node: exp.Expr, digits: int) -> exp.Expr:
    """A timestamp rounded to so many digits of a second."""
    return node if digits >= 6 else macro("seconds", node, number(10 ** (6 - digits)))
