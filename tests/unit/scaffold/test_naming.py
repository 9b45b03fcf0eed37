"""Names and types on their own: what the lake calls things, and which type holds what."""

from __future__ import annotations

import pytest

from lakehouse.scaffold.columns import silver_column
from lakehouse.scaffold.found import FoundColumn, FoundTable
from lakehouse.scaffold.naming import column_names, lake_name, table_names, written
from lakehouse.scaffold.personal import looks_personal


def table(oid: int, schema: str, name: str) -> FoundTable:
    return FoundTable(oid, schema, name, "r", None, 0, False, (), (), (), (), ())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("OrderDetails", "order_details"),
        ("HTTPServer", "http_server"),
        ("Customer  Name!", "customer_name"),
        ("Größe", "grosse"),
        ("naïve café", "naive_cafe"),
        ("1st", "n1st"),
        ("日本", "otherwise"),
        ("_id", "_id"),
    ],
)
def test_a_name_is_lower_case_letters_digits_and_underscores(name: str, expected: str) -> None:
    assert lake_name(name, "otherwise") == expected


def test_columns_of_one_table_never_share_a_name() -> None:
    names = column_names(["A", "a", "a ", "_op", "op", "%", "_ingested_at"])
    assert names == {
        "A": "a_2",
        "a": "a",
        "a ": "a_3",
        "_op": "op_2",
        "op": "op",
        "%": "column_6",
        "_ingested_at": "ingested_at",
    }


def test_tables_of_several_schemas_are_told_apart_only_where_they_must_be() -> None:
    names = table_names([table(1, "sales", "people"), table(2, "hr", "People"), table(3, "hr", "days")])
    assert names == {1: "sales_people", 2: "hr_people", 3: "days"}
    assert table_names([table(1, "s", "OrderLine"), table(2, "s", "order_line")]) == {
        1: "order_line_2",
        2: "order_line",
    }
    assert table_names([table(1, "s", "order"), table(2, "s", "表")]) == {1: "order_table", 2: "table_2"}


def test_what_sql_keeps_for_itself_is_quoted() -> None:
    assert [written(n) for n in ("select", "order", "customer_id", "position", "A")] == [
        '"select"',
        '"order"',
        "customer_id",
        '"position"',
        '"A"',
    ]


@pytest.mark.parametrize(
    ("declared", "line", "note"),
    [
        ("numeric(12,2)", "cast(c as decimal(12, 2)) as c", None),
        ("numeric", "cast(c as varchar) as c", "numeric: its precision has no limit that a decimal could have"),
        ("numeric(39,2)", "cast(c as varchar) as c", "goes beyond a decimal's 38 digits"),
        ("numeric(3,5)", "cast(c as varchar) as c", "goes beyond a decimal's 38 digits"),
        ("timestamp(3) without time zone", "cast(c as timestamp(6)) as c", None),
        ("timestamp with time zone", "cast(replace(c, '+00', '') as timestamp(6)) as c", None),
        ("bytea", "cast(from_hex(substr(c, 3)) as varbinary) as c", None),
        ("money", "cast(replace(replace(c, '$', ''), ',', '') as decimal(19, 2)) as c", None),
        ("character varying(20)", "cast(c as varchar) as c", None),
        ("int4range", "cast(c as varchar) as c", "bounds, infinite or not"),
        ("text[]", "cast(c as varchar) as c", "an array"),
    ],
)
def test_each_type_is_held_exactly_or_says_why_it_is_text(declared: str, line: str, note: str | None) -> None:
    made = silver_column(FoundColumn("c", declared, declared, True, None), "c", frozenset())
    assert made.line == line
    assert (made.note is None) if note is None else (note in (made.note or ""))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("FirstName", "a name"),
        ("contact_name", "a name"),
        ("product_name", None),
        ("email_address", "a mail address"),
        ("HomePhone", "a phone number"),
        ("telephone", "a phone number"),
        ("date_of_birth", "a birth date"),
        ("ship_postal_code", "an address"),
        ("address2", "an address"),
        ("password_hash", "a secret"),
        ("opinion", None),
        ("shipping_method", None),
    ],
)
def test_personal_columns_are_known_by_their_names(column: str, expected: str | None) -> None:
    assert looks_personal(column) == expected
