"""Values as Athena prints them in GetQueryResults and in its CSV files, and what it says of their columns."""

from __future__ import annotations

import base64
import csv
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import IO, Any

from lakehouse.trino_types import TrinoType, parse_type

TEXT_LENGTH = 2**31 - 1
PRECISIONS = {"bigint": 19, "integer": 10, "smallint": 5, "tinyint": 3, "double": 17, "real": 17}
NAMES = {"real": "float", "interval day to second": "interval_day_to_second"}


def column_info(name: str, kind: TrinoType) -> dict[str, Any]:
    """A ColumnInfo; as in Athena, what is in an array, map or row is not told."""
    precision, scale = PRECISIONS.get(kind.name, 0), 0
    if kind.name == "decimal":
        precision, scale = kind.numbers
    elif kind.name in ("varchar", "char"):
        precision = kind.numbers[0] if kind.numbers else TEXT_LENGTH
    elif kind.name == "varbinary":
        precision = 2**30 - 1
    elif kind.name.startswith(("timestamp", "time")):
        precision = 3
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": NAMES.get(kind.name, kind.name),
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind.name in ("varchar", "char"),
    }


def described(description: Sequence[Any]) -> list[tuple[str, TrinoType]]:
    """Names and types of a Trino cursor's columns."""
    return [(d.name, parse_type(str(d.type_code))) for d in description]


def athena_text(value: Any, kind: TrinoType) -> str | None:
    """A raw value of Trino's protocol as Athena's text; None is NULL."""
    if value is None:
        return None
    if kind.name in ("double", "real"):
        return java_double(float(value))
    if kind.name == "boolean":
        return "true" if value else "false"
    if kind.name == "varbinary":
        return " ".join(f"{byte:02x}" for byte in base64.b64decode(value))
    if kind.name == "array":
        return "[" + ", ".join(_inner(v, kind.children[0]) for v in value) + "]"
    if kind.name == "map":
        return "{" + ", ".join(f"{k}={_inner(v, kind.children[1])}" for k, v in value.items()) + "}"
    if kind.name == "row":
        fields = zip(kind.names, value, kind.children, strict=True)
        return "{" + ", ".join(f"{name}={_inner(v, child)}" for name, v, child in fields) + "}"
    return str(value)


def _inner(value: Any, kind: TrinoType) -> str:
    text = athena_text(value, kind)
    return "null" if text is None else text


def java_double(value: float) -> str:
    """As Java prints it: 1.0E10, 0.001, NaN, Infinity."""
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return format(Decimal(repr(value)), "f")
    mantissa, _, exponent = format(Decimal(repr(value)), "E").partition("E")
    digits = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{digits if '.' in digits else digits + '.0'}E{int(exponent)}"


class CsvFile:
    """Athena's CSV: everything quoted, NULL as nothing at all."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    def write(self, row: Sequence[str | None]) -> None:
        self.file.write(",".join("" if v is None else '"' + v.replace('"', '""') + '"' for v in row) + "\n")


class TextFile:
    """The .txt of SHOW and DESCRIBE: tabs between values, no header."""

    def __init__(self, file: IO[str]) -> None:
        self.writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, escapechar="\\")

    def write(self, row: Sequence[str | None]) -> None:
        self.writer.writerow(["" if v is None else v for v in row])
