"""Every measured case: DuckDB's answer to the translated text is Trino's, or it is refused."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from lakehouse.errors import PortabilityError
from lakehouse.portable import install, translate
from lakehouse.portable.values import canonical

CASES = list(
    csv.DictReader((Path(__file__).parent / "cases.csv").read_text(encoding="utf-8").splitlines(keepends=True))
)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as found:
        found.execute("set timezone = 'UTC'")
        install(found)
        yield found


def plain(types: str) -> str:
    """Trino's types without what a reader cannot see: lengths of texts, digits of a second."""
    types = re.sub(r"(varchar|timestamp)\(\d+\)", r"\1", types)
    return re.sub(r"decimal\((\d+), (\d+)\)", r"decimal(\1,\2)", types)


def outcome(con: duckdb.DuckDBPyConnection, case: dict[str, str]) -> str:
    try:
        done = translate(case["sql"], {})
        rows = con.execute(done.sql).fetchall()
    except PortabilityError:
        return "refused"
    except duckdb.Error:
        return "raises"
    kinds = [k for _, k in done.columns]
    shown = [[canonical(v, k) for v, k in zip(row, kinds, strict=True)] for row in rows]
    texts = sorted(row[0] if len(row) == 1 else f"({', '.join(row)})" for row in shown)
    wanted = sorted(case["value"].removeprefix("+").split(" | ")) if case["value"] else [""]
    same = texts == wanted or (not rows and wanted == [""])
    return "equal" if same and ", ".join(map(str, kinds)) == plain(case["type"]) else f"differs: {texts} {kinds}"


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_a_case_is_equal_or_refused(con: duckdb.DuckDBPyConnection, case: dict[str, str]) -> None:
    assert outcome(con, case) == case["verdict"], case["sql"]


def test_nothing_differs_silently() -> None:
    verdicts = Counter((c["verdict"], c["value"] == "error") for c in CASES)
    assert {v for v, _ in verdicts} == {"equal", "refused", "raises"}
    assert verdicts["equal", True] == 0
    assert verdicts["equal", False] >= 518
    assert verdicts["raises", False] <= 6


@pytest.mark.parametrize(
    ("sql", "where", "why"),
    [
        ("select 1,\n  n || 'x' from gold.t", "2:3", "bigint || varchar · refused by Athena"),
        ("select n\nfrom gold.t\nwhere arbitrary(n) = 1", "3:7", "arbitrary() · any row's value · write min or max"),
        ("select m from gold.t", "1:8", "m · is no column of the tables in FROM"),
        ("select 1 from gold.u", "1:15", "gold.u · is no table whose columns are known · it has: gold.t"),
    ],
)
def test_a_refusal_says_where_why_and_what_to_write(sql: str, where: str, why: str) -> None:
    with pytest.raises(PortabilityError) as refused:
        translate(sql, {"gold.t": {"n": "BIGINT"}}, "q.sql")
    assert str(refused.value).startswith(f"q.sql:{where}: {why}")


def test_columns_of_tables_have_the_types_of_their_lake(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "create schema gold; create table gold.t as select 7 as n, 10.00::decimal(10,2) as d, date '2024-05-01' as day"
    )
    schemas = {"gold.t": {"n": "INTEGER", "d": "DECIMAL(10,2)", "day": "DATE"}}
    done = translate(
        "select n / 2 as half, d / 3 third, avg(d) over () as mean, date_trunc('month', day) m from gold.t", schemas
    )
    assert [(n, str(t)) for n, t in done.columns] == [
        ("half", "integer"), ("third", "decimal(10,2)"), ("mean", "decimal(10,2)"), ("m", "date"),
    ]  # fmt: skip
    found = con.execute(done.sql)
    assert [str(d[1]) for d in found.description] == ["INTEGER", "DECIMAL(10,2)", "DECIMAL(10,2)", "DATE"]
    assert [str(v) for v in found.fetchall()[0]] == ["3", "3.33", "10.00", "2024-05-01"]


def test_names_are_seen_where_athena_sees_them() -> None:
    schemas = {"gold.t": {"n": "BIGINT"}}
    assert translate("select distinct (n) from gold.t order by n", schemas).columns[0][0] == "n"
    with pytest.raises(PortabilityError, match=r"q\.sql:1:50: m · is no column of the tables in FROM"):
        translate("with r as (select n as m from gold.t group by n, m) select r.m from r", schemas, "q.sql")
