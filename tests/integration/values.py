"""Hypothesis strategies of values, as the text PostgreSQL reads, for every type it has; and types of one's own."""

from __future__ import annotations

from hypothesis import strategies as st

# A text of PostgreSQL holds every character but NUL; lone surrogates are no characters.
TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
        st.sampled_from("\t\n\r\b\f\v\x01\x1f\x7f\\\"',;|{}()[]<>$é𝄞😀\u2028\ufeff\u200d"),
    ),
    max_size=24,
)
DIGITS = st.text("0123456789", min_size=1, max_size=40)


def joined(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    return st.tuples(*(st.just(p) if isinstance(p, str) else p for p in parts)).map("".join)


def integers(bits: int) -> st.SearchStrategy[str]:
    return st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1).map(str)


SIGN = st.sampled_from(["", "-"])
NUMERIC = st.one_of(
    joined(SIGN, DIGITS, ".", DIGITS),
    joined(SIGN, DIGITS, "e", st.integers(-300, 300).map(str)),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "0", "-0.000", "1" + "0" * 2000, "0." + "0" * 900 + "1"]),
)
FLOAT = st.one_of(
    st.floats(width=64).map(repr), st.sampled_from(["NaN", "Infinity", "-Infinity", "-0", "5e-324", "1e308"])
)
REAL = st.one_of(st.floats(width=32).map(repr), st.sampled_from(["NaN", "Infinity", "-0", "1e-45", "3.4028235e38"]))
FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100).map(repr)
YEAR = st.integers(1, 9999).map(lambda y: f"{y:04d}")
FAR_YEAR = st.integers(10_000, 294_000).map(str)
MONTH_DAY = st.tuples(st.integers(1, 12), st.integers(1, 28)).map(lambda m: f"-{m[0]:02d}-{m[1]:02d}")
BC = st.sampled_from(["", "", " BC"])
CLOCK = st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999_999)).map(
    lambda c: f"{c[0]:02d}:{c[1]:02d}:{c[2]:02d}.{c[3]:06d}"
)
ZONE = st.sampled_from(["+00", "-07:52:58", "+05:30", "+13", "-11:30"])
ENDLESS = st.sampled_from(["infinity", "-infinity"])
DATE = st.one_of(joined(YEAR, MONTH_DAY, BC), joined(FAR_YEAR, MONTH_DAY), ENDLESS)
TIMESTAMP = st.one_of(joined(YEAR, MONTH_DAY, " ", CLOCK, BC), joined(FAR_YEAR, MONTH_DAY, " ", CLOCK), ENDLESS)
TIMESTAMPTZ = st.one_of(joined(YEAR, MONTH_DAY, " ", CLOCK, ZONE, BC), ENDLESS)
INTERVAL = st.one_of(
    st.tuples(*(st.integers(-9999, 9999) for _ in range(3)), st.integers(-(10**12), 10**12)).map(
        lambda i: f"{i[0]} years {i[1]} mons {i[2]} days {i[3]} microseconds"
    ),
    st.sampled_from(["infinity", "-infinity", "P1Y2M3DT4H5M6.789S", "1 12:59:10", "@ 3 hours ago"]),
)
BITS = st.text("01", max_size=40)
HEX = st.binary(max_size=30).map(lambda b: "\\x" + b.hex())
JSON_NUMBER = st.one_of(DIGITS.map(lambda d: d.lstrip("0") or "0"), joined(st.just("1."), DIGITS), st.just("-1e-400"))
# jsonb has no escape for NUL, and json keeps any it was given; both get what both read.
JSON_TEXT = TEXT.map(lambda t: __import__("json").dumps(t, ensure_ascii=len(t) % 2 == 0))
JSON = st.recursive(
    st.one_of(JSON_NUMBER, JSON_TEXT, st.sampled_from(["null", "true", "false"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda i: "[ " + ", ".join(i) + "]"),
        st.lists(st.tuples(st.sampled_from(['"a"', '"a"', '"b c"', '""']), inner), max_size=4).map(
            lambda i: "{" + ",  ".join(f"{k} : {v}" for k, v in i) + "}"
        ),
    ),
    max_leaves=8,
)
UUID = st.uuids().map(str)
POINT = joined("(", FINITE, ",", FINITE, ")")
POINTS = st.lists(POINT, min_size=1, max_size=4)
IPV4 = st.ip_addresses(v=4).map(str)
IPV6 = st.ip_addresses(v=6).map(str)
INET = st.one_of(IPV4, IPV6, joined(IPV4, "/", st.integers(0, 32).map(str)), joined(IPV6, "/", st.just("64")))
CIDR = st.sampled_from(["10.0.0.0/8", "192.168.1.0/24", "2001:db8::/32", "0.0.0.0/0", "1.2.3.4/32", "::1/128"])
OCTET = st.integers(0, 255).map(lambda o: f"{o:02x}")
WORD = st.text("abcdefghijkl", min_size=1, max_size=6)
LABEL = st.sampled_from(["happy", "so so", 'it\'s "bad"', "", "Ünïcode 😀", "a,b"])


def quoted(value: str) -> str:
    """As an element of an array, a field of a composite or an attribute of an hstore."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def array(of: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Arrays of up to three dimensions, some of whose lower bounds are not 1, with nulls in them."""
    item = st.one_of(of.map(quoted), st.just("NULL"))

    def built(args: tuple[tuple[int, ...], tuple[int, ...], list[str], bool]) -> str:
        sizes, lower, items, bounded = args
        if not sizes:
            return "{}"

        def level(depth: int, offset: int) -> str:
            if depth == len(sizes):
                return items[offset % len(items)]
            return "{" + ",".join(level(depth + 1, offset * sizes[depth] + i) for i in range(sizes[depth])) + "}"

        bounds = "".join(f"[{low}:{low + size - 1}]" for low, size in zip(lower, sizes, strict=False))
        return (bounds + "=" if bounded else "") + level(0, 0)

    sizes = st.lists(st.integers(1, 3), max_size=3).map(tuple)
    lower = st.tuples(*(st.integers(-5, 5) for _ in range(3)))
    return st.tuples(sizes, lower, st.lists(item, min_size=1, max_size=9), st.booleans()).map(built)


def ordered(low: str, high: str) -> st.SearchStrategy[str]:
    """Ranges between two texts in order, and the ones without ends or content."""
    return st.sampled_from(
        [f"[{low},{high})", f"({low},{high}]", f"[{low},]", f"(,{high})", "(,)", "empty", f"[{low},{low}]"]
    )


DEFINITIONS = """
create type "Mood" as enum ('happy', 'so so', 'it''s "bad"', '', 'Ünïcode 😀', 'a,b');
create domain padded as character(7);
create domain "Percent age" as numeric(7, 3);
create type "Pair of" as ("A" integer, "b c" text, m "Mood");
create domain deep as "Pair of"[];
create type "Span" as range (subtype = double precision, multirange_type_name = "Spans");
create extension hstore;
create extension citext;
create extension ltree;
create extension cube;
create extension isn;
create extension seg;
create extension vector;
create schema "Other place";
create type "Other place".t as (x "Pair of", y date);
"""

TYPES: dict[str, st.SearchStrategy[str]] = {
    "smallint": integers(16),
    "integer": integers(32),
    "bigint": integers(64),
    "numeric": NUMERIC,
    "numeric(12,4)": joined(SIGN, st.integers(0, 99_999_999).map(str), ".", st.integers(0, 9999).map("{:04d}".format)),
    "numeric(38,0)": joined(SIGN, st.text("123456789", min_size=1, max_size=38)),
    "numeric(3,-2)": st.integers(-99_900, 99_900).map(str),
    "numeric(3,5)": st.sampled_from(["0.00123", "-0.00999", "0"]),
    "real": REAL,
    "double precision": FLOAT,
    "money": st.integers(-(10**15), 10**15).map(lambda c: f"{c / 100:.2f}"),
    "text": TEXT,
    "character varying(30)": TEXT,
    "character(9)": TEXT.map(lambda t: t[:9]),
    "character": st.sampled_from(["", " ", "x", "é"]),
    '"char"': st.sampled_from(["", "a", "\\", "é", "\\001"]),
    "name": TEXT.map(lambda t: t[:15]),
    "bytea": HEX,
    "bit(7)": st.text("01", min_size=7, max_size=7),
    "bit varying": BITS,
    "boolean": st.sampled_from(["t", "f", "yes", "off"]),
    "date": DATE,
    "time": CLOCK,
    "time(3)": st.one_of(CLOCK, st.just("24:00:00")),
    "time with time zone": joined(CLOCK, ZONE),
    "timestamp": TIMESTAMP,
    "timestamp(0)": TIMESTAMP,
    "timestamp with time zone": TIMESTAMPTZ,
    "interval": INTERVAL,
    "interval year to month": st.integers(-999, 999).map("{} months".format),
    "uuid": UUID,
    "json": JSON,
    "jsonb": JSON,
    "jsonpath": st.sampled_from(["$", "$.a[*] ? (@ > 1)", 'strict $."b c".size()']),
    "xml": TEXT.map(lambda t: "<a>" + "".join(c for c in t if c.isalnum()) + "</a>"),
    "inet": INET,
    "cidr": CIDR,
    "macaddr": st.tuples(*(OCTET for _ in range(6))).map(":".join),
    "macaddr8": st.tuples(*(OCTET for _ in range(8))).map(":".join),
    "point": POINT,
    "line": st.sampled_from(["{1,-2.5,3}", "{0,1,1e-10}"]),
    "lseg": joined("[", POINT, ",", POINT, "]"),
    "box": joined(POINT, ",", POINT),
    "path": st.one_of(POINTS.map(lambda p: "[" + ",".join(p) + "]"), POINTS.map(lambda p: "(" + ",".join(p) + ")")),
    "polygon": POINTS.map(lambda p: "(" + ",".join(p) + ")"),
    "circle": joined("<", POINT, ",", st.floats(0, 1e50).map(repr), ">"),
    "tsvector": st.lists(WORD, max_size=5).map(" ".join),
    "tsquery": st.lists(WORD, min_size=1, max_size=4).map(" & ".join),
    "oid": st.integers(0, 2**32 - 1).map(str),
    "pg_lsn": st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)).map(lambda p: f"{p[0]:X}/{p[1]:X}"),
    "pg_snapshot": st.sampled_from(["10:20:10,14,15", "3:3:"]),
    "xid": st.integers(0, 2**32 - 1).map(str),
    "xid8": st.integers(0, 2**63).map(str),
    "tid": st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 60_000)).map(lambda t: f"({t[0]},{t[1]})"),
    "int2vector": st.lists(st.integers(0, 99).map(str), max_size=5).map(" ".join),
    "int4range": ordered("-5", "77"),
    "int8range": ordered(str(-(2**62)), "9"),
    "numrange": ordered("-1.50", "99999999999999999999.001"),
    "daterange": ordered("0044-03-15 BC", "2024-02-29"),
    "tsrange": ordered('"0001-01-01 00:00:00.000001"', '"2024-02-29 24:00:00"'),
    "tstzrange": ordered('"2024-01-01 00:00:00+05:30"', "infinity"),
    "int4multirange": st.sampled_from(["{}", "{[1,3),[5,9)}", "{(,0),[5,)}"]),
    "tstzmultirange": st.sampled_from(["{}", '{["2024-01-01 00:00:00+00","2024-01-02 00:00:00+00")}']),
    "integer[]": array(integers(32)),
    "text[]": array(TEXT),
    "numeric[]": array(NUMERIC),
    "timestamp with time zone[]": array(TIMESTAMPTZ),
    "bytea[]": array(HEX),
    "jsonb[]": array(JSON),
    "character(4)[]": array(TEXT.map(lambda t: t[:4])),
    '"Mood"': LABEL,
    '"Mood"[]': array(LABEL),
    "padded": TEXT.map(lambda t: t[:7]),
    '"Percent age"': st.integers(-9_999_999, 9_999_999).map(lambda p: f"{p / 1000:.3f}"),
    '"Pair of"': st.tuples(integers(32), TEXT, LABEL).map(
        lambda p: "(" + p[0] + "," + quoted(p[1]) + "," + quoted(p[2]) + ")"
    ),
    '"Other place".t': st.sampled_from(['("(1,""a \\\\"" b"",happy)",2024-01-01)', "(,)", '("(,,)",infinity)']),
    "deep": st.sampled_from(["{}", '{"(1,\\"x y\\",happy)",NULL,"(,,)"}']),
    '"Span"': ordered("-1.5", "1e300"),
    '"Spans"': st.sampled_from(["{}", "{[1,2),[3,4)}"]),
    "hstore": st.lists(st.tuples(TEXT, TEXT), max_size=3).map(
        lambda i: ",".join(f"{quoted(k)}=>{quoted(v)}" for k, v in i)
    ),
    "citext": TEXT,
    "ltree": st.lists(WORD, min_size=1, max_size=4).map(".".join),
    "lquery": st.sampled_from(["*.a.*", "a{1,2}.!b"]),
    "cube": st.sampled_from(["(1, 2.5), (3, 4)", "(0.1)"]),
    "isbn": st.sampled_from(["978-0-393-04002-9", "0-393-04002-X"]),
    "seg": st.sampled_from(["1.50", "~6.5 .. >7.00", "5(+-)0.3"]),
    "vector": st.lists(st.floats(-(2.0**99), 2.0**99, width=32).map(repr), min_size=1, max_size=5).map(
        lambda v: "[" + ",".join(v) + "]"
    ),
}
