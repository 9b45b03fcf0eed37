"""Every value of every type, and every shape of table: PostgreSQL → bronze → another PostgreSQL, row::text equal."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import psycopg2.errors
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from lakehouse.names import literal, quote
from lakehouse.project import Project
from lakehouse.restoring import restore
from lakehouse.run import run_lake
from tests.integration.conftest import Place, make_place
from tests.integration.values import DEFINITIONS, TYPES

ANY_NUMBER = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 0}, "severity": "critical"}
ROWS = "select t::text from {} t order by 1"
relaxed = partial(
    settings,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # shrinking would run the services for hours
)


@pytest.fixture(scope="module")
def module_place(stack_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    yield from make_place(stack_project, tmp_path_factory.mktemp("exact"))


@pytest.fixture(scope="module")
def second(module_place: Place) -> Iterator[Place]:
    """Another database over the same lake: what is restored there came through bronze."""
    url = urlsplit(module_place.source_url)
    name = url.path.lstrip("/") + "_second"
    server = psycopg2.connect(urlunsplit(url._replace(path="/postgres")))
    server.autocommit = True
    with server.cursor() as cursor:
        cursor.execute(f"create database {name}")
    elsewhere = urlunsplit(url._replace(path=f"/{name}"))
    yield replace(module_place, environment={**module_place.environment, "LAKEHOUSE_SOURCE_URL": elsewhere})
    with server.cursor() as cursor:
        cursor.execute(f"drop database {name} with (force)")
    server.close()


def model(place: Place, table: str, name: str | None = None) -> None:
    place.write(f"queries/bronze/{table}.sql", f"-- {table}.\nselect * from source.{quote(name or table)}\n")
    place.write(
        f"expectations/bronze/{table}.json", json.dumps({"name": f"bronze.{table}", "expectations": [ANY_NUMBER]})
    )


def printed(place: Place, table: str) -> list[str]:
    """Each row as PostgreSQL prints it, with the settings that print it whole."""
    settings = "set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set timezone = 'UTC'; set lc_monetary = 'C'"
    return [row[0] for row in place.sql(f"{settings}; set search_path = public; {ROWS.format(quote(table))}")]


def through_bronze(place: Place, second: Place, tables: list[str]) -> str:
    """Run, and restore what the run left into the second database; the run's id."""
    result = run_lake(place.project, tables, steps=("bronze",))
    assert result.exit_code == 0, [s.message for s in result.steps]
    restore(second.project, result.run_id, tables, replace=True, report=lambda _: None)
    return result.run_id


@pytest.fixture(scope="module")
def zoo(module_place: Place, second: Place) -> Iterator[Place]:
    """A table with a column of every type."""
    statements = [s for s in DEFINITIONS.split(";\n") if s.strip()]
    try:
        module_place.sql("select xml '<a/>'")
    except psycopg2.errors.FeatureNotSupported:  # this server was built without libxml
        TYPES.pop("xml", None)
    columns = ", ".join(f"c{i} {name}" for i, name in enumerate(TYPES))
    module_place.sql(*statements, f"create table zoo (id integer primary key, {columns})")
    model(module_place, "zoo")
    yield module_place


def generated(strategy: st.SearchStrategy[str], count: int, number: int) -> list[str]:
    """`count` values that hypothesis makes; a row of all types would be too large for one example."""
    values: list[str] = []

    @seed(number)
    @relaxed(max_examples=count)
    @given(strategy)
    def collect(value: str) -> None:
        values.append(value)

    collect()
    return values


def insert(place: Place, number: int, count: int) -> int:
    """Fill the table; a text that is no value of its type (a time out of range) becomes null. How many were."""
    columns = [generated(strategy, count, number) for strategy in TYPES.values()]
    connection = psycopg2.connect(place.source_url)
    valid = ", ".join(f"pg_input_is_valid(%s, {literal(name)})" for name in TYPES)
    casts = ", ".join(f"%s::{name}" for name in TYPES)
    held = 0
    with connection, connection.cursor() as cursor:
        cursor.execute("truncate zoo")
        for row_number in range(count):
            row = [values[row_number % len(values)] for values in columns]
            cursor.execute(f"select {valid}", row)
            answers = cursor.fetchone() or ()
            values = [v if ok else None for v, ok in zip(row, answers, strict=True)]
            cursor.execute(f"insert into zoo select %s, {casts}", [row_number, *values])
            held += sum(v is not None for v in values)
    connection.close()
    return held


def check_values(zoo: Place, second: Place, count: int) -> None:
    number = secrets.randbelow(1 << 32)
    held = insert(zoo, number, count)
    print(f"{held} values of {len(TYPES)} types, seed {number}")
    assert held > 0.8 * count * len(TYPES)
    through_bronze(zoo, second, ["zoo"])
    for was, now in zip(printed(zoo, "zoo"), printed(second, "zoo"), strict=True):
        assert was == now, f"seed {number}"


def test_every_value_of_every_type_comes_back(zoo: Place, second: Place) -> None:
    check_values(zoo, second, 60)


@pytest.mark.long
def test_very_many_values_come_back(zoo: Place, second: Place) -> None:
    for _ in range(20):
        check_values(zoo, second, 1000)
