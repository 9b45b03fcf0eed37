"""`changes: cursor(column, overlap)`: only rows above the last maximum are read; what that misses is what is said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lakehouse.lint import lint_project
from lakehouse.record import StepResult
from lakehouse.run import run_lake
from tests.integration.conftest import Place
from tests.integration.test_drift import rows

SUITE = '{"name": "bronze.t", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "id"}}]}'


@pytest.fixture
def shop(place: Place) -> Iterator[Place]:
    place.sql("create table t (id integer primary key, v text, touched timestamptz)")
    hours = "timestamptz '2024-01-01 00:00+00' + g * interval '1 hour'"
    place.sql(f"insert into t select g, 'a', {hours} from generate_series(1, 100) g")
    place.write("queries/bronze/t.sql", "-- t.\n-- changes: cursor(touched, 90 minutes)\nselect * from source.t\n")
    place.write("expectations/bronze/t.json", SUITE)
    assert run(place).message == "first copy"
    yield place


def run(place: Place, *, full: bool = False) -> StepResult:
    return run_lake(place.project, ["bronze.t"], full=full).steps[0]


def test_only_rows_above_the_cursor_are_read(shop: Place) -> None:
    shop.sql(
        "update t set v = 'b', touched = '2024-02-01 00:00+00' where id = 5", "insert into t values (101, 'n', null)"
    )
    step = run(shop)
    assert (step.scope, step.rows, step.rows_read) == ("increment", 4, 4)  # two of the overlap, the update, the null
    assert step.message.startswith("touched above run")
    assert rows(shop, "select count(*) from bronze.t where v = 'b'") == [(1,)]


def test_what_it_misses_a_full_copy_finds(shop: Place) -> None:
    shop.sql("delete from t where id = 7", "update t set v = 'silent' where id = 8")
    step = run(shop)
    assert step.deleted == 0
    assert rows(shop, "select count(*) from bronze.t where v = 'silent'") == [(0,)]
    assert run(shop, full=True).scope == "full"
    assert rows(shop, "select count(*), count(*) filter (where v = 'silent') from bronze.t") == [(99, 1)]


def test_lint_says_the_risk_and_fails_nothing(shop: Place) -> None:
    (found,) = [f for f in lint_project(shop.project) if "cursor" in f.message]
    assert found.severity == "warning"
    assert "misses deleted rows, rows updated without touching touched, and commits that take longer" in found.message


def test_a_column_that_is_not_there(shop: Place) -> None:
    model = "-- t.\n-- changes: cursor(changed, 5 minutes)\nselect * from source.t\n"
    shop.write("queries/bronze/t.sql", model)
    step = run(shop)
    assert step.outcome == "failed"
    assert "has no column 'changed', which the model's header names: changes: cursor(…). It has: id, v" in step.message


@pytest.mark.parametrize("text", ["cursor", "cursor(a)", "cursor(a, soon)", "always"])
def test_a_header_that_says_nothing(shop: Place, text: str) -> None:
    shop.write("queries/bronze/t.sql", f"-- t.\n-- changes: {text}\nselect * from source.t\n")
    (found,) = lint_project(shop.project)
    assert "is neither snapshot nor a cursor; write cursor(updated_at, 1 hour)" in found.message
