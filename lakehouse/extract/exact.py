"""Type by type, the SQL that makes PostgreSQL print a value so that its own input function reads it back equal."""

from __future__ import annotations

from lakehouse.names import quote

# What PostgreSQL prints depends on these; with them fixed, every type has one text form, and it is lossless.
# Source: PostgreSQL documentation, chapter "Client Connection Defaults".
PRINT_SETTINGS = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "xmloption": "content",
    "client_encoding": "UTF8",
    "search_path": "pg_catalog",
}


def text_of(column: str, type_name: str) -> str:
    """The expression that prints `column` of a subquery losslessly, under its own name."""
    name = quote(column)
    if type_name in ("character", "bpchar") or (type_name.startswith("character(") and not type_name.endswith("]")):
        # A cast of char(n) to text drops trailing blanks; concat() uses the type's output function, which keeps them.
        return f"case when {name} is not null then concat({name}) end as {name}"
    return f"{name}::text as {name}"
