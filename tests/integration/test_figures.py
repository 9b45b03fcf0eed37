"""The demo's numbers, computed a second time by PostgreSQL from its own tables: equal to the cent and the row."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from lakehouse.demo.days import LateCommit, play_second_day
from lakehouse.demo.pack import pack_sales_dump
from lakehouse.extract.restore import restore_dump
from lakehouse.history import quarantined_rows
from lakehouse.programs import postgres_program
from lakehouse.project import Project
from lakehouse.record import RunResult
from lakehouse.run import open_session, run_lake
from tests.integration.conftest import REPOSITORY, Place, make_place

ORACLES = sorted((REPOSITORY / "tests" / "oracle").glob("*.sql"))
Played = tuple[Place, dict[int, dict[str, Any]], tuple[RunResult, RunResult]]


@pytest.fixture(scope="module")
def played(stack_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Both days of the demo, with gold and PostgreSQL's own figures as they were after each."""
    folder = tmp_path_factory.mktemp("figures")
    for place in make_place(stack_project, folder):
        for name in ("queries", "expectations"):
            shutil.copytree(REPOSITORY / name, place.root / name)
        project = place.project
        dump = pack_sales_dump(place.source_url, postgres_program("pg_dump"), folder / "sales.dump", print)
        restored = restore_dump(str(dump), project.source, report=print)
        assert (restored.tables, restored.rows) == (10, 1_841_679)
        late = LateCommit(project.source)
        first = run_lake(project)
        after = {1: figures(place)}
        late.commit()
        play_second_day(project.source)
        second = run_lake(project)
        after[2] = figures(place)
        yield place, after, (first, second)


def figures(place: Place) -> dict[str, tuple[list[str], Counter[Any], Counter[Any]]]:
    """Each gold table twice: as the lake has it, and as PostgreSQL computes it from the source."""
    found = {}
    connection = psycopg2.connect(place.source_url)
    with open_session(place.project) as session, connection.cursor() as cursor:
        for oracle in ORACLES:
            select = session.inputs.select(f"gold.{oracle.stem}")
            assert select is not None
            result = session.con.execute(select)
            columns = [d[0] for d in result.description or []]
            rows = Counter(result.fetchall())
            cursor.execute(oracle.read_text())
            names = [d[0] for d in cursor.description or []]
            places = [names.index(c) for c in columns]
            theirs = Counter(tuple(row[i] for i in places) for row in cursor.fetchall())
            found[oracle.stem] = (columns, rows, theirs)
    connection.close()
    return found


def test_every_gold_table_has_an_oracle() -> None:
    assert {p.stem for p in ORACLES} == {p.stem for p in (REPOSITORY / "queries" / "gold").glob("*.sql")}


@pytest.mark.parametrize("day", [1, 2])
@pytest.mark.parametrize("table", [p.stem for p in ORACLES])
def test_gold_is_equal_to_postgresqls_own_figures(played: Played, day: int, table: str) -> None:
    columns, ours, theirs = played[1][day][table]
    assert sum(ours.values()) > 10
    assert ours == theirs, f"{columns}: only here {list(ours - theirs)[:3]}, only there {list(theirs - ours)[:3]}"


def test_the_second_day_moved_only_what_changed(played: Played) -> None:
    first, second = played[2]
    steps = {str(s.table): s for s in second.steps}
    assert first.exit_code == second.exit_code == 0
    assert {s.scope for s in first.steps} == {"full"}
    copied = {t for t, s in steps.items() if s.table.layer == "bronze" and s.outcome == "done"}
    assert copied == {"bronze.orders", "bronze.order_items"}
    # 439 orders copied from a fortnight before, and the one committed late; the deleted one leaves.
    orders, items = steps["bronze.orders"], steps["bronze.order_items"]
    assert (orders.scope, orders.rows, orders.deleted) == ("increment", 440, 1)
    # Their 3,955 lines, the 3 of the late one, the corrected price and the mistake; 4 lines deleted.
    assert (items.rows, items.deleted) == (3960, 4)
    assert (steps["silver.order_items"].scope, steps["silver.order_items"].files_removed) == ("by_key", 1)
    assert steps["gold.daily_store_sales"].scope == "by_partition"


def test_the_mistake_is_in_quarantine_and_nowhere_else(played: Played) -> None:
    place = played[0]
    columns, rows = quarantined_rows(place.project, "silver.order_items")
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    assert {(r["line_number"], r["quantity"]) for r in found} == {(900, -3)}
    with open_session(place.project) as session:
        select = session.inputs.select("silver.order_items")
        assert session.con.execute(f"select count(*) from ({select}) where quantity < 0").fetchone() == (0,)
        there = place.sql("select count(*) from order_items")[0][0]
        assert session.con.execute(f"select count(*) from ({select})").fetchone() == (there - 1,)
