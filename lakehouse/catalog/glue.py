"""Bronze in Glue: a table of strings over the JSON SerDe, one partition for each run of its live chain."""

from __future__ import annotations

from typing import Any

from lakehouse.catalog.bronze import ChainLink, Manifest
from lakehouse.catalog.iceberg import Catalog
from lakehouse.errors import CatalogError
from lakehouse.names import TableName

SERDE = "org.openx.data.jsonserde.JsonSerDe"
INPUT_FORMAT = "org.apache.hadoop.mapred.TextInputFormat"
OUTPUT_FORMAT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
BATCH = 25  # what one call of BatchCreate/BatchDeletePartition takes on AWS is 100 and 25


def register_bronze(catalog: Catalog, manifest: Manifest) -> None:
    """Show the newest chain of a bronze table to Athena: new runs first, then superseded ones go.

    Readers in between see a run twice at most, which the silver models' latest-version rule makes harmless.

    Raises:
        CatalogError: Glue refused or failed; calling again repairs it.
    """
    name = TableName("bronze", manifest.table)
    with catalog.explained(name):
        catalog.ensure_database("bronze")
        _put_table(catalog, manifest)
        wanted = {link.run_id: link for link in manifest.chain}
        present = _present(catalog, manifest.table)
        missing = [link for run_id, link in wanted.items() if run_id not in present]
        for start in range(0, len(missing), BATCH):
            new = [_partition(catalog, link) for link in missing[start : start + BATCH]]
            done = catalog.glue.batch_create_partition(
                DatabaseName="bronze", TableName=manifest.table, PartitionInputList=new
            )
            _refuse_errors(name, done, expected="AlreadyExistsException")
        gone = [{"Values": values} for run_id, values in present.items() if run_id not in wanted]
        for start in range(0, len(gone), BATCH):
            done = catalog.glue.batch_delete_partition(
                DatabaseName="bronze", TableName=manifest.table, PartitionsToDelete=gone[start : start + BATCH]
            )
            _refuse_errors(name, done, expected="EntityNotFoundException")


def _put_table(catalog: Catalog, manifest: Manifest) -> None:
    wanted = _table_input(catalog, manifest)
    try:
        found = catalog.glue.get_table(DatabaseName="bronze", Name=manifest.table)["Table"]
    except catalog.glue.exceptions.EntityNotFoundException:
        try:
            catalog.glue.create_table(DatabaseName="bronze", TableInput=wanted)
        except catalog.glue.exceptions.AlreadyExistsException:
            return  # another process was faster, with the same columns
        return
    if found["StorageDescriptor"]["Columns"] != wanted["StorageDescriptor"]["Columns"]:
        catalog.glue.update_table(DatabaseName="bronze", TableInput=wanted)


def _table_input(catalog: Catalog, manifest: Manifest) -> dict[str, Any]:
    layout = catalog.store.layout
    columns = [_column(c.name, f"{c.type}{f': {c.comment}' if c.comment else ''}") for c in manifest.columns]
    columns += [_column("_op", "upsert, or delete with the key columns alone"), _column("_ingested_at", "UTC, as text")]
    return {
        "Name": manifest.table,
        "Description": (manifest.comment or "")[:2048],
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "json", "compressionType": "zstd", "EXTERNAL": "TRUE"},
        "PartitionKeys": [_column("_run_date", "day the run began"), _column("_run_id", "the run")],
        "StorageDescriptor": {
            "Columns": columns,
            "Location": layout.url(layout.bronze_table(manifest.source, manifest.table)),
            "InputFormat": INPUT_FORMAT,
            "OutputFormat": OUTPUT_FORMAT,
            "SerdeInfo": {"SerializationLibrary": SERDE},
        },
    }


def _column(name: str, comment: str) -> dict[str, str]:
    # Glue keeps names in lower case and comments to 255 characters.
    return {"Name": name.lower(), "Type": "string", "Comment": comment[:255]}


def _partition(catalog: Catalog, link: ChainLink) -> dict[str, Any]:
    return {
        "Values": _values(link),
        "StorageDescriptor": {
            "Location": catalog.store.layout.url(link.prefix),
            "InputFormat": INPUT_FORMAT,
            "OutputFormat": OUTPUT_FORMAT,
            "SerdeInfo": {"SerializationLibrary": SERDE},
        },
    }


def _values(link: ChainLink) -> list[str]:
    day = link.prefix.split("/run_date=")[1].split("/")[0]
    return [day, link.run_id]


def _present(catalog: Catalog, table: str) -> dict[str, list[str]]:
    pages = catalog.glue.get_paginator("get_partitions").paginate(
        DatabaseName="bronze", TableName=table, ExcludeColumnSchema=True
    )
    return {p["Values"][1]: p["Values"] for page in pages for p in page["Partitions"]}


def _refuse_errors(name: TableName, answer: dict[str, Any], *, expected: str) -> None:
    """Batch calls answer 200 and list what failed; only the failure that means "already so" is none."""
    errors = [e for e in answer.get("Errors", []) if e["ErrorDetail"]["ErrorCode"] != expected]
    if errors:
        first = errors[0]
        raise CatalogError(
            f"{name}: Glue did not register {len(errors)} runs; the first, {first['PartitionValues']}: "
            f"{first['ErrorDetail'].get('ErrorMessage', first['ErrorDetail']['ErrorCode'])}. The copy itself is whole. "
            "Register it again: lakehouse catalog",
            retryable=True,
        )
