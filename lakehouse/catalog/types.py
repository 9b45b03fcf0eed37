"""One table of types: what DuckDB calls them, what Iceberg stores, and what may not enter the lake."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from lakehouse.errors import ModelError

if TYPE_CHECKING:
    from pyiceberg.types import IcebergType

DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")

# Types that a reader would get wrong or not at all, and what to write instead (measured with Trino).
REFUSED = {
    "HUGEINT": "cast it: cast(… as bigint) or cast(… as decimal(38, 0)); sums of integers have this type",
    "UHUGEINT": "cast it: cast(… as decimal(38, 0))",
    "UBIGINT": "cast it: cast(… as decimal(20, 0))",
    "UINTEGER": "cast it: cast(… as bigint)",
    "USMALLINT": "cast it: cast(… as integer)",
    "UTINYINT": "cast it: cast(… as integer)",
    "INTERVAL": "keep its length in a unit: date_diff('second', a, b)",
    "TIMESTAMP_NS": "cast it: cast(… as timestamp(6)); microseconds are the finest unit of the lake",
    "TIMESTAMP_MS": "cast it: cast(… as timestamp(6))",
    "TIMESTAMP_S": "cast it: cast(… as timestamp(6))",
    "TIME WITH TIME ZONE": "cast it: cast(… as varchar), or keep the time and its zone apart",
    "BIT": "cast it: cast(… as varchar)",
    "BIGNUM": "cast it: cast(… as varchar)",
    '"NULL"': "say its type: cast(null as varchar)",
    "INTEGER[0]": "say its type: cast(null as varchar)",
}


def iceberg_type(duckdb_type: str, place: str, next_id: Callable[[], int]) -> IcebergType:
    """The Iceberg type that holds exactly what DuckDB's `duckdb_type` holds.

    `place` names the model and column for the message; `next_id` numbers the elements of nested types.

    Raises:
        ModelError: the type has no exact counterpart; the message says what to cast it to.
    """
    import duckdb
    from pyiceberg.types import DecimalType, ListType, MapType, NestedField, StructType

    if match := DECIMAL.fullmatch(duckdb_type):
        return DecimalType(int(match[1]), int(match[2]))
    simple = _simple_types().get(duckdb_type)
    if simple is not None:
        return simple
    if duckdb_type.endswith("[]"):
        return ListType(next_id(), iceberg_type(duckdb_type[:-2], place, next_id), element_required=False)
    if duckdb_type.startswith(("STRUCT(", "MAP(")):
        parsed = duckdb.type(duckdb_type)
        children = [(name, str(child)) for name, child in parsed.children]
        if parsed.id == "map":
            key, value = (iceberg_type(t, place, next_id) for _, t in children)
            return MapType(next_id(), key, next_id(), value, value_required=False)
        fields = [NestedField(next_id(), name, iceberg_type(t, place, next_id), required=False) for name, t in children]
        return StructType(*fields)
    advice = REFUSED.get(duckdb_type, "cast it to a type of the lake: see docs/reference/types.md")
    raise ModelError(f"{place}: type {duckdb_type} has no exact place in an Iceberg table; {advice}.")


def _simple_types() -> dict[str, IcebergType]:
    from pyiceberg import types

    return {
        "BOOLEAN": types.BooleanType(),
        "TINYINT": types.IntegerType(),
        "SMALLINT": types.IntegerType(),
        "INTEGER": types.IntegerType(),
        "BIGINT": types.LongType(),
        "FLOAT": types.FloatType(),
        "DOUBLE": types.DoubleType(),
        "DATE": types.DateType(),
        "TIME": types.TimeType(),
        "TIMESTAMP": types.TimestampType(),
        "TIMESTAMP WITH TIME ZONE": types.TimestamptzType(),
        "VARCHAR": types.StringType(),
        "JSON": types.StringType(),
        "BLOB": types.BinaryType(),
        "UUID": types.UUIDType(),
    }


def duckdb_type(iceberg: IcebergType) -> str:
    """The DuckDB type that reads a column of an Iceberg table."""
    from pyiceberg import types

    if isinstance(iceberg, types.ListType):
        return duckdb_type(iceberg.element_type) + "[]"
    if isinstance(iceberg, types.MapType):
        return f"MAP({duckdb_type(iceberg.key_type)}, {duckdb_type(iceberg.value_type)})"
    if isinstance(iceberg, types.StructType):
        fields = ", ".join(
            '"{}" {}'.format(f.name.replace('"', '""'), duckdb_type(f.field_type)) for f in iceberg.fields
        )
        return f"STRUCT({fields})"
    if isinstance(iceberg, types.DecimalType):
        return f"DECIMAL({iceberg.precision},{iceberg.scale})"
    names = {str(t): name for name, t in _simple_types().items() if name not in ("TINYINT", "SMALLINT", "JSON")}
    return names[str(iceberg)]
