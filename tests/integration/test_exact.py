"""Every value of every type, and every shape of table: PostgreSQL → bronze → another PostgreSQL, row::text equal."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import psycopg2.errors
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from lakehouse.errors import SourceError, UsageError
from lakehouse.names import literal, quote
from lakehouse.project import Project
from lakehouse.restoring import restore
from lakehouse.run import run_lake
from tests.integration.conftest import Place, make_place
from tests.integration.shapes import Shape, shapes
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


def through_bronze(place: Place, second: Place, tables: list[str]) -> None:
    """Run, and restore what the run left into the second database."""
    result = run_lake(place.project, tables, steps=("bronze",))
    assert result.exit_code == 0, [s.message for s in result.steps]
    restore(second.project, result.run_id, tables, replace=True, report=lambda _: None)


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


def generated(strategy: st.SearchStrategy[Any], count: int, number: int) -> list[Any]:
    """`count` values that hypothesis makes; a row of all types would be too large for one example."""
    values: list[Any] = []

    @seed(number)
    @relaxed(max_examples=count)
    @given(strategy)
    def collect(value: Any) -> None:
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


def check_shapes(place: Place, second: Place, count: int) -> None:
    """Make `count` tables at once, change them, and see each come back after both runs."""
    number = secrets.randbelow(1 << 32)
    place.sql("drop schema public cascade", "create schema public")
    for left in place.root.glob("queries/bronze/*.sql"):
        left.unlink()
    made: dict[str, Shape] = {}
    for shape in generated(shapes(), count, number):
        if not any(shape.name == s.name for s in made.values()):
            made[f"t{len(made)}"] = shape
            place.sql(*shape.statements())
    for table, shape in made.items():
        model(place, table, shape.name)
    for _ in ("copied whole", "changed"):
        through_bronze(place, second, list(made))
        for table, shape in made.items():
            assert printed(second, table) == printed(place, shape.name), f"{shape}, seed {number}"
        for shape in made.values():
            name = quote(shape.name)
            place.sql(f"update {name} set {quote(shape.columns[-1][0])} = null where id = 2 and {shape.key != 'two'}")
            place.sql(f"delete from {name} where id = 1")


def test_every_shape_of_table_comes_back(module_place: Place, second: Place) -> None:
    check_shapes(module_place, second, 30)


@pytest.mark.long
def test_very_many_shapes_come_back(module_place: Place, second: Place) -> None:
    for _ in range(20):
        check_shapes(module_place, second, 100)


def test_as_many_columns_as_a_table_can_have(module_place: Place, second: Place) -> None:
    columns = ", ".join(f"c{i} {('integer', 'boolean', 'smallint', 'date')[i % 4]}" for i in range(1599))
    module_place.sql(
        f"create table widest (id integer primary key, {columns})",
        "insert into widest (id, c0, c1598) select g, g, g from generate_series(1, 50) g",
    )
    model(module_place, "widest")
    through_bronze(module_place, second, ["widest"])
    assert printed(second, "widest") == printed(module_place, "widest")


def test_a_row_of_forty_megabytes(module_place: Place, second: Place) -> None:
    module_place.sql(
        "create table long_rows (id integer primary key, body text)",
        "insert into long_rows values (1, repeat('ab\"\\', 10000000)), (2, 'short'), (3, null)",
    )
    model(module_place, "long_rows")
    through_bronze(module_place, second, ["long_rows"])
    rows = "select id, md5(body), length(body) from long_rows order by id"
    assert second.sql(rows) == module_place.sql(rows)
    module_place.sql(
        "update long_rows set body = repeat('x', 17000000) where id = 2", "delete from long_rows where id = 1"
    )
    through_bronze(module_place, second, ["long_rows"])
    assert second.sql(rows) == module_place.sql(rows)


def test_columns_that_differ_only_in_case_are_refused_with_the_line_to_write(module_place: Place) -> None:
    module_place.sql('create table twins (id integer primary key, "Id" text, "ID" text)')
    model(module_place, "twins")
    result = run_lake(module_place.project, ["bronze.twins"])
    assert result.exit_code == 1
    said = result.steps[0].message
    assert "the columns 'id', 'Id', 'ID' differ only in case" in said
    assert 'select "Id" as id_2, "ID" as id_3' in said


def test_the_source_is_not_overwritten_unless_told(module_place: Place) -> None:
    module_place.sql("create table kept (id integer primary key)", "insert into kept values (1)")
    model(module_place, "kept")
    run_id = run_lake(module_place.project, ["kept"], steps=("bronze",)).run_id
    module_place.sql("insert into kept values (2)")
    with pytest.raises(SourceError, match=r"1 of 1 tables are there already \(kept\)\. Nothing was restored\."):
        restore(module_place.project, run_id, ["kept"], report=lambda _: None)
    assert module_place.sql("select count(*) from kept") == [(2,)]
    assert restore(module_place.project, run_id, ["kept"], replace=True, report=lambda _: None).rows == 1
    assert module_place.sql("select count(*) from kept") == [(1,)]


def test_neither_a_file_nor_a_run(module_place: Place) -> None:
    with pytest.raises(SourceError, match=r"no_such: there is no such file, and no such run in this lake"):
        restore(module_place.project, "no_such", report=lambda _: None)
    run_id = run_lake(module_place.project, steps=()).run_id
    with pytest.raises(UsageError, match=r"bronze has no table 'kepd'. Did you mean 'kept'\?"):
        restore(module_place.project, run_id, ["kepd"], report=lambda _: None)
