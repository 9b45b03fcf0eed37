"""The local Athena executes: asked by boto3, our engine, pyathena, awswrangler and Airflow's hook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import boto3
import pyarrow as pa
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lakehouse import stack
from lakehouse.engines import open_cluster
from lakehouse.engines.athena import AthenaEngine
from lakehouse.errors import EngineError
from lakehouse.project import Project, local_service
from lakehouse.run import open_session, run_lake
from lakehouse.store import aws_client
from tests.integration.conftest import Place, make_place
from tests.integration.engines.test_trino import rows, steps
from tests.integration.small import small_shop

OUTPUT = "s3://lake/athena-tests/"
MANY = "unnest(sequence(1, 10000))"
SLOW = f"select count(*) from {MANY} a(x), {MANY} b(y), {MANY} c(z)"


@pytest.fixture
def athena(stack_project: Project, trino_url: str) -> Any:
    return aws_client(stack_project.lake, "athena", stack_project.lake.catalog_endpoint)


@pytest.fixture
def s3(stack_project: Project) -> Any:
    return aws_client(stack_project.lake, "s3", stack_project.lake.endpoint)


@pytest.fixture
def engine(stack_project: Project, trino_url: str) -> AthenaEngine:
    return AthenaEngine(stack_project.lake, stack_project.athena)


@pytest.fixture(scope="module")
def shop(stack_project: Project, trino_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The small shop, promoted; the tests of this file share it."""
    for place in make_place(stack_project, tmp_path_factory.mktemp("shop")):
        place.environment["LAKEHOUSE_TRINO_URL"] = trino_url
        small_shop(place)
        assert run_lake(place.project).exit_code == 0
        yield place


@pytest.fixture
def workgroup(athena: Any) -> Iterator[str]:
    """A workgroup of the test's own, whose location is enforced."""
    name = f"w{uuid4().hex[:8]}"
    configuration = {
        "EnforceWorkGroupConfiguration": True,
        "ResultConfiguration": {"OutputLocation": f"{OUTPUT}{name}"},
    }
    athena.create_work_group(Name=name, Configuration=configuration)
    yield name
    athena.delete_work_group(WorkGroup=name, RecursiveDeleteOption=True)


def start(athena: Any, sql: str, **more: Any) -> str:
    request = {"ResultConfiguration": {"OutputLocation": OUTPUT}, **more}
    return str(athena.start_query_execution(QueryString=sql, **request)["QueryExecutionId"])


def wait(athena: Any, query_id: str) -> dict[str, Any]:
    while True:
        found: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        if found["Status"]["State"] not in ("QUEUED", "RUNNING"):
            return found
        time.sleep(0.05)


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as e:
        call(**request)
    return e.value.response["Error"]["Code"], e.value.response["Error"]["Message"]


def test_a_query_has_results_a_csv_and_statistics(athena: Any, s3: Any) -> None:
    query_id = start(
        athena, "select 1 as a, cast(null as varchar) as b, 'x\"y' as c union all select 2, '', null order by 1;"
    )
    done = wait(athena, query_id)
    assert done["Status"]["State"] == "SUCCEEDED"
    assert (done["StatementType"], done["SubstatementType"], done["WorkGroup"]) == ("DML", "SELECT", "primary")
    assert done["ResultConfiguration"]["OutputLocation"] == f"{OUTPUT}{query_id}.csv"
    assert done["Statistics"]["TotalExecutionTimeInMillis"] > 0
    body = s3.get_object(Bucket="lake", Key=f"athena-tests/{query_id}.csv")["Body"].read().decode()
    assert body == '"a","b","c"\n"1",,"x""y"\n"2","",\n'
    assert s3.head_object(Bucket="lake", Key=f"athena-tests/{query_id}.csv.metadata")
    first = athena.get_query_results(QueryExecutionId=query_id, MaxResults=2)
    assert first["ResultSet"]["Rows"] == [
        {"Data": [{"VarCharValue": "a"}, {"VarCharValue": "b"}, {"VarCharValue": "c"}]},
        {"Data": [{"VarCharValue": "1"}, {}, {"VarCharValue": 'x"y'}]},
    ]
    info = first["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(c["Name"], c["Type"], c["Precision"]) for c in info] == [
        ("a", "integer", 10),
        ("b", "varchar", 2147483647),
        ("c", "varchar", 3),
    ]
    rest = athena.get_query_results(QueryExecutionId=query_id, NextToken=first["NextToken"])
    assert rest["ResultSet"]["Rows"] == [{"Data": [{"VarCharValue": "2"}, {"VarCharValue": ""}, {}]}]
    assert "NextToken" not in rest
    assert athena.list_query_executions(MaxResults=1)["QueryExecutionIds"] == [query_id]
    batch = athena.batch_get_query_execution(QueryExecutionIds=[query_id, "no-such"])
    assert [q["QueryExecutionId"] for q in batch["QueryExecutions"]] == [query_id]
    assert [q["QueryExecutionId"] for q in batch["UnprocessedQueryExecutionIds"]] == ["no-such"]


def test_values_are_printed_as_athena_prints_them(athena: Any) -> None:
    sql = (
        "select 1e10, 0.1e0, 100e0, 1e-5, nan(), infinity(), real '1.5', true, x'00ff', 1.50, date '2024-02-29', "
        "timestamp '2024-05-01 12:00:00.120', timestamp '2024-05-01 12:00:00.000 UTC', array[1, null], "
        "map(array['k'], array[1e10]), cast(row(1, 'x') as row(a int, b varchar))"
    )
    query_id = start(athena, sql)
    wait(athena, query_id)
    data = athena.get_query_results(QueryExecutionId=query_id)["ResultSet"]["Rows"][1]["Data"]
    assert [c["VarCharValue"] for c in data] == [
        "1.0E10", "0.1", "100.0", "1.0E-5", "NaN", "Infinity", "1.5", "true", "00 ff", "1.50", "2024-02-29",
        "2024-05-01 12:00:00.120", "2024-05-01 12:00:00.000 UTC", "[1, null]", "{k=1.0E10}", "{a=1, b=x}",
    ]  # fmt: skip


def test_errors_have_athenas_classes_and_states(athena: Any) -> None:
    call, given = athena.start_query_execution, {"ResultConfiguration": {"OutputLocation": OUTPUT}}
    code, message = refused(call, QueryString="\nselec 1", **given)
    assert code == "InvalidRequestException" and message.startswith("line 2:1: mismatched input 'selec'")
    assert refused(call, QueryString="select 1")[1].startswith("No output location provided.")
    assert refused(call, QueryString="select 1", WorkGroup="nope", **given)[1] == "WorkGroup nope is not found."
    nowhere = {"ResultConfiguration": {"OutputLocation": "s3://no-such-bucket-here/x"}}
    assert (
        refused(call, QueryString="select 1", **nowhere)[1]
        == "Unable to verify/create output bucket no-such-bucket-here"
    )
    said = refused(call, QueryString="create external table t (a int) location 's3://lake/t'", **given)[1]
    assert said.startswith("the local Athena does not run CREATE EXTERNAL: it is Hive's DDL, and Trino has none.")

    failed = wait(athena, start(athena, "select nothing"))
    assert failed["Status"]["State"] == "FAILED"
    assert failed["Status"]["StateChangeReason"] == "COLUMN_NOT_FOUND: line 1:8: Column 'nothing' cannot be resolved"
    assert failed["Status"]["AthenaError"]["ErrorCategory"] == 2 and not failed["Status"]["AthenaError"]["Retryable"]
    code, message = refused(athena.get_query_results, QueryExecutionId=failed["QueryExecutionId"])
    assert message == "Query did not finish successfully. Final query state: FAILED"
    assert refused(athena.get_query_execution, QueryExecutionId="gone") == (
        "InvalidRequestException",
        "QueryExecution gone was not found",
    )


def test_a_query_is_stopped_and_a_token_repeats_nothing(athena: Any) -> None:
    token = uuid4().hex
    query_id = start(athena, SLOW, ClientRequestToken=token)
    assert start(athena, SLOW, ClientRequestToken=token) == query_id
    _, message = refused(athena.get_query_results, QueryExecutionId=query_id)
    assert message.startswith("Query has not yet finished. Current state: ")
    athena.stop_query_execution(QueryExecutionId=query_id)
    done = wait(athena, query_id)
    assert (done["Status"]["State"], done["Status"]["StateChangeReason"]) == ("CANCELLED", "Query cancelled by user")
    athena.stop_query_execution(QueryExecutionId=query_id)
    assert wait(athena, query_id)["Status"]["State"] == "CANCELLED"


def test_a_workgroup_enforces_its_location_and_its_cutoff(shop: Place, athena: Any, workgroup: str) -> None:
    done = wait(athena, start(athena, "select * from silver.orders", WorkGroup=workgroup))
    assert done["ResultConfiguration"]["OutputLocation"] == f"{OUTPUT}{workgroup}/{done['QueryExecutionId']}.csv"
    assert done["Statistics"]["DataScannedInBytes"] > 1000
    name = f"{workgroup}-small"
    configuration = {"BytesScannedCutoffPerQuery": 100, "ResultConfiguration": {"OutputLocation": OUTPUT}}
    # AWS, and so boto3, wants 10 MB at least, which takes longer to make.
    unchecked = Config(parameter_validation=False)
    boto3.client(
        "athena", endpoint_url=athena.meta.endpoint_url, region_name="us-east-1", config=unchecked
    ).create_work_group(Name=name, Configuration=configuration)
    assert wait(athena, start(athena, "select 1", WorkGroup=name))["Status"]["State"] == "SUCCEEDED"
    stopped = wait(athena, start(athena, "select * from silver.orders", WorkGroup=name))["Status"]
    assert (stopped["State"], stopped["StateChangeReason"]) == (
        "CANCELLED",
        "Query cancelled! : Bytes scanned limit was exceeded",
    )


def test_parameters_ctas_unload_and_insert(shop: Place, athena: Any, s3: Any) -> None:
    place, folder = shop, f"athena-tests/{uuid4().hex}"
    context = {"QueryExecutionContext": {"Database": "silver", "Catalog": "AwsDataCatalog"}}
    done = wait(athena, start(athena, "select name from customers where id = ?", ExecutionParameters=["7"], **context))
    data = athena.get_query_results(QueryExecutionId=done["QueryExecutionId"])["ResultSet"]["Rows"]
    assert data[1]["Data"] == [{"VarCharValue": "Customer 7"}] and done["ExecutionParameters"] == ["7"]

    select = "select id, amount from orders where id <= 10 -- ten\n"
    unload = f"UNLOAD ({select}) TO 's3://lake/{folder}/u/' WITH (format = 'PARQUET', compression = 'SNAPPY')"
    done = wait(athena, start(athena, unload, **context))
    assert done["Status"]["State"] == "SUCCEEDED", done["Status"]
    manifest = done["Statistics"]["DataManifestLocation"].removeprefix("s3://lake/")
    files = s3.get_object(Bucket="lake", Key=manifest)["Body"].read().decode().split()
    assert files and all(f.startswith(f"s3://lake/{folder}/u/") for f in files)
    with open_session(place.project) as session:
        assert session.con.execute("select count(*), sum(amount) from read_parquet(?)", [files]).fetchall() == [
            (10, Decimal("68.75"))
        ]

    at = f"s3://lake/{folder}"
    ctas = f"create table \"silver\".\"made\" with (external_location = '{at}/c/', format = 'PARQUET') as {select}"
    assert wait(athena, start(athena, ctas, **context))["Status"]["State"] == "SUCCEEDED"
    made = (
        f"create table silver.ice with (table_type = 'ICEBERG', is_external = false, location = '{at}/i', "
        "format = 'PARQUET') as select * from silver.made"
    )
    assert wait(athena, start(athena, made))["Status"]["State"] == "SUCCEEDED"
    inserted = wait(athena, start(athena, "insert into silver.ice select id + 100, amount from silver.made"))
    assert athena.get_query_results(QueryExecutionId=inserted["QueryExecutionId"])["UpdateCount"] == 10
    shown = wait(athena, start(athena, "SHOW TABLES IN `silver` 'ic*'"))
    assert shown["ResultConfiguration"]["OutputLocation"].endswith(".txt")
    listed = athena.get_query_results(QueryExecutionId=shown["QueryExecutionId"])["ResultSet"]["Rows"]
    assert listed == [{"Data": [{"VarCharValue": "ice"}]}]
    dropped = ("drop table `silver`.`made`", "drop table silver.ice", "create database `other`", "drop database other")
    for statement in dropped:
        assert wait(athena, start(athena, statement))["Status"]["State"] == "SUCCEEDED", statement
    with open_session(place.project) as session:
        tables = [t["Name"] for t in session.catalog.glue.get_tables(DatabaseName="silver")["TableList"]]
    assert sorted(tables) == ["customers", "orders"]


def test_it_tells_databases_and_tables_as_glue_has_them(shop: Place, athena: Any) -> None:
    named = {"CatalogName": "AwsDataCatalog"}
    assert [d["Name"] for d in athena.list_databases(**named)["DatabaseList"]][:3] == ["bronze", "gold", "silver"]
    assert athena.get_database(DatabaseName="gold", **named)["Database"]["Name"] == "gold"
    listed = athena.list_table_metadata(DatabaseName="silver", Expression="ord*", **named)["TableMetadataList"]
    assert [t["Name"] for t in listed] == ["orders"]
    table = athena.get_table_metadata(DatabaseName="silver", TableName="orders", **named)["TableMetadata"]
    assert [(c["Name"], c["Type"]) for c in table["Columns"]][:3] == [
        ("id", "bigint"),
        ("customer_id", "bigint"),
        ("amount", "decimal(10,2)"),
    ]
    assert table["Parameters"]["table_type"] == "ICEBERG"
    bronze = athena.get_table_metadata(DatabaseName="bronze", TableName="orders", **named)["TableMetadata"]
    assert [c["Name"] for c in bronze["PartitionKeys"]] == ["_run_date", "_run_id"]
    with pytest.raises(ClientError, match=r"MetadataException.*table silver\.nope"):
        athena.get_table_metadata(DatabaseName="silver", TableName="nope", **named)


def test_the_engine_reads_every_type_and_says_the_cost(engine: AthenaEngine) -> None:
    sql = (
        "select cast(1.50 as decimal(38, 2)) d, timestamp '2024-05-01 12:00:00.123456' t, date '2024-02-29' day, "
        "timestamp '2024-05-01 12:00:00.123456 Europe/Berlin' tz, '' e, cast(null as varchar) n, 'a\n\"b' q, "
        "x'00ff' b, nan() nan, true yes, 12345678901 big"
    )
    with engine.query(sql) as result:
        (row,) = [row for batch in result.batches for row in batch.to_pylist()]
        receipt = result.receipt()
    assert str(row.pop("nan")) == "nan"
    assert row == {
        "d": Decimal("1.50"),
        "t": datetime(2024, 5, 1, 12, 0, 0, 123456),
        "day": date(2024, 2, 29),
        "tz": datetime(2024, 5, 1, 10, 0, 0, 123456, tzinfo=UTC),
        "e": "",
        "n": None,
        "q": 'a\n"b',
        "b": b"\x00\xff",
        "yes": True,
        "big": 12345678901,
    }
    assert result.schema.field("d").type == pa.decimal128(38, 2)
    assert receipt.cost_usd == 0.00005 and receipt.query_id
    assert str(receipt).endswith("0.0 MB scanned, about $0.00005")
    with engine.query("select cast(null as varchar) a union all select 'x' union all select null") as result:
        assert sorted([r["a"] for b in result.batches for r in b.to_pylist()], key=str) == [None, None, "x"]
    with engine.query("select 1 as a where 1 = 0") as result:
        assert list(result.batches) == [] and result.schema == pa.schema([("a", pa.int32())])


def test_the_engine_reads_nested_values_or_says_why_not(engine: AthenaEngine) -> None:
    sql = (
        "select array['[a, b]', null] a, map(array['k'], array[1.50]) m, cast(null as array(bigint)) n, "
        "cast(row(1, timestamp '2024-05-01 12:00:00.123456') as row(x bigint, t timestamp(6))) r"
    )
    with engine.query(sql) as result:
        (row,) = [row for batch in result.batches for row in batch.to_pylist()]
    assert row == {
        "a": ["[a, b]", None],
        "m": [("k", Decimal("1.50"))],
        "n": None,
        "r": {"x": 1, "t": datetime(2024, 5, 1, 12, 0, 0, 123456)},
    }
    assert result.types[1] == "map(varchar(1), decimal(3, 2))"
    ordered = engine.query("select array[1] as a order by 1")
    with pytest.raises(EngineError, match="the column a is an array, map or row, which Athena prints as text"), ordered:
        pass


def test_the_engine_stops_what_it_started(engine: AthenaEngine, athena: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.execute(SLOW)
    monkeypatch.undo()
    (newest, *_) = athena.list_query_executions()["QueryExecutionIds"]
    assert wait(athena, newest)["Status"]["State"] == "CANCELLED"


def test_its_errors_name_the_query_and_the_workgroup(engine: AthenaEngine) -> None:
    with pytest.raises(
        EngineError, match=r"Athena at http://.*, workgroup primary, query [0-9a-f-]{36}: FAILED: DIVISION_BY_ZERO"
    ):
        engine.execute("select 1 / x from (values 0) t(x)")
    with pytest.raises(EngineError, match="workgroup primary: InvalidRequestException: line 1:1: mismatched input"):
        engine.execute("selec 1")


def test_models_made_on_it_are_the_same_row_for_row(shop: Place) -> None:
    place = shop
    wanted = {"silver.orders": "id", "silver.customers": "id", "gold.monthly_orders": "order_month"}
    assert run_lake(place.project).exit_code == 0
    first = {table: rows(place, table, order) for table, order in wanted.items()}
    done = run_lake(place.project, full=True, engine="athena")
    assert set(steps(done).values()) == {"asked for; on athena"}
    assert {table: rows(place, table, order) for table, order in wanted.items()} == first
    made = {s["table"]: s["made_by"] for s in done.to_json()["steps"]}["silver.orders"]
    assert made["engine"] == "athena" and made["bytes_scanned"] > 0 and made["cost_usd"] == 0.00005 and made["query_id"]


def test_pyathena_reads_it(shop: Place, stack_project: Project) -> None:
    import pyathena

    endpoint = local_service(stack_project, "aws")["endpoint"]
    with pyathena.connect(s3_staging_dir=OUTPUT, region_name="us-east-1", endpoint_url=endpoint) as connection:
        cursor = connection.cursor()
        cursor.execute("select id, amount, ordered_at from silver.orders where id <= %(most)d order by id", {"most": 2})
        assert cursor.fetchall() == [
            (1, Decimal("1.25"), datetime(2024, 1, 15, 18)),
            (2, Decimal("2.50"), datetime(2024, 1, 16)),
        ]
        with pytest.raises(pyathena.error.OperationalError, match="TABLE_NOT_FOUND: line 1:15"):
            cursor.execute("select * from silver.nope")


# awswrangler gives pandas an argument that pandas 3 is about to drop.
@pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")
@pytest.mark.parametrize(
    "how", [{"ctas_approach": False}, {"ctas_approach": True}, {"ctas_approach": False, "unload_approach": True}]
)
def test_awswrangler_reads_it(shop: Place, stack_project: Project, how: dict[str, bool]) -> None:
    import awswrangler as wr

    endpoint = local_service(stack_project, "aws")["endpoint"]
    wr.config.athena_endpoint_url = wr.config.glue_endpoint_url = wr.config.sts_endpoint_url = endpoint
    wr.config.s3_endpoint_url = local_service(stack_project, "minio")["endpoint"]
    session = boto3.Session(region_name="us-east-1")
    output = f"{OUTPUT}{uuid4().hex}/"
    extra = {"s3_output": output} | how
    read: Any = wr.athena.read_sql_query
    frame = read(
        "select id, amount from silver.orders where id <= 3", database="silver", boto3_session=session, **extra
    )
    assert sorted(zip(frame["id"].tolist(), frame["amount"].tolist(), strict=True)) == [
        (1, Decimal("1.25")),
        (2, Decimal("2.50")),
        (3, Decimal("3.75")),
    ]


def test_airflows_hook_runs_it(stack_project: Project, trino_url: str, tmp_path: Any) -> None:
    code = (
        "import json\n"
        "from airflow.providers.amazon.aws.hooks.athena import AthenaHook\n"
        "hook = AthenaHook(aws_conn_id='aws_default', region_name='us-east-1')\n"
        f"query = hook.run_query('select 41 + 1 as a', {{'Database': 'default'}}, {{'OutputLocation': '{OUTPUT}'}})\n"
        "state = hook.poll_query_status(query, max_polling_attempts=50, sleep_time=0.1)\n"
        "rows = hook.get_query_results(query)['ResultSet']['Rows']\n"
        "broken = hook.run_query('select nope', {'Database': 'default'}, "
        f"{{'OutputLocation': '{OUTPUT}'}})\n"
        "hook.poll_query_status(broken, max_polling_attempts=50, sleep_time=0.1)\n"
        "reason = hook.get_state_change_reason(broken)\n"
        "print('FOUND', json.dumps([state, rows[1], hook.get_output_location(query), reason]))\n"
    )
    connection = {"conn_type": "aws", "extra": {"endpoint_url": local_service(stack_project, "aws")["endpoint"]}}
    environment = os.environ | {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection), "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "FOUND" in done.stdout, done.stderr[-2000:]
    state, row, location, reason = json.loads(done.stdout.split("FOUND ")[1].splitlines()[0])
    assert (state, row) == ("SUCCEEDED", {"Data": [{"VarCharValue": "42"}]})
    assert location.startswith(OUTPUT)
    assert reason == "COLUMN_NOT_FOUND: line 1:8: Column 'nope' cannot be resolved"


def test_without_trino_a_query_says_how_to_start_it(stack_project: Project, athena: Any, trino_url: str) -> None:
    from lakehouse.stack.services import state_of

    state = state_of(stack_project)
    kept = state.path.read_text()
    without = {name: entry for name, entry in json.loads(kept).items() if name != "trino"}
    state.path.write_text(json.dumps(without))
    try:
        failed = wait(athena, start(athena, "select 1"))
    finally:
        state.path.write_text(kept)
    assert failed["Status"]["State"] == "FAILED" and failed["Status"]["AthenaError"]["Retryable"]
    assert failed["Status"]["StateChangeReason"].endswith("which is not up. Start it: lakehouse up --trino")
    assert {s.name for s in stack.status(stack_project)} >= {"trino"}


def test_a_project_asks_its_own_athena(stack_project: Project) -> None:
    found = open_cluster(stack_project, "athena")
    assert isinstance(found, AthenaEngine) and found.settings.workgroup == "primary"
