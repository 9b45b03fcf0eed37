"""DuckDB's answers to translated text are those of a real Trino: measured cases, generated expressions, the lake."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import duckdb
import pytest

from lakehouse.compare import Result, ask_trino, compare_files, difference
from lakehouse.errors import PortabilityError
from lakehouse.portable import install, translate
from lakehouse.portable.dialect import parse
from lakehouse.portable.types import type_of_name
from lakehouse.run import run_lake
from tests.integration.conftest import Place

CASES = Path(__file__).parents[1] / "unit" / "portable" / "cases.csv"
PARTS = 24


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    found = duckdb.connect()
    found.execute("set timezone = 'UTC'")
    install(found)
    return found


def ours(con: duckdb.DuckDBPyConnection, sql: str) -> Result:
    done = translate(sql, {})
    cursor = con.execute(done.sql)
    described = cursor.description or []
    types = tuple(type_of_name(str(d[1])) for d in described)
    return Result(tuple(d[0] for d in described), types, cursor.fetchall())


@pytest.mark.parametrize("part", range(PARTS))
def test_cases_are_equal_to_a_real_trino(con: duckdb.DuckDBPyConnection, trino_url: str, part: int) -> None:
    cases = [c for c in csv.DictReader(CASES.read_text().splitlines(keepends=True)) if c["verdict"] == "equal"]
    found = {}
    for case in cases[part::PARTS]:
        ordered = parse(case["sql"]).args.get("order") is not None
        different = difference(ours(con, case["sql"]), ask_trino(trino_url, case["sql"]), is_ordered=ordered)
        if different:
            found[case["sql"]] = different
    assert found == {}


def test_compare_says_where_a_project_differs(place: Place, trino_url: str) -> None:
    place.environment["LAKEHOUSE_TRINO_URL"] = trino_url
    place.sql("create table shops (id bigint primary key, name text)", "insert into shops values (1, 'a'), (2, 'b')")
    place.write("queries/bronze/shops.sql", "-- Shops.\nselect * from source.shops\n")
    place.write(
        "queries/silver/shops.sql",
        "-- Shops.\n-- key: id\nselect cast(id as bigint) as id, cast(name as varchar) as name\nfrom bronze.shops\n",
    )
    for name in ("bronze.shops", "silver.shops"):
        rows = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}, "severity": "critical"}
        place.write(f"expectations/{name.replace('.', '/')}.json", json.dumps({"name": name, "expectations": [rows]}))
    place.write(
        "queries/analysis/halves.sql",
        "-- Halves?\nselect id / 2 as half, avg(id) as mean from silver.shops group by id\n",
    )
    assert run_lake(place.project).exit_code == 0
    found = compare_files(place.project, [])
    assert [(f.name, f.difference) for f in found] == [
        ("queries/silver/shops.sql", None),
        ("queries/analysis/halves.sql", None),
    ]
    assert found[1].rows == 2


def test_a_difference_names_row_column_values_and_types(trino_url: str) -> None:
    theirs = ask_trino(trino_url, "select 7 / 2 as n, 1.50 as d")
    plain = Result(("n", "d"), (type_of_name("DOUBLE"), type_of_name("DECIMAL(3,2)")), [(3.5, 1.5)])
    assert difference(plain, theirs, is_ordered=True) == "column n: the type is double in DuckDB, integer in Trino"
    wrong = Result(("n", "d"), theirs.types, [(4, "1.50")])
    assert difference(wrong, theirs, is_ordered=True) == "row 1, column n (integer): 4 in DuckDB, 3 in Trino"
    assert difference(Result(("n", "d"), theirs.types, []), theirs, is_ordered=True) == "DuckDB returns 0 rows, Trino 1"
    with pytest.raises(PortabilityError, match="the query:1:8: uuid"):
        translate("select uuid()", {})
