"""The three DAGs end to end on the real local services, and what a run may meet on the way."""

from __future__ import annotations

import json
import logging
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from lakehouse.history import list_runs
from lakehouse.run import run_lake
from lakehouse.store import Store
from tests.integration.airflow.conftest import QUIET, Dags, results, states
from tests.integration.conftest import Place
from tests.integration.small import suite
from tests.integration.test_kill import change, content, source_content
from tests.integration.test_restore import dumped

pytestmark = QUIET
RUN = "manual__2026-03-01T00:00:00+00:00"


def objects(place: Place, *prefixes: str) -> set[str]:
    store = Store(place.project.lake)
    return {o.key for prefix in prefixes for o in store.find(f"{store.layout.prefix}{prefix}")}


def lock(place: Place, value: dict[str, Any] | None) -> None:
    store = Store(place.project.lake)
    key = store.layout.run_lock
    store.delete([key]) if value is None else store.put_json(key, value)


OTHER = {"run_id": "another", "host": "elsewhere", "pid": 1, "since": "2026-03-01T00:00:00+00:00"}


def test_a_dag_run_makes_what_a_run_of_the_command_line_makes_and_a_cleared_one_repeats_nothing(dags: Dags) -> None:
    place = dags.place
    done = dags.run("medallion_etl_pipeline")
    assert set(states(done).values()) == {"success"}
    other = {**place.environment, "LAKEHOUSE_LAKE": place.environment["LAKEHOUSE_LAKE"] + "-cli"}
    by_dags = content(place)
    assert by_dags == source_content(place)
    [record] = list_runs(place.project, 5)
    assert (record["run"], record["done"], record["exit"], record["rows"]) == (RUN, 5, 0, 844)
    assert not objects(place, "runs/_lock")
    assert objects(place, "lake.duckdb")

    said = json.dumps(results(done))
    assert '"rows": 400' in said
    assert "Customer" not in said and place.source_url not in said

    before = objects(place, "bronze", "silver", "gold")
    again = dags.run("medallion_etl_pipeline")
    assert set(states(again).values()) == {"success"}
    assert objects(place, "bronze", "silver", "gold") == before
    assert {k: v["outcome"] for k, v in results(again).items() if k.endswith("orders:return_value")} == {
        "bronze.orders:return_value": "nothing",
        "silver.orders:return_value": "nothing",
        "gold.monthly_orders:return_value": "nothing",
    }
    [record] = list_runs(place.project, 5)
    assert (record["done"], record["rows"]) == (5, 844)

    change(place, 1)
    assert dags.run("medallion_etl_pipeline", day=2, full=True).state == "success"
    by_dags = content(place)
    from tests.integration.conftest import reset_glue

    reset_glue(place.environment["LAKEHOUSE_GLUE_ENDPOINT"])
    assert run_lake(replace(place, environment=other).project).exit_code == 0
    assert content(replace(place, environment=other)) == by_dags == source_content(place)


def test_a_failed_gate_fails_the_run_at_once_blocks_what_depends_on_it_and_is_reported(
    dags: Dags, caplog: pytest.LogCaptureFixture
) -> None:
    place = dags.place
    no = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "max_value": 499}}
    place.write("expectations/silver/orders.json", suite("silver.orders", "id", no))
    caplog.set_level(logging.INFO, "lakehouse.dags")
    done = dags.run("medallion_etl_pipeline")
    assert done.state == "failed"
    found = states(done)
    assert found["silver.orders"] == "failed"
    assert found["gold.monthly_orders"] == "upstream_failed"
    assert {found[t] for t in ("silver.customers", "bronze.orders", "report")} == {"success"}
    [said] = [m for m in caplog.messages if "failed for good" in m]
    assert "medallion_etl_pipeline silver.orders failed for good: silver.orders, run manual__2026" in said
    assert "1 of 4 expectations failed (amount must be between (max_value 499): 1 of 400 rows)" in said
    assert "500" not in said, "a row's value is in the log"
    place_of = place.environment["LAKEHOUSE_LAKE"]
    assert f"run record: {place_of}/runs/{RUN}.json; data docs: {place_of}/site/" in said
    assert f"quarantined rows: {place_of}/quarantine/silver/orders/" in said
    assert results(done)["silver.orders:links"]["quarantined rows"] == f"{place_of}/quarantine/silver/orders/"
    [record] = list_runs(place.project, 5)
    assert (record["exit"], record["done"], record["gate"], record["blocked"]) == (3, 3, 1, 1)

    # The suite corrected, the failed tasks cleared: the run goes on from the copy it has.
    place.write("expectations/silver/orders.json", suite("silver.orders", "id"))
    bronze = objects(place, "bronze")
    assert dags.run("medallion_etl_pipeline").state == "success"
    assert objects(place, "bronze") == bronze
    assert content(place) == source_content(place)


def test_what_passes_is_tried_again_and_what_does_not_is_not(dags: Dags, caplog: pytest.LogCaptureFixture) -> None:
    place = dags.place
    dag = dags.bag.dags["medallion_etl_pipeline"]
    caplog.set_level(logging.INFO, "lakehouse.dags")
    lock(place, OTHER)
    told = dag.get_task("extract").on_retry_callback
    callbacks = told if isinstance(told, list) else [told]
    dag.get_task("extract").on_retry_callback = [*callbacks, lambda context: lock(place, None)]
    assert dags.run("medallion_etl_pipeline", tables=["silver.orders"]).state == "success"
    [said] = [m for m in caplog.messages if "will be tried again" in m]
    assert "extract, attempt 1, will be tried again: Run another is at work on this lake (host elsewhere" in said

    caplog.clear()
    place.sql("alter table orders rename amount to price")
    place.write("queries/bronze/orders.sql", "-- Orders.\nselect id, amount from source.orders\n")
    done = dags.run("medallion_etl_pipeline", day=2)
    assert done.state == "failed"
    assert states(done)["validate_source"] == "failed"
    assert states(done)["report"] == "success"
    assert not [m for m in caplog.messages if "will be tried again" in m]
    [said] = [m for m in caplog.messages if "failed for good" in m]
    assert 'column "amount" does not exist' in said


def test_only_the_tables_asked_for_and_what_they_read_are_made(dags: Dags) -> None:
    done = dags.run("medallion_etl_pipeline", tables=["silver.orders"])
    assert done.state == "success"
    skipped = {t for t, s in states(done).items() if s == "skipped"}
    assert skipped == {"bronze.customers", "silver.customers", "gold.monthly_orders"}
    assert len(list_runs(dags.place.project, 1)) == 1


def test_a_dump_is_restored_and_announces_the_source(dags: Dags, tmp_path: Path) -> None:
    from airflow.models.asset import AssetDagRunQueue, AssetEvent
    from airflow.utils.session import create_session

    place = dags.place
    dump = dumped(place, tmp_path / "sales.dump", "--format=custom")
    place.sql("delete from orders")
    store = Store(place.project.lake)
    store.put(f"{store.layout.prefix}sales.dump", dump.read_bytes(), "application/octet-stream")
    done = dags.run("restore_sales_dump", dump=f"{place.environment['LAKEHOUSE_LAKE']}/sales.dump")
    assert done.state == "success"
    assert place.sql("select count(*) from orders") == [(400,)]
    with create_session() as session:
        event = session.query(AssetEvent).order_by(AssetEvent.id.desc()).first()
        assert event is not None
        assert (event.asset.name, event.extra) == ("lakehouse_source", {"tables": 2, "rows": 420})
        assert "medallion_etl_pipeline" in {q.target_dag_id for q in session.query(AssetDagRunQueue)}

    missing = dags.run("restore_sales_dump", day=2, dump="no/such.dump")
    assert missing.state == "failed"
    assert place.sql("select count(*) from orders") == [(400,)]


def finish_crawls_at_once(endpoint: str) -> None:
    """moto's crawlers stay at work until told not to."""
    body = {"model_name": "glue::crawl", "transition": {"progression": "immediate"}}
    post(f"{endpoint}/moto-api/state-manager/set-transition", body)


def post(url: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status in (200, 201)


def test_crawlers_run_the_catalog_agrees_and_athena_answers(
    dags: Dags, trino_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    place = dags.place
    endpoint = place.environment["LAKEHOUSE_GLUE_ENDPOINT"]
    finish_crawls_at_once(endpoint)
    glue = boto3.client("glue", endpoint_url=endpoint, region_name="us-east-1")
    for task in dags.bag.dags["trigger_glue_crawlers"].tasks:
        vars(task)["poke_interval"] = 1
    assert run_lake(place.project).exit_code == 0
    missing = dags.run("trigger_glue_crawlers")
    assert missing.state == "failed"
    assert states(missing)["crawl"] == "failed"

    for layer in ("bronze", "silver", "gold"):
        targets = {"S3Targets": [{"Path": f"{place.environment['LAKEHOUSE_LAKE']}/{layer}/"}]}
        glue.create_crawler(Name=f"sales-{layer}", Role="arn:aws:iam::1:role/r", DatabaseName=layer, Targets=targets)
    [[months]] = place.sql("select count(distinct date_trunc('month', ordered_at at time zone 'UTC')) from orders")
    caplog.set_level(logging.INFO, "lakehouse.dags")
    done = dags.run("trigger_glue_crawlers", day=2)
    assert set(states(done).values()) == {"success"}
    assert results(done)["check_catalog:return_value"] == {"tables": 5}
    assert results(done)["ask_athena:return_value"]["rows"] == months
    assert glue.get_crawler(Name="sales-gold")["Crawler"]["LastCrawl"]["Status"] in ("SUCCEEDED", "COMPLETED")

    glue.delete_table(DatabaseName="bronze", Name="customers")
    caplog.clear()
    done = dags.run("trigger_glue_crawlers", day=3)
    assert states(done)["check_catalog"] == "failed"
    [said] = [m for m in caplog.messages if "check_catalog failed for good" in m]
    assert "Glue and the lake differ in 1 of 5 tables: bronze.customers: not in Glue." in said
    assert "bronze.customers: no longer there" in caplog.messages
    for layer in ("bronze", "silver", "gold"):
        glue.delete_crawler(Name=f"sales-{layer}")
