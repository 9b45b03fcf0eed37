"""One text for one value, whichever engine gave it: what two answers are compared by, and what a difference shows."""

from __future__ import annotations

import math
import re
import struct
from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlglot import exp

from lakehouse.portable.types import DOUBLE, FLOATS, REAL, Type, type_of_node

CLOCK = re.compile(r"(.*\d\d:\d\d:\d\d)(?:\.(\d+))?(.*)")
RELATIVE = 1e-12


def trino_type(text: str) -> Type:
    """The type that Trino's client names."""
    return type_of_node(exp.DataType.build(text.replace('"', ""), dialect="trino"))


def canonical(value: Any, kind: Type) -> str:
    """The value as one text: as DuckDB's driver gives it, or as Trino's protocol spells it."""
    if value is None or isinstance(value, bool):
        return "NULL" if value is None else str(value).lower()
    if kind in FLOATS:
        return _float_text(float(value), kind)
    if kind.name.startswith("timestamp"):
        return _moment_text(value)
    if kind.name == "varbinary":  # Trino's protocol spells bytes in base64
        return _bytes_text(value)
    if kind.name == "array":
        return f"[{', '.join(canonical(v, kind.items[0]) for v in value)}]"
    if kind.name == "map":
        pairs = (f"{canonical(k, kind.items[0])}: {canonical(v, kind.items[1])}" for k, v in value.items())
        return "{" + ", ".join(sorted(pairs)) + "}"
    if kind.name == "row":
        parts = value.values() if isinstance(value, dict) else value
        return f"({', '.join(canonical(v, t) for v, t in zip(parts, kind.items, strict=True))})"
    return (
        format(value, "f")
        if kind.name == "decimal" and not isinstance(value, str)
        else str(value).removeprefix("+" if kind.name == "date" else "")
    )


def _bytes_text(value: Any) -> str:
    return "bytes:" + (b64decode(value) if isinstance(value, str) else bytes(value)).hex()


def _float_text(value: float, kind: Type) -> str:
    if kind != REAL or not math.isfinite(value):
        return repr(value)
    single = struct.pack("f", value)
    shortest = next(t for d in range(1, 10) if struct.pack("f", float(t := f"{value:.{d}g}")) == single)
    return repr(float(shortest))


def _moment_text(value: datetime | str) -> str:
    match = CLOCK.fullmatch(str(value))
    if match is None:
        return str(value)
    fraction = (match[2] or "").rstrip("0")
    return match[1] + (f".{fraction}" if fraction else "") + match[3]


def equal(left: Any, right: Any, kind: Type) -> bool:
    """Exactly; doubles to a part in 10¹², since the order of a sum is the engine's choice."""
    if kind == DOUBLE and left is not None and right is not None:
        a, b = float(left), float(right)
        return (math.isnan(a) and math.isnan(b)) or a == b or math.isclose(a, b, rel_tol=RELATIVE)
    if kind.name == "array" and left is not None and right is not None:
        return len(left) == len(right) and all(equal(a, b, kind.items[0]) for a, b in zip(left, right, strict=True))
    return canonical(left, kind) == canonical(right, kind)


def row_text(row: Sequence[Any], kinds: Sequence[Type]) -> str:
    return " | ".join(canonical(v, k) for v, k in zip(row, kinds, strict=True))
