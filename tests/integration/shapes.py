"""Hypothesis strategies of tables: names of all kinds, keys or none, partitions, children, generated columns, gaps."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from lakehouse.names import quote

RESERVED = ["select", "table", "user", "order", "group", "end", "Limit", "null", "desc", "primary", "_op x", "values"]
ODD = [
    '"',
    '""',
    "a b",
    "'",
    "a'b\"c",
    "%s",
    "{x}",
    "$1",
    "a.b",
    "Ünïcode",
    "列",
    "😀",
    "\\",
    "a\nb",
    "--",
    "/*",
    "tab\t",
    "?",
]
ODD += ["a\nb", "a\rb", "a\x85b", "a\u2028b"]
NAME = st.one_of(
    st.sampled_from(RESERVED + ODD),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=15),
    st.from_regex(r"[A-Z][a-z]{1,8}", fullmatch=True),
)
# Type, and the SQL of a value of it for row g.
COLUMN_TYPES = {
    "integer": "g",
    "text": "'t ' || g",
    "numeric(9, 3)": "g * 1.125",
    "timestamp with time zone": "timestamptz '2024-01-01 00:00:00.000001+00' + g * interval '1 day 1 microsecond'",
    "jsonb": "jsonb_build_object('g', g)",
    "text[]": "array['a,b', null, g::text]",
    "boolean": "g % 2 = 0",
}
KINDS = [
    "plain",
    "plain",
    "partitioned",
    "parent",
    "generated",
    "virtual",
    "identity",
    "dropped",
    "unlogged",
    "rewritten",
]


@dataclass(frozen=True)
class Shape:
    """A table to be: its columns beside `id`, what identifies its rows, and what is odd about it."""

    name: str
    columns: tuple[tuple[str, str], ...]
    key: str
    kind: str
    rows: int

    def statements(self) -> list[str]:
        table, names = quote(self.name), [quote(n) for n, _ in self.columns]
        columns = ["id integer not null", *(f"{quote(n)} {t}" for n, t in self.columns)]
        columns += {
            "generated": ['"made it" integer generated always as (id * 2) stored'],
            "virtual": ['"makes it" integer generated always as (id * 3) virtual'],
            "identity": ["number bigint generated always as identity"],
        }.get(self.kind, [])
        columns += {
            "one": ["primary key (id)"],
            "two": [f"primary key ({names[0]}, id)"],
            "unique": ["unique (id)"],
        }.get(self.key, [])
        unlogged = "unlogged " if self.kind == "unlogged" else ""
        partition = " partition by hash (id)" if self.kind == "partitioned" else ""
        made = [f"create {unlogged}table {table} ({', '.join(columns)}){partition}"]
        if self.kind == "partitioned":
            made += [
                f"create table {quote(self.name + str(i))} partition of {table} for values "
                f"with (modulus 2, remainder {i})"
                for i in (0, 1)
            ]
        values = ", ".join(["g", *(COLUMN_TYPES[t] for _, t in self.columns)])
        made.append(
            f"insert into {table} (id, {', '.join(names)}) select {values} from generate_series(1, {self.rows}) g"
        )
        if self.kind == "parent":
            child = quote(self.name + "+")
            made += [
                f"create table {child} (more text) inherits ({table})",
                f"insert into {child} (id, {', '.join(names)}) select {values} from generate_series(90, 92) g",
            ]
        if self.kind == "dropped":
            made += [
                f"alter table {table} add column gone text default 'x'",
                f"alter table {table} drop column gone",
                f"alter table {table} add column late text default 'y'",
            ]
        if self.kind == "rewritten":
            made.append(f'alter table {table} add column "when" timestamptz default clock_timestamp()')
        return made


def _distinct(names: list[str]) -> bool:
    lowered = [n.lower() for n in [*names, "id", "made it", "makes it", "number", "late", "gone", "when"]]
    taken = len(set(lowered)) < len(lowered)
    return not taken and all(0 < len(n.encode()) <= 55 and n.strip() for n in names)


def shapes() -> st.SearchStrategy[Shape]:
    """Any table."""
    columns = st.lists(st.tuples(NAME, st.sampled_from(sorted(COLUMN_TYPES))), min_size=1, max_size=6).filter(
        lambda c: _distinct([n for n, _ in c]) and not any(n.lower() in ("_op", "_ingested_at") for n, _ in c)
    )
    built = st.builds(
        Shape,
        NAME.filter(lambda n: len(n.encode()) <= 55),
        columns.map(tuple),
        st.sampled_from(["none", "one", "two", "unique"]),
        st.sampled_from(KINDS),
        st.integers(0, 4),
    )
    # A key of a column that has no order, or of one that a child's rows repeat, PostgreSQL refuses itself.
    return built.filter(lambda s: not (s.key == "two" and s.columns[0][1] in ("jsonb",)))
