"""Type by type, the SQL that makes PostgreSQL print a value so that its own input function reads it back equal."""

from __future__ import annotations

import re

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


# Types of PostgreSQL's own whose cast to text is their output function, or loses nothing: 'true' for 't'.
CAST_PRINTS = frozenset(
    {
        "bigint",
        "bit",
        "bit varying",
        "boolean",
        "box",
        "bytea",
        "character varying",
        "circle",
        "date",
        "datemultirange",
        "daterange",
        "double precision",
        "int4multirange",
        "int4range",
        "int8multirange",
        "int8range",
        "integer",
        "interval",
        "json",
        "jsonb",
        "jsonpath",
        "line",
        "lseg",
        "macaddr",
        "macaddr8",
        "money",
        "name",
        "numeric",
        "nummultirange",
        "numrange",
        "oid",
        "path",
        "pg_lsn",
        "point",
        "polygon",
        "real",
        "smallint",
        "text",
        "time with time zone",
        "time without time zone",
        "timestamp with time zone",
        "timestamp without time zone",
        "tsmultirange",
        "tsquery",
        "tsrange",
        "tstzmultirange",
        "tstzrange",
        "tsvector",
        "uuid",
        "xml",
    }
)
MODIFIER = re.compile(r"\(.*?\)")


def text_of(column: str, type_name: str) -> str:
    """The expression that prints `column` of a subquery losslessly, under its own name.

    A cast to text may be a function of its own: char(n), and a domain over it, lose their padding, inet gains a mask.
    concat() always uses the type's output function. (`is not null` is no test here: a composite with a null in it
    is neither null nor not null.)
    """
    name = quote(column)
    if type_name.endswith("[]") or MODIFIER.sub("", type_name) in CAST_PRINTS:
        return f"{name}::text as {name}"
    return f"case when num_nulls({name}) = 0 then concat({name}) end as {name}"
