"""What DuckDB lacks, as macros of one schema: the run-time library of translated queries, and of lake.duckdb."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA = "athena"
# Java's white space, which is what Trino's trim takes off.
BLANK = r"[ \t\n\v\f\r\x{1c}-\x{1f}\x{1680}\x{2000}-\x{2006}\x{2008}-\x{200a}\x{2028}\x{2029}\x{205f}\x{3000}]+"
DOUBLE_TEXT = r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?[dDfF]?\s*"
DAY_TEXT = r"\s*[+-]?[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}"
TIME_TEXT = r"( [0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]{1,6})?)?)?\s*(Z|UTC|[+-][0-9]{2}:[0-9]{2})?\s*"
SCALARS = "('VARCHAR', 'BIGINT', 'UBIGINT', 'BOOLEAN')"
INFINITE = "when x = 0 then '-inf'::double when x < 0 then 'nan'::double else"

MACROS = {
    "nonzero(b)": "case when b = 0 then error('Division by zero') else b end",
    "equal(a, b)": "case when isnan(a) and b is not null then false else a = b end",
    "differ(a, b)": "case when isnan(a) and b is not null then true else a <> b end",
    "above(a, b)": "case when isnan(a) and b is not null then false else a > b end",
    "at_least(a, b)": "case when isnan(a) and b is not null then false else a >= b end",
    "divide(n, d)": """case when n is null or d is null then null when d = 0 then error('Division by zero')
        when (n < 0) <> (d < 0) then -((abs(n) + abs(d) // 2) // abs(d)) else (abs(n) + abs(d) // 2) // abs(d) end""",
    "substr2(s, i)": """case when s is null or i is null then null when i = 0 or -i > length(s) then ''
        else system.main.substr(s, i) end""",
    "substr3(s, i, n)": """case when s is null or i is null or n is null then null
        when i = 0 or n <= 0 or -i > length(s) then '' else system.main.substr(s, i, n) end""",
    "split_part(s, d, i)": """case when i <= 0 then error('Index must be greater than zero')
        when i > len(string_split(s, d)) then null else system.main.split_part(s, d, i) end""",
    "regexp_extract(s, p, g)": "case when regexp_matches(s, p) then system.main.regexp_extract(s, p, g) end",
    "ltrim(s)": f"regexp_replace(s, '^{BLANK}', '')",
    "rtrim(s)": f"regexp_replace(s, '{BLANK}$', '')",
    "trim(s)": f"regexp_replace(regexp_replace(s, '^{BLANK}', ''), '{BLANK}$', '')",
    "upper(s)": """case when contains(s, 'ß') then replace(system.main.upper(s), 'ẞ', 'ß')
        else system.main.upper(s) end""",
    "reverse(s)": """case when strlen(s) = length(s) then system.main.reverse(s)
        else array_to_string(list_reverse(regexp_extract_all(s, '(?s).')), '') end""",
    "ln(x)": f"case {INFINITE} system.main.ln(x) end",
    "log2(x)": f"case {INFINITE} system.main.log2(x) end",
    "log10(x)": f"case {INFINITE} system.main.log10(x) end",
    "sqrt(x)": "case when x < 0 then 'nan'::double else system.main.sqrt(x) end",
    "integer_text(s)": r"case when regexp_full_match(s, '\s*[+-]?[0-9]+\s*') then s end",
    "decimal_text(s)": r"""case when regexp_full_match(s, '[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?')
        then s end""",
    "double_text(s)": rf"""case when regexp_full_match(s, '{DOUBLE_TEXT}') then regexp_replace(s, '[dDfF]\s*$', '')
        when regexp_full_match(s, '\s*([+-]?Infinity|[+-]?NaN)\s*') then s end""",
    "date_text(s)": rf"case when regexp_full_match(s, '{DAY_TEXT}\s*') then s end",
    "timestamp_text(s)": f"case when regexp_full_match(s, '{DAY_TEXT}{TIME_TEXT}') then s end",
    "uuid_text(s)": "case when regexp_full_match(s, '[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}') then s end",
    "from_hex(s)": """case when s is null then null
        when regexp_full_match(s, '([0-9a-fA-F]{2})*') then system.main.from_hex(s)
        else error('from_hex of text that is not pairs of hexadecimal digits: ' || s) end""",
    "boolean_text(s)": """case when lower(s) in ('true', 't', '1') then true
        when lower(s) in ('false', 'f', '0') then false end""",
    "must(x, s, t)": """case when x is null and s is not null then error('Cannot cast ''' || s || ''' to ' || t)
        else x end""",
    "seconds(x, us)": "make_timestamp(((epoch_us(x) + us // 2) // us) * us)",
    "json_number(j, p)": f"""case when not json_valid(j) and trim(j)[1] in ('{{', '[')
        then error('json_extract_scalar of JSON that is cut short: Athena answers from what is there')
        when json_valid(j) and (json_type(j, p) in {SCALARS} or json_type(j, p) = 'DOUBLE')
        then json_extract_string(j, p) end""",
    "json_scalar(j, p)": f"""case when not json_valid(j) then case when trim(j)[1] in ('{{', '[')
        then error('json_extract_scalar of JSON that is cut short: Athena answers from what is there') end
        when json_type(j, p) in {SCALARS} then json_extract_string(j, p)
        when json_type(j, p) = 'DOUBLE' then error('json_extract_scalar of a number with decimals: DuckDB has already '
        || 'lost how it was written. Cast the result to double or decimal.') end""",
    "item(a, i)": """case when i = 0 then error('SQL array indices start at 1')
        when i < 0 then error('Array subscript is negative: ' || i)
        when i > len(a) then error('Array subscript must be less than or equal to array length: ' || i || ' > '
        || len(a)) else a[i] end""",
    "entry(m, k)": """case when map_contains(m, k) then m[k] when m is not null then error('Key not present in map')
        end""",
    "contains(a, x)": """case when list_contains(a, x) then true
        when x is null or len(list_filter(a, lambda e: e is null)) > 0 then null else list_contains(a, x) end""",
}


def install(con: DuckDBPyConnection) -> None:
    """Give `con` the macros."""
    con.execute(f"create schema if not exists {SCHEMA}")
    for signature, body in MACROS.items():
        con.execute(f"create or replace macro {SCHEMA}.{signature} as {body}")
