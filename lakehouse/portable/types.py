"""Trino's types: what an expression has on Athena, and what DuckDB calls it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp


class Refused(Exception):
    """A part of a query whose meaning is not established; `node` says where it stands."""

    def __init__(self, message: str, node: exp.Expr | None = None) -> None:
        super().__init__(message)
        self.message, self.node = message, node


@dataclass(frozen=True)
class Type:
    """`size` is a decimal's precision, a timestamp's digits of a second; `items` are those of nested types."""

    name: str
    size: int = 0
    scale: int = 0
    items: tuple[Type, ...] = ()
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.size},{self.scale})"
        if self.name == "row":
            parts = (f"{n} {t}".strip() for n, t in zip(self.fields, self.items, strict=True))
            return f"row({', '.join(parts)})"
        if self.items:
            return f"{self.name}({', '.join(map(str, self.items))})"
        return self.name

    @property
    def digits(self) -> int:
        """Decimal digits that an exact number of this type can have."""
        return INTEGER_DIGITS.get(self.name, self.size)


BOOLEAN, VARCHAR, DATE, JSON = Type("boolean"), Type("varchar"), Type("date"), Type("json")
TINYINT, SMALLINT, INTEGER, BIGINT = Type("tinyint"), Type("smallint"), Type("integer"), Type("bigint")
REAL, DOUBLE, UNKNOWN, VARBINARY = Type("real"), Type("double"), Type("unknown"), Type("varbinary")
INTEGER_DIGITS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
FLOATS = (REAL, DOUBLE)
DUCKDB_NAMES = {"real": "FLOAT", "varbinary": "BLOB", "timestamp with time zone": "TIMESTAMPTZ"}
KINDS = {
    "INT": INTEGER,
    "INT128": Type("decimal", 38, 0),
    "FLOAT": REAL,
    "TEXT": VARCHAR,
    "BLOB": VARBINARY,
    "NULL": UNKNOWN,
    "UNKNOWN": UNKNOWN,
    **{t.name.upper(): t for t in (BOOLEAN, VARCHAR, DATE, JSON, TINYINT, SMALLINT, BIGINT, DOUBLE, VARBINARY)},
    "UUID": Type("uuid"),
    "TIME": Type("time"),
}


def decimal(precision: int, scale: int) -> Type:
    return Type("decimal", min(38, precision), scale)


def timestamp(digits: int) -> Type:
    return Type("timestamp", digits)


def array(item: Type) -> Type:
    return Type("array", items=(item,))


def is_integer(kind: Type) -> bool:
    return kind.name in INTEGER_DIGITS


def is_exact(kind: Type) -> bool:
    return is_integer(kind) or kind.name == "decimal"


def is_number(kind: Type) -> bool:
    return is_exact(kind) or kind in FLOATS


def is_day(kind: Type) -> bool:
    """A date or a timestamp."""
    return kind.name in ("date", "timestamp")


def duckdb_name(kind: Type) -> str:
    """How DuckDB writes the type."""
    if kind.name == "decimal":
        return f"DECIMAL({kind.size}, {kind.scale})"
    if kind.name == "array":
        return duckdb_name(kind.items[0]) + "[]"
    if kind.name == "map":
        return f"MAP({duckdb_name(kind.items[0])}, {duckdb_name(kind.items[1])})"
    if kind.name == "row":
        fields = (f'"{n}" {duckdb_name(t)}' for n, t in zip(kind.fields, kind.items, strict=True))
        return f"STRUCT({', '.join(fields)})"
    if kind.name == "unknown":
        return "INTEGER"
    return DUCKDB_NAMES.get(kind.name, kind.name.upper())


def settled(kind: Type) -> bool:
    """Nothing in the type is still an untyped NULL, or a row whose fields have no names."""
    return kind.name not in ("unknown", "interval") and all(map(settled, kind.items)) and "" not in kind.fields


def type_of_name(text: str) -> Type:
    """The type of a table's column, as DuckDB describes it."""
    return type_of_node(exp.DataType.build(text, dialect="duckdb"), default_digits=6)


def type_of_node(node: exp.DataType, default_digits: int = 3) -> Type:
    """The type that a parsed type names.

    Raises:
        Refused: Trino has none, or it means something else there.
    """
    kind = node.this.name if isinstance(node.this, exp.DataType.Type) else str(node.this)
    sizes = [int(p.name) for p in node.expressions if isinstance(p, exp.DataTypeParam)]
    if kind in ("DECIMAL", "DECIMAL128"):
        return decimal(sizes[0], sum(sizes[1:])) if sizes else decimal(38, 0)
    if kind in ("TIMESTAMP", "TIMESTAMPNTZ"):
        return timestamp(sizes[0] if sizes else default_digits)
    if kind == "TIMESTAMPTZ":
        return Type("timestamp with time zone", sizes[0] if sizes else default_digits)
    if kind in ("ARRAY", "LIST"):
        return array(type_of_node(node.expressions[0], default_digits))
    if kind == "MAP":
        return Type("map", items=tuple(type_of_node(e, default_digits) for e in node.expressions))
    if kind == "STRUCT":
        named = [(e.name.lower(), e.args["kind"]) for e in node.expressions if isinstance(e, exp.ColumnDef)]
        items = tuple(type_of_node(k, default_digits) for _, k in named)
        return Type("row", items=items, fields=tuple(n for n, _ in named))
    if kind in KINDS:
        return KINDS[kind]
    raise Refused(f"the type {node.sql('trino')} is not one that both engines have · write a type of Athena", node)


def common_type(kinds: Iterable[Type], place: str, node: exp.Expr | None = None) -> Type:
    """The type to which Trino brings all of `kinds`.

    Raises:
        Refused: it does not.
    """
    found = UNKNOWN
    for kind in kinds:
        merged = _common(found, kind)
        if merged is None:
            raise Refused(
                f"{found} and {kind} meet in {place} · Athena refuses, DuckDB converts silently · write a CAST", node
            )
        found = merged
    return found


def _common(a: Type, b: Type) -> Type | None:
    if a == b or b == UNKNOWN:
        return a
    if a == UNKNOWN:
        return b
    if is_number(a) and is_number(b):
        return _common_number(a, b)
    if is_day(a) and is_day(b):
        return timestamp(max(a.size, b.size))
    if a.name == b.name == "timestamp with time zone":
        return max(a, b, key=lambda t: t.size)
    if a.name == b.name and a.items and len(a.items) == len(b.items):
        items = [_common(x, y) for x, y in zip(a.items, b.items, strict=True)]
        if None not in items:
            return Type(a.name, items=tuple(i for i in items if i), fields=a.fields)
    return None


def _common_number(a: Type, b: Type) -> Type:
    if a in FLOATS or b in FLOATS:
        return DOUBLE if DOUBLE in (a, b) else REAL
    if is_integer(a) and is_integer(b):
        return max(a, b, key=lambda t: t.digits)
    scale = max(a.scale, b.scale)
    return decimal(max(a.digits - a.scale, b.digits - b.scale) + scale, scale)
