"""One thing in each service, and whether it is still there."""

from __future__ import annotations

from typing import Any

import boto3
import psycopg2

from tests.integration.stack.conftest import Local


def glue_client(local: Local) -> Any:
    return boto3.client(
        "glue",
        endpoint_url=local.entry("aws")["endpoint"],
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )


def s3_client(local: Local) -> Any:
    store = local.entry("minio")
    return boto3.client(
        "s3",
        endpoint_url=store["endpoint"],
        region_name="us-east-1",
        aws_access_key_id=store["access_key"],
        aws_secret_access_key=store["secret_key"],
    )


def run_sql(local: Local, *statements: str) -> list[Any]:
    """The rows of the last statement; all of them committed."""
    connection = psycopg2.connect(local.entry("postgres")["url"])
    rows: list[Any] = []
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        if cursor.description:
            rows = cursor.fetchall()
    connection.close()
    return rows


def fill(local: Local, mark: str) -> None:
    """A row, an object and a table that carry `mark`."""
    run_sql(local, "create table if not exists marks (mark text)", f"insert into marks values ('{mark}')")
    s3_client(local).put_object(Bucket="lake", Key=f"marks/{mark}", Body=mark.encode())
    glue = glue_client(local)
    if "marks" not in {d["Name"] for d in glue.get_databases()["DatabaseList"]}:
        glue.create_database(DatabaseInput={"Name": "marks", "LocationUri": "s3://lake/marks/"})
    columns = {"Columns": [{"Name": "a", "Type": "string"}], "Location": f"s3://lake/marks/{mark}"}
    glue.create_table(
        DatabaseName="marks",
        TableInput={
            "Name": mark,
            "StorageDescriptor": columns,
            "PartitionKeys": [{"Name": "day", "Type": "string"}],
            "Parameters": {"metadata_location": "1"},
        },
    )
    glue.create_partition(
        DatabaseName="marks", TableName=mark, PartitionInput={"Values": ["2024-05-01"], "StorageDescriptor": columns}
    )


def check(local: Local, mark: str) -> None:
    """They are all there."""
    assert (mark,) in run_sql(local, "select mark from marks")
    assert s3_client(local).get_object(Bucket="lake", Key=f"marks/{mark}")["Body"].read() == mark.encode()
    table = glue_client(local).get_table(DatabaseName="marks", Name=mark)["Table"]
    assert table["StorageDescriptor"]["Location"] == f"s3://lake/marks/{mark}"
    partitions = glue_client(local).get_partitions(DatabaseName="marks", TableName=mark)["Partitions"]
    assert [p["Values"] for p in partitions] == [["2024-05-01"]]
