"""lakehouse init on databases that nobody prepared: what it writes runs, unedited, and holds what the source holds."""

from __future__ import annotations

import json
import resource
import subprocess
import time
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
from click.testing import CliRunner

from lakehouse.cli import cli
from lakehouse.demo.pack import pack_sales_dump
from lakehouse.errors import ProjectError, SourceError
from lakehouse.extract.restore import restore_dump
from lakehouse.lint import lint_project
from lakehouse.names import quote
from lakehouse.programs import postgres_program
from lakehouse.record import RunResult
from lakehouse.run import open_session, run_lake
from lakehouse.scaffold.naming import is_reserved
from lakehouse.scaffold.project import NewProject, create_project
from tests.integration.conftest import Place

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "data"


def begin(place: Place, schema: Path, *schemas: str, tables: tuple[str, ...] = ()) -> tuple[Place, NewProject]:
    """Load a schema, and write a project for it beside the fixture's own."""
    psql = [str(postgres_program("psql")), place.source_url, "-qX1", "-v", "ON_ERROR_STOP=1", "-f", str(schema)]
    subprocess.run(psql, check=True, capture_output=True)
    made = create_project(place.root.parent / "new", place.source_url, schemas or ("public",), tables, report=print)
    return Place(made.directory, place.environment), made


def run_clean(new: Place) -> RunResult:
    """Lint and run it as it is; then again, when there is nothing to do."""
    assert [f for f in lint_project(new.project) if f.severity != "warning"] == []
    result = run_lake(new.project)
    assert [(str(s.table), s.message) for s in result.steps if s.outcome != "done"] == []
    again = run_lake(new.project)
    kept = {str(s.table): s.message for s in again.steps if s.outcome != "nothing"}
    assert {t: m for t, m in kept.items() if "view" not in m and "inherit" not in m and "changed" not in m} == {}
    return result


def silver(new: Place, table: str, columns: str = "*", rest: str = "") -> list[Any]:
    with open_session(new.project) as session:
        select = session.inputs.select(f"silver.{table}")
        assert select is not None
        return session.con.execute(f"select {columns} from ({select}) {rest}").fetchall()


def counts_equal(new: Place, made: NewProject) -> None:
    with open_session(new.project) as session:
        for draft in made.drafts:
            select = session.inputs.select(f"silver.{draft.name}")
            found = session.con.execute(f"select count(*) from ({select})").fetchone()
            assert found == new.sql(f"select count(*) from {draft.found.qualified}")[0], draft.name


def values_equal(new: Place, made: NewProject) -> None:
    """Every table's silver rows are the source's rows, as far as Python has the same value for both."""
    for draft in made.drafts:
        mine, theirs = [], []
        for column in draft.columns:
            name = quote(column.source.name)
            if column.type == "varchar" and column.note is None:
                theirs.append(f"case when {name} is not null then concat({name}) end")
            elif column.source.type.startswith("timestamp") and column.is_temporal:
                theirs.append(f"{name}{' at time zone $$UTC$$' if 'with time zone' in column.source.type else ''}")
            elif column.type in ("integer", "bigint", "boolean", "date", "double") or column.type.startswith("decimal"):
                theirs.append(f"{name}::numeric" if column.type == "decimal(19, 2)" else name)
            else:
                continue
            mine.append(quote(column.name))
        expected = new.sql(f"select {', '.join(theirs)} from {draft.found.qualified}")
        found = silver(new, draft.name, ", ".join(mine))
        assert sorted(map(repr, found)) == sorted(map(repr, expected)), draft.name


def sql_of(new: Place, path: str) -> str:
    return (new.root / "queries" / f"{path}.sql").read_text()


def suite_of(new: Place, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((new.root / "expectations" / f"{path}.json").read_text())["expectations"]
    return found


@pytest.mark.parametrize("schema", ["keys", "keyless", "partitioned", "circular"])
def test_a_project_runs_as_it_was_written(place: Place, schema: str) -> None:
    new, made = begin(place, HERE / "schemas" / f"{schema}.sql")
    run_clean(new)
    values_equal(new, made)


def test_northwind_runs_as_it_was_written(place: Place) -> None:
    new, made = begin(place, SHARED / "northwind.sql")
    run_clean(new)
    values_equal(new, made)


def test_names_and_keys_survive_what_people_call_things(place: Place) -> None:
    new, made = begin(place, HERE / "schemas" / "mixed_case.sql")
    kept = [word for (word,) in place.sql("select word from pg_get_keywords() where catcode in ('R', 'T')")]
    assert [word for word in kept if not is_reserved(word)] == []
    run_clean(new)
    values_equal(new, made)
    assert silver(new, "order_table", 'order_id, customer_name, grosse, "from"', "where order_id = 1") == [
        (1, "Ann 1", Decimal("0.25"), date(2024, 1, 2))
    ]
    assert silver(new, "order_line", "a, a_2, a_3", "where id = 1") == [(2, 1, 3)]
    assert silver(new, "order_line_2", "count(*)") == [(300,)]
    # Renamed keys still find their rows: a change moves only itself.
    new.sql(
        'update "Order" set "Customer Name" = \'Bea\' where "OrderID" = 1',
        'delete from "OrderLine" where "Line No" = 5',
    )
    again = run_lake(new.project)
    scopes = {str(s.table): (s.outcome, s.scope) for s in again.steps}
    assert scopes["bronze.order_table"] == ("done", "increment")
    assert scopes["silver.order_table"] == ("done", "by_key")
    assert silver(new, "order_table", "customer_name", "where order_id = 1") == [("Bea",)]


def test_types_hold_their_values_exactly_and_the_rest_says_why(place: Place) -> None:
    new, made = begin(place, HERE / "schemas" / "types.sql")
    run_clean(new)
    values_equal(new, made)
    found = silver(new, "samples", "done, price, raw, yes, moment, matrix, any_number, padded", "where id = 2")
    assert found == [
        (
            Decimal("12.50"),
            Decimal("-1234.56"),
            b"\x00\xff",
            True,
            datetime(2024, 6, 1, 10, 0, 0, 123000),
            "{{1,2},{3,4}}",
            "0.000000000000000000000000000002",
            "ab   ",
        )
    ]
    sql = sql_of(new, "silver/samples")
    assert "cast(matrix as varchar) as matrix,  -- integer[]: an array, kept as PostgreSQL prints it" in sql
    assert silver(new, "extremes", "d, n, f", "where id = 1") == [("infinity", "NaN", float("-inf"))]
    assert "cast(ok_date as date) as ok_date" in sql_of(new, "silver/extremes")
    labels = next(
        e
        for e in suite_of(new, "silver/samples")
        if e["kwargs"].get("column") == "feeling" and "value_set" in e["kwargs"]
    )
    assert labels["kwargs"]["value_set"] == ["sad", "ok", "happy", 'it\'s "fine"']
    assert {d.name for d in made.drafts} == {"samples", "extremes"}
    # What the type could not hold stops at bronze, and nothing becomes null or another value.
    new.sql("update extremes set ok_date = 'infinity' where id = 2")
    again = run_lake(new.project)
    assert again.exit_code == 3
    stopped = next(s for s in again.steps if str(s.table) == "bronze.extremes")
    assert "ok_date" in stopped.message
    assert silver(new, "extremes", "ok_date", "where id = 2") == [(date(2024, 1, 2),)]


def test_constraints_become_expectations_and_rows_proposals(place: Place) -> None:
    new, _ = begin(place, HERE / "schemas" / "keys.sql")
    stock = suite_of(new, "silver/stock")
    said = {(e["type"], e["kwargs"].get("column")): e for e in stock}
    between = "expect_column_values_to_be_between"
    quantity = said[between, "quantity"]
    assert quantity["kwargs"] == {"column": "quantity", "max_value": 1000000, "strict_max": True}
    assert said[between, "unit_cost"]["kwargs"] == {"column": "unit_cost", "min_value": 0, "strict_min": True}
    assert said["expect_column_values_to_be_in_set", "condition"]["kwargs"]["value_set"] == ["new", "used", "broken"]
    assert {e["severity"] for e in stock if e["meta"]["why"].startswith("proposal:")} <= {"warning"}
    sites = suite_of(new, "silver/sites")
    queries = [e["kwargs"]["unexpected_rows_query"] for e in sites if e["type"] == "unexpected_rows_expectation"]
    assert queries == [
        "select b.* from {batch} b left join silver.regions r on b.country = r.country and b.region_code = r.code "
        "where b.country is not null and b.region_code is not null and r.country is null",
        "select b.* from {batch} b left join {batch} r on b.parent_id = r.id "
        "where b.parent_id is not null and r.id is null",
    ]
    assert "-- key: site_id, label" in sql_of(new, "silver/bins")
    assert "inner join silver" not in sql_of(new, "gold/daily_stock")
    assert "-- public.stock - What was counted" in sql_of(new, "bronze/stock")


def test_personal_columns_each_have_the_line_that_hashes_them(place: Place) -> None:
    new, made = begin(place, HERE / "schemas" / "circular.sql")
    employees = next(d for d in made.drafts if d.name == "employees")
    assert set(employees.personal) == {"first_name", "last_name", "email", "birth_date", "salary"}
    bronze = sql_of(new, "bronze/employees")
    line = next(text for text in bronze.splitlines() if text.startswith("    email,"))
    hashed = line.split(", or ")[1]
    assert hashed == "encode(sha256(convert_to(email::text, 'UTF8')), 'hex') as email,"
    # The line it offers works as it stands.
    (new.root / "queries/bronze/employees.sql").write_text(bronze.replace(line, f"    {hashed}"))
    assert run_lake(new.project, ["employees"]).exit_code == 0
    expected = new.sql("select encode(sha256(convert_to(email, 'UTF8')), 'hex') from employees where id = 7")
    assert silver(new, "employees", "email", "where id = 7") == expected


def test_several_schemas_share_one_lake(place: Place) -> None:
    new, made = begin(place, HERE / "schemas" / "several.sql", "sales", "hr")
    assert {d.found.label: d.name for d in made.drafts} == {
        "sales.people": "sales_people",
        "hr.people": "hr_people",
        "sales.deals": "deals",
        "hr.Sick Days": "sick_days",
    }
    assert 'from source."hr.Sick Days"' in sql_of(new, "bronze/sick_days")
    run_clean(new)
    values_equal(new, made)


def test_views_come_when_they_are_named(place: Place) -> None:
    new, made = begin(place, HERE / "schemas" / "partitioned.sql", tables=("sensors", "last_readings"))
    assert {d.name for d in made.drafts} == {"sensors", "last_readings"}
    run_lake(new.project)
    values_equal(new, made)
    assert "-- key: none" in sql_of(new, "silver/last_readings")


def test_what_cannot_be_begun_says_why_and_leaves_nothing(place: Place) -> None:
    place.sql(
        "create schema shop", "create table shop.orders (id bigint primary key)", "create view shop.v as select 1 as a"
    )
    target = place.root.parent / "new"
    with pytest.raises(
        SourceError, match=r"schema public has no tables\. Schemas with tables: shop \(1\)\. .*--schema shop"
    ):
        create_project(target, place.source_url)
    with pytest.raises(SourceError, match=r"there is no schema 'shopp'"):
        create_project(target, place.source_url, ["shopp"])
    with pytest.raises(SourceError, match=r"there is no table 'order'\. Did you mean 'orders'\?"):
        create_project(target, place.source_url, ["shop"], ["order"])
    with pytest.raises(ProjectError, match=r"--source is not a PostgreSQL URL"):
        create_project(target, "mysql://root:secret@localhost/x", ["shop"])
    with pytest.raises(ProjectError, match=r"is not empty: it holds lakehouse\.toml\. init writes a whole project"):
        create_project(place.root, place.source_url, ["shop"])
    assert sorted(p.name for p in place.root.parent.iterdir()) == ["project"]
    made = create_project(target, place.source_url, ["shop"])
    assert made.left_out == (("shop.v", "a view: copied whole each time; name it with --tables"),)


@pytest.mark.long
def test_three_hundred_tables_run_as_they_were_written(place: Place) -> None:
    began = time.monotonic()
    new, made = begin(place, HERE / "schemas" / "many.sql")
    print(f"init of {len(made.drafts)} tables: {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    run_clean(new)
    print(f"lint and two runs: {time.monotonic() - began:.1f} s")
    assert len(made.drafts) == 300
    counts_equal(new, made)


@pytest.mark.long
def test_the_sample_database_runs_as_it_was_written(place: Place) -> None:
    dump = pack_sales_dump(place.source_url, postgres_program("pg_dump"), place.root / "sales.dump", print)
    restore_dump(str(dump), place.project.source, report=print)
    made = create_project(place.root.parent / "new", place.source_url, report=print)
    new = Place(made.directory, place.environment)
    run_clean(new)
    counts_equal(new, made)
    assert "inner join silver" in sql_of(new, "gold/daily_order_items") or "ordered_at" in sql_of(
        new, "gold/daily_order_items"
    )


def test_a_disk_that_fills_up_leaves_nothing(place: Place) -> None:
    place.sql("create table t (id bigint primary key, note text)")
    target = place.root.parent / "new"
    target.mkdir()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        with pytest.raises(ProjectError, match=r"could not be written: File too large\. Nothing of it is there\."):
            create_project(target, place.source_url, report=lambda _: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert list(target.iterdir()) == []
    assert sorted(p.name for p in target.parent.iterdir()) == ["new", "project"]
    create_project(target, place.source_url, report=lambda _: None)
    assert (target / "queries/silver/t.sql").exists()


def test_the_command_shows_what_it_found_and_writes_no_secret(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.sql(*(HERE / "schemas" / "circular.sql").read_text().split(";\n"))
    target = place.root.parent / "company"
    monkeypatch.setenv("LAKEHOUSE_SOURCE_URL", place.source_url)
    done = CliRunner().invoke(cli, ["init", str(target)])
    assert done.exit_code == 0, done.output
    assert "4 tables" in done.stdout
    assert "public.employees" in done.stdout
    assert "5 columns look personal: queries/bronze has for each the line that drops or hashes it." in done.stdout
    assert f"Written to {target}. Next: cd {target}" in done.stderr
    password = urlsplit(place.source_url).password
    assert password
    texts = [p.read_text() for p in target.rglob("*") if p.is_file()]
    assert not any(password in text for text in [*texts, done.output])
    nbformat.validate(json.loads((target / "notebooks/first_look.ipynb").read_text()))
    compile((target / "dags/medallion_etl_pipeline.py").read_text(), "dag", "exec")
    again = CliRunner().invoke(
        cli, ["--json", "init", str(place.root.parent / "second"), "--tables", "employees,projects"]
    )
    told = json.loads(again.stdout)
    assert [t["table"] for t in told["tables"]] == ["public.employees", "public.projects"]
    assert told["tables"][0]["personal"]["email"] == "a mail address"
    assert told["tables"][0]["references"] == ["employees"]
