"""After gold: Glue's crawlers look at the lake, the catalog is held against it, and Athena is asked a question."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, Param, dag, task

from lakehouse.orchestration import dags as lake

HERE = Path(__file__).parent
GOLD = [Asset(name=table, group="lakehouse") for table in lake.tables_of(HERE) if table.startswith("gold.")]


@dag(
    schedule=GOLD,  # once all of them were made since the last time
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={**lake.RETRIES, "on_failure_callback": lake.tell_failure, "on_retry_callback": lake.tell_retry},
    params={
        "crawlers": Param(lake.crawlers_of(HERE), type="array", items={"type": "string"}),
        "workgroup": Param("primary", type="string", description="Athena's"),
    },
    tags=["lakehouse"],
    doc_md=__doc__,
)
def trigger_glue_crawlers() -> None:
    @task
    def crawl(**context: Any) -> int:
        return lake.start_crawlers(HERE, context)

    @task.sensor(mode="reschedule", poke_interval=20, timeout=timedelta(hours=1).total_seconds())
    def crawled(**context: Any) -> bool:
        return lake.is_crawled(HERE, context)

    @task
    def check_catalog(**context: Any) -> Any:
        return lake.check_catalog(HERE, context)

    @task
    def ask_athena(**context: Any) -> Any:
        return lake.ask_athena(HERE, context)

    @task
    def report_schemas(**context: Any) -> Any:
        return lake.report_schemas(HERE, context)

    crawl() >> crawled() >> [check_catalog(), ask_athena(), report_schemas()]


trigger_glue_crawlers()
