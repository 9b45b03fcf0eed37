"""The estimate of what a query scans, against what Trino counts; and the cap that stands on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lakehouse.ask import answer_on_cluster
from lakehouse.engines.trino import TrinoEngine
from lakehouse.errors import EngineError
from lakehouse.project import Project
from lakehouse.run import Session, open_session, run_lake
from lakehouse.scan import Tables, estimate_scan
from tests.integration.conftest import Place, make_place
from tests.integration.small import suite

SILVER = """-- Facts.
-- key: id
with l as (select *, row_number() over (partition by id order by _ingested_at desc) as r from bronze.facts)
select
    cast(id as bigint) as id, cast(day as date) as day, cast(note as varchar) as note,
    cast(amount as decimal(12, 2)) as amount
from l where r = 1 and _op = 'upsert'
"""
GOLD = "-- Facts.\n-- key: id\n-- partition_by: month(day)\nselect id, day, note, amount from silver.facts\n"


@pytest.fixture(scope="module")
def facts(stack_project: Project, trino_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """silver.facts in one file above the size that is read whole; gold.facts in a file for each of four months."""
    for place in make_place(stack_project, tmp_path_factory.mktemp("facts")):
        place.sql(
            "create table facts (id bigint primary key, day date not null, note text, amount numeric(12, 2))",
            "insert into facts select n, date '2024-01-01' + (n % 120)::int, md5(n::text) || md5((-n)::text), "
            "n * 1.5 from generate_series(1, 100000) n",
        )
        place.write("queries/bronze/facts.sql", "-- facts.\nselect * from source.facts\n")
        place.write("queries/silver/facts.sql", SILVER)
        place.write("queries/gold/facts.sql", GOLD)
        for layer in ("bronze", "silver", "gold"):
            place.write(f"expectations/{layer}/facts.json", suite(f"{layer}.facts", "id"))
        assert run_lake(place.project).exit_code == 0
        yield place


@pytest.fixture(scope="module")
def session(facts: Place) -> Iterator[Session]:
    with open_session(facts.project) as session:
        yield session


def estimate(session: Session, sql: str) -> int:
    return sum(s.bytes for s in estimate_scan(sql, Tables(session.inputs.table, session.inputs.manifest)))


@pytest.mark.parametrize(
    "sql",
    [
        "select sum(amount) from silver.facts",
        "select max(note) from silver.facts",
        "select * from silver.facts",
        "select count(*) from silver.facts",
        "select id from silver.facts where amount < 10",
        "select max(note) from gold.facts",
        "select sum(amount) from gold.facts where day >= date '2024-03-01' and day < date '2024-04-01'",
        "select sum(amount) from gold.facts where day between date '2024-01-10' and date '2024-02-09' and id > 0",
        "select sum(amount) from gold.facts where day in (date '2024-01-01', date '2024-04-01')",
        "with a as (select * from silver.facts) select max(x.amount), min(y.amount) from a x join a y on x.id = y.id",
        "select max(a.amount) from gold.facts a join silver.facts b on a.id = b.id where a.day = date '2024-01-05'",
        "select sum(amount) from silver.facts where id in (select id from gold.facts where day < date '2024-02-01')",
        "select count(*) from bronze.facts",
    ],
)
def test_it_is_what_trino_counts(session: Session, trino: TrinoEngine, sql: str) -> None:
    with trino.query(sql) as result:
        assert list(result.batches)
        scanned = result.receipt().bytes_scanned
    assert scanned is not None
    # What Trino reads between the pages that it wants differs with how they lie in the file.
    assert scanned * 0.98 <= estimate(session, sql) <= scanned * 1.2


@pytest.mark.parametrize(
    "sql",
    [
        # What is not understood counts as read: more, never less.
        "select count(*) from gold.facts where date_trunc('month', day) = date '2024-02-01'",
        "select sum(amount) from gold.facts where cast(day as varchar) like '2024-02%'",
        "select sum(amount) from (select * from gold.facts union all select * from silver.facts) "
        "where day > date '2024-04-01'",
    ],
)
def test_it_is_never_too_little(session: Session, trino: TrinoEngine, sql: str) -> None:
    with trino.query(sql) as result:
        assert list(result.batches)
        scanned = result.receipt().bytes_scanned
    assert scanned is not None and estimate(session, sql) >= scanned * 0.99


def test_it_says_how_much_of_what(session: Session) -> None:
    tables = Tables(session.inputs.table, session.inputs.manifest)
    (part,) = estimate_scan("select note from gold.facts where day = date '2024-01-05'", tables)
    assert (part.files, part.files_total, part.columns, part.is_whole) == (1, 4, ("day", "note"), False)
    (whole,) = estimate_scan("select * from gold.facts", tables)
    assert whole.is_whole and whole.partitions == ("day",)
    assert str(whole).startswith("gold.facts: ") and str(whole).endswith("MB (4 of 4 files, 4 columns)")
    (silver,) = estimate_scan("select * from silver.facts", tables)
    assert not silver.is_whole
    assert estimate_scan("select 1", tables) == [] == estimate_scan("select * from gold.nothing", tables)


def test_a_query_over_the_cap_is_not_run_unless_told(facts: Place) -> None:
    facts.environment["LAKEHOUSE_ATHENA_MAX_BYTES"] = "1MB"
    project, sql = facts.project, "select max(note) as n from silver.facts"
    over = answer_on_cluster(project, "athena", sql)
    with (
        pytest.raises(
            EngineError, match=r"would scan about \d\.\d MB on Athena, more than the 1.0 MB that this"
        ) as refused,
        over,
    ):
        pass
    assert "silver.facts: " in str(refused.value) and "Nothing was run." in str(refused.value)
    with answer_on_cluster(project, "athena", sql, max_bytes=100_000_000) as found:
        assert len(next(found.batches())) == 1
        assert found.receipt is not None and found.receipt.bytes_scanned
    with answer_on_cluster(project, "athena", "select count(*) as n from silver.facts") as found:
        assert list(found.batches()) == [[(100_000,)]]

    done = run_lake(project, ["gold.facts"], full=True, engine="athena", steps=("gold",))
    (step,) = done.steps
    assert step.outcome == "failed" and "queries/gold/facts.sql: gold.facts would scan about" in step.message
    del facts.environment["LAKEHOUSE_ATHENA_MAX_BYTES"]
