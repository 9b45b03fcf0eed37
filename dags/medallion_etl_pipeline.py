"""PostgreSQL to gold: one snapshot to bronze, then a task for each table along the models' graph, each one gated."""

from pathlib import Path
from typing import Any

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, Param, TaskGroup, dag, task

from lakehouse.orchestration import dags as lake

HERE = Path(__file__).parent
SOURCE = Asset(name="lakehouse_source", group="lakehouse")
TABLES = lake.tables_of(HERE)


@dag(
    # No start date: with one, the first run would begin the moment the file is deployed.
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 5 * * *", timezone="UTC", run_immediately=False), assets=[SOURCE]
    ),
    catchup=False,
    max_active_runs=1,
    default_args={**lake.RETRIES, "on_failure_callback": lake.tell_failure, "on_retry_callback": lake.tell_retry},
    params={
        "tables": Param([], type="array", items={"type": "string"}, description="None: all. What they read comes too."),
        "full": Param(False, type="boolean", description="Copy and rebuild everything, whatever has changed"),
        "engine": Param(None, type=["null", "string"], enum=[None, "duckdb", "trino", "athena"]),
    },
    tags=["lakehouse"],
    doc_md=__doc__,
)
def medallion_etl_pipeline() -> None:
    @task
    def validate_source(**context: Any) -> Any:
        return lake.validate(HERE, context)

    @task
    def extract(**context: Any) -> Any:
        return lake.extract(HERE, context)

    @task
    def make(table: str, **context: Any) -> Any:
        return lake.make(HERE, context, table)

    @task
    def report(**context: Any) -> Any:
        return lake.report(HERE, context)

    copied, made = validate_source() >> extract(), {}
    groups = {layer: TaskGroup(layer) for layer in ("bronze", "silver", "gold")}
    for table, reads in TABLES.items():
        layer, name = table.split(".")
        outlets = [Asset(name=table, group="lakehouse")] if layer == "gold" else []
        with groups[layer]:
            made[table] = make.override(task_id=name, outlets=outlets)(table)
        ([made[r] for r in reads] or copied) >> made[table]
    list(made.values()) >> report().as_teardown()


medallion_etl_pipeline()
