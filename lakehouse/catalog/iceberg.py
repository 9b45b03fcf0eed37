"""Silver and gold: Iceberg tables in Glue, read by field id and committed in one snapshot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.types import duckdb_type
from lakehouse.errors import CatalogError, CommitConflict
from lakehouse.names import STAGING, TableName, literal, quote
from lakehouse.store import Store, aws_client, error_code, explain_s3_error

if TYPE_CHECKING:
    from pyiceberg.catalog.glue import GlueCatalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

RUN_ID = "lakehouse.run-id"
MODEL = "lakehouse.model"
INPUTS = "lakehouse.inputs"
SUITE = "lakehouse.suite"
QUARANTINED = "lakehouse.quarantined-rows"

# A commit that lost the race must be staged anew, never replayed over what won: pyiceberg may not retry by itself.
TABLE_PROPERTIES = {
    "format-version": "2",
    "commit.retry.num-retries": "0",
    "write.parquet.compression-codec": "zstd",
    "write.target-file-size-bytes": str(128 << 20),
}


@dataclass(frozen=True)
class TableVersion:
    """One committed version of a table, as its snapshot tells it. `inputs` maps each table read to its version."""

    snapshot_id: int
    committed_at_ms: int
    run_id: str
    model: str
    suite: str
    inputs: Mapping[str, str]
    rows: int
    quarantined_rows: int
    operation: str


@dataclass(frozen=True)
class Catalog:
    """The Glue catalog of one lake."""

    store: Store

    @cached_property
    def glue(self) -> Any:
        """A boto3 Glue client that retries: for reading, and for what can be repeated safely."""
        return aws_client(self.store.lake, "glue", self.store.lake.catalog_endpoint)

    @cached_property
    def _iceberg(self) -> GlueCatalog:
        from pyiceberg.catalog.glue import GlueCatalog

        lake = self.store.lake
        properties = {"s3.region": lake.region, "glue.region": lake.region}
        if lake.endpoint:
            properties |= {"s3.endpoint": lake.endpoint, "s3.force-virtual-addressing": "false"}
        if lake.credentials:
            secret = lake.credentials.secret_key.reveal()
            properties |= {"s3.access-key-id": lake.credentials.access_key, "s3.secret-access-key": secret}
        # Sent once: were UpdateTable repeated after a lost answer, the second would be refused as a conflict, and
        # pyiceberg would delete the metadata that the first had just made live.
        client = aws_client(lake, "glue", lake.catalog_endpoint, retries=False)
        return GlueCatalog("lakehouse", client=client, **properties)

    def load(self, name: TableName) -> Table | None:
        """The table as it is now, or None where the catalog has none of that name."""
        from pyiceberg.exceptions import NoSuchTableError

        with self.explained(name):
            try:
                return self._iceberg.load_table((name.layer, name.table))
            except NoSuchTableError:
                return None

    def create_transaction(self, name: TableName, schema: Schema, spec: PartitionSpec) -> Any:
        """A transaction that creates the table together with its first snapshot: until then readers see nothing."""
        layout = self.store.layout
        with self.explained(name):
            self.ensure_database(name.layer)
            location = layout.url(layout.table(name)).rstrip("/")
            return self._iceberg.create_table_transaction(
                (name.layer, name.table), schema, location, spec, properties=TABLE_PROPERTIES
            )

    def ensure_database(self, layer: str) -> None:
        """The layer's Glue database, made if it is not there."""
        location = self.store.layout.url(f"{self.store.layout.prefix}{layer}")
        try:
            self.glue.get_database(Name=layer)
        except self.glue.exceptions.EntityNotFoundException:
            try:
                self.glue.create_database(DatabaseInput={"Name": layer, "LocationUri": location})
            except self.glue.exceptions.AlreadyExistsException:
                return  # another process was faster

    @contextmanager
    def staging_table(self, table: str, metadata_url: str) -> Iterator[Callable[[], Table]]:
        """Show a metadata file as a table of the staging database, for a cluster to write; yields how to load it."""
        from pyiceberg.exceptions import NoSuchTableError

        name = (STAGING, table)
        with self.explained(f"{STAGING}.{table}"):
            self.ensure_database(STAGING)
            self._iceberg.register_table(name, metadata_url)
            try:
                yield lambda: self._iceberg.load_table(name)
            finally:
                with suppress(NoSuchTableError):
                    self._iceberg.drop_table(name)

    @contextmanager
    def explained(self, name: TableName | str) -> Iterator[None]:
        """Turn errors of pyiceberg, Glue and S3 into ours."""
        from botocore.exceptions import BotoCoreError, ClientError
        from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError, ValidationException

        try:
            yield
        except (CommitFailedException, TableAlreadyExistsError, ValidationException) as e:
            raise CommitConflict(
                f"{name}: another run committed to it first. Nothing of this run became visible in it. "
                "Run again: it starts from what is there now."
            ) from e
        except (BotoCoreError, ClientError) as e:
            raise self._explain(e, name) from e
        except OSError as e:
            raise explain_s3_error(e, self.store.lake, str(name)) from e

    def _explain(self, error: Exception, name: TableName | str) -> CatalogError:
        at = self.store.lake.catalog_endpoint or f"AWS ({self.store.lake.region})"
        code = error_code(error)
        if code in ("AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "ExpiredTokenException"):
            return CatalogError(f"{name}: Glue at {at} refused ({code}). See what is missing: lakehouse doctor.")
        return CatalogError(f"{name}: Glue at {at} did not do it: {error}. Is it up? lakehouse status", retryable=True)


def current_version(table: Table) -> TableVersion | None:
    """The newest version a run of ours committed; None where there is none, or somebody else changed rows since."""
    snapshot = table.current_snapshot()
    while snapshot is not None:
        summary = snapshot.summary.additional_properties if snapshot.summary else {}
        operation = snapshot.summary.operation.value if snapshot.summary else ""
        if RUN_ID in summary:
            return TableVersion(
                snapshot.snapshot_id,
                snapshot.timestamp_ms,
                summary[RUN_ID],
                summary.get(MODEL, ""),
                summary.get(SUITE, ""),
                json.loads(summary.get(INPUTS, "{}")),
                int(summary.get("total-records", 0)),
                int(summary.get(QUARANTINED, 0)),
                operation,
            )
        if operation != "replace":  # a compaction keeps every row; anything else is somebody's change
            return None
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent else None
    return None


def live_files(table: Table, snapshot_id: int | None = None) -> list[DataFile]:
    """The data files of a version (default: the current one).

    Raises:
        CatalogError: the version has row-level deletes of another writer, which reading its files would undo.
    """
    if table.current_snapshot() is None:
        return []
    tasks = list(table.scan(snapshot_id=snapshot_id).plan_files())
    if any(t.delete_files for t in tasks):
        raise CatalogError(
            f"{'.'.join(table.name())}: another writer deleted rows by marking them. Reading its files alone would "
            "bring them back. Rewrite the table: lakehouse run --full, or optimise it where it was changed."
        )
    return [t.file for t in tasks]


def snapshot_as_of(table: Table, moment: datetime) -> Snapshot | None:
    """The version that was live at `moment`, or None where the table had none yet."""
    moment_ms = int(moment.timestamp() * 1000)
    live = [entry.snapshot_id for entry in table.history() if entry.timestamp_ms <= moment_ms]
    return table.snapshot_by_id(live[-1]) if live else None


def files_select(schema: Schema, urls: Sequence[str], *, filename: bool = False) -> str:
    """The SELECT that reads data files in DuckDB, each column found by its Iceberg field id whatever it was called."""
    names = [quote(f.name) for f in schema.fields] + (["filename"] if filename else [])
    if not urls:
        typed = [f"null::{duckdb_type(f.field_type)} as {quote(f.name)}" for f in schema.fields]
        return f"select {', '.join(typed + (['null::varchar as filename'] if filename else []))} where false"
    fields = ", ".join(
        f"{f.field_id}: {{name: {literal(f.name)}, type: {literal(duckdb_type(f.field_type))}, default_value: null}}"
        for f in schema.fields
    )
    listed = ", ".join(literal(u) for u in urls)
    extra = ", filename = true" if filename else ""
    return f"select {', '.join(names)} from read_parquet([{listed}], schema = map {{{fields}}}{extra})"
