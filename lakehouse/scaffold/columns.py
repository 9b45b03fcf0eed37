"""The silver expression of a column: the type that holds it exactly, or its text with the reason why."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakehouse.scaffold.found import FoundColumn
from lakehouse.scaffold.naming import written

NUMERIC = re.compile(r"numeric\((\d+),(-?\d+)\)")
TEMPORAL = ("date", "timestamp without time zone", "timestamp with time zone")
TEXT = re.compile(r"(text|name|citext|(.*\.)?citext|\"char\"|character( varying)?(\(\d+\))?|bpchar)")
SIMPLE = {
    "smallint": "integer",
    "integer": "integer",
    "bigint": "bigint",
    "oid": "bigint",
    "boolean": "boolean",
    "real": "real",
    "double precision": "double",
    "date": "date",
    "timestamp without time zone": "timestamp(6)",
    "uuid": "uuid",
}
# What bronze may hold that the silver type does not: refused by the bronze suite, so that nothing is cast wrongly.
PRINTED = {
    "date": r"^\d{4}-\d\d-\d\d$",
    "timestamp without time zone": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?$",
    "timestamp with time zone": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?\+00$",
    "numeric": r"^-?\d+(\.\d+)?$",
}
REASONS = (
    (re.compile(r"numeric"), "its precision has no limit that a decimal could have; every digit is kept as text"),
    (re.compile(r".*\[\]"), "an array, kept as PostgreSQL prints it"),
    (re.compile(r"jsonb?"), "kept as its text; read it with json_extract_scalar"),
    (re.compile(r"interval"), "months, days and seconds have no common length; kept as text"),
    (re.compile(r"time .*zone"), "24:00:00 and zones have no exact type in every engine; kept as text, which sorts"),
    (re.compile(r".*range"), "bounds, infinite or not, kept as text"),
)


@dataclass(frozen=True)
class SilverColumn:
    """A column of a silver model. `note` says why it is text where no type holds it exactly.

    `printed` is what bronze's text must look like for the cast to be exact; None where the cast itself refuses.
    """

    source: FoundColumn
    name: str
    type: str
    expression: str
    note: str | None
    printed: str | None

    @property
    def is_plain_cast(self) -> bool:
        return self.expression == written(self.name)

    @property
    def is_temporal(self) -> bool:
        return self.type in ("date", "timestamp(6)")

    @property
    def scale(self) -> int | None:
        """The digits after the point of a decimal."""
        return int(self.type.split(",")[1].rstrip(") ")) if self.type.startswith("decimal") else None

    @property
    def line(self) -> str:
        """The column of the final SELECT."""
        return f"cast({self.expression} as {self.type}) as {written(self.name)}"


def silver_column(column: FoundColumn, name: str, specials: frozenset[str]) -> SilverColumn:
    """How silver holds `column`; `specials` names columns whose values no typed column could hold today."""
    base = base_type(column.type)
    reference = written(name)
    numeric = NUMERIC.fullmatch(base)
    printed = PRINTED.get("numeric" if numeric else base)
    if column.name in specials:
        note = f"{column.declared} holds infinity, NaN, BC or years above 9999 today, which {base} cannot; kept as text"
        return SilverColumn(column, name, "varchar", reference, note, None)
    if numeric and int(numeric[1]) <= 38 and 0 <= int(numeric[2]) <= int(numeric[1]):
        return SilverColumn(column, name, f"decimal({numeric[1]}, {numeric[2]})", reference, None, printed)
    if base in SIMPLE:
        return SilverColumn(column, name, SIMPLE[base], reference, None, printed)
    if base == "timestamp with time zone":
        return SilverColumn(column, name, "timestamp(6)", f"replace({reference}, '+00', '')", None, printed)
    if base == "money":
        # As lc_monetary=C prints it: $1,234.56
        plain = f"replace(replace({reference}, '$', ''), ',', '')"
        return SilverColumn(column, name, "decimal(19, 2)", plain, None, None)
    if base == "bytea":
        return SilverColumn(
            column, name, "varbinary", f"from_hex(substr({reference}, 3))", None, r"^\\x([0-9a-f]{2})*$"
        )
    why = None if TEXT.fullmatch(base) or column.labels else _reason(column, base)
    return SilverColumn(column, name, "varchar", reference, why, None)


def base_type(type_name: str) -> str:
    """A type of time without its precision, which only narrows it; any other as it is."""
    return re.sub(r"\(\d+\)", "", type_name) if type_name.startswith("time") else type_name


def _reason(column: FoundColumn, base: str) -> str:
    if NUMERIC.fullmatch(base):
        return f"{column.declared} goes beyond a decimal's 38 digits; every digit is kept as text"
    why = next((reason for pattern, reason in REASONS if pattern.fullmatch(base)), "no engine has this type")
    return f"{column.declared}: {why}" + ("" if "kept" in why else "; kept as PostgreSQL prints it")
