"""Values as Trino and Athena print them become Arrow arrays of the exact type, a column at a time."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from lakehouse.errors import EngineError
from lakehouse.trino_types import TrinoType

if TYPE_CHECKING:
    import pyarrow as pa

INTEGERS = {"tinyint": "int8", "smallint": "int16", "integer": "int32", "int": "int32", "bigint": "int64"}
FLOATS = {"real": "float32", "float": "float32", "double": "float64"}
TEXTS = ("varchar", "char", "string", "json", "uuid", "ipaddress", "interval day to second", "interval year to month")
MICROSECONDS = 6


def arrow_type(kind: TrinoType) -> pa.DataType:
    """The Arrow type that holds every value of `kind`; timestamps are microseconds, or nanoseconds where finer.

    Raises:
        EngineError: there is none.
    """
    import pyarrow as pa

    fixed = {"boolean": "bool", "date": "date32", "varbinary": "binary", "binary": "binary", "unknown": "null"}
    if alias := (fixed | INTEGERS | FLOATS | dict.fromkeys(TEXTS, "string")).get(kind.name):
        return pa.type_for_alias(alias)
    if kind.name == "decimal":
        return pa.decimal128(*kind.numbers)
    if kind.name == "array":
        return pa.list_(arrow_type(kind.children[0]))
    if kind.name == "map":
        return pa.map_(*map(arrow_type, kind.children))
    if kind.name == "row":
        return pa.struct([(n, arrow_type(c)) for n, c in zip(kind.names, kind.children, strict=True)])
    precision = kind.numbers[0] if kind.numbers else 3
    unit = "us" if precision <= MICROSECONDS else "ns"
    if kind.name in ("timestamp", "timestamp with time zone") and precision <= 9:
        return pa.timestamp(unit, tz="UTC" if kind.name.endswith("zone") else None)
    if kind.name == "time" and precision <= MICROSECONDS:
        return pa.time64(unit)
    raise EngineError(
        f"A column has the type {kind.name}({precision}), which has no place in Arrow. "
        "Cast it in the query: cast(… as timestamp(6)), or cast(… as varchar)."
    )


def arrow_column(values: Sequence[Any], kind: TrinoType) -> pa.Array:
    """Raw values (as the protocol has them in JSON, unconverted) as an array; None is NULL, at every depth."""
    import pyarrow as pa

    target = arrow_type(kind)
    convert = CONVERTERS.get(kind.name)
    try:
        if convert is not None:
            return convert(values, kind, target)
        if kind.name in (*TEXTS, *INTEGERS, "boolean", "unknown"):
            return pa.array(values, target)
        return pa.array(values, pa.string()).cast(target)
    except (pa.ArrowInvalid, ValueError) as e:
        raise EngineError(
            f"A value of a {kind.name} column does not fit Arrow's {target}: {str(e)[:160]}. "
            "Cast the column to varchar in the query to see it."
        ) from e


def _floats(values: Sequence[Any], kind: TrinoType, target: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.array([None if v is None else float(v) for v in values], target)  # NaN and Infinity come as text


def _bytes(values: Sequence[Any], kind: TrinoType, target: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.array([None if v is None else base64.b64decode(v) for v in values], target)


def _times(values: Sequence[Any], kind: TrinoType, target: pa.DataType) -> pa.Array:
    from datetime import time

    import pyarrow as pa

    return pa.array([None if v is None else time.fromisoformat(v) for v in values], target)


def _zoned(values: Sequence[Any], kind: TrinoType, target: pa.DataType) -> pa.Array:
    """`2024-05-01 12:00:00.123456 UTC`: the instant; the zone it was written in has no place in Arrow."""
    import pyarrow as pa

    if all(v is None or v.endswith(" UTC") for v in values):
        naive = pa.array([None if v is None else v[:-4] for v in values], pa.string())
        return naive.cast(pa.timestamp(target.unit)).cast(target)
    return pa.array([None if v is None else _instant(v) for v in values], target)


def _instant(text: str) -> Any:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    moment, _, zone = text.rpartition(" ")
    if re.fullmatch(r"[+-]\d\d:\d\d", zone):
        return datetime.fromisoformat(moment + zone)
    return datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))


def _lists(values: Sequence[Any], kind: TrinoType, target: pa.DataType) -> pa.Array:
    import pyarrow as pa

    flat = [item for v in values if v is not None for item in v]
    return pa.ListArray.from_arrays(_offsets(values), arrow_column(flat, kind.children[0]))


def _maps(values: Sequence[Any], kind: TrinoType, target: pa.DataType) -> pa.Array:
    import pyarrow as pa

    keys = [_key(k, kind.children[0]) for v in values if v is not None for k in v]
    items = [item for v in values if v is not None for item in v.values()]
    key_type, item_type = kind.children
    return pa.MapArray.from_arrays(_offsets(values), arrow_column(keys, key_type), arrow_column(items, item_type))


def _key(text: str, kind: TrinoType) -> Any:
    """A map's key, which JSON can only write as text."""
    if kind.children:
        raise EngineError("A map has keys that are themselves nested; select its map_keys() and map_values().")
    return int(text) if kind.name in INTEGERS else text == "true" if kind.name == "boolean" else text


def _rows(values: Sequence[Any], kind: TrinoType, target: pa.DataType) -> pa.Array:
    import pyarrow as pa

    def item(row: Any, position: int) -> Any:
        if row is None:
            return None
        return row.get(kind.names[position]) if isinstance(row, dict) else row[position]

    children = [arrow_column([item(v, i) for v in values], c) for i, c in enumerate(kind.children)]
    missing = pa.array([v is None for v in values], pa.bool_())
    return pa.StructArray.from_arrays(children, fields=list(target), mask=missing)


def _offsets(values: Sequence[Any]) -> pa.Array:
    """Where each list begins and ends; a missing start says that the list is NULL."""
    import pyarrow as pa

    starts: list[int | None] = list(accumulate((len(v or ()) for v in values), initial=0))
    missing = [None if v is None else start for v, start in zip(values, starts, strict=False)]
    return pa.array([*missing, starts[-1]], pa.int32())


CONVERTERS: dict[str, Callable[[Sequence[Any], TrinoType, Any], Any]] = {
    **dict.fromkeys(FLOATS, _floats),
    "varbinary": _bytes,
    "time": _times,
    "timestamp with time zone": _zoned,
    "array": _lists,
    "map": _maps,
    "row": _rows,
}
