"""Swap a table's files in one Iceberg snapshot that also says which run made it, and from what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.iceberg import INPUTS, MODEL, QUARANTINED, RUN_ID, SUITE, Catalog, live_files
from lakehouse.model import Model, PartitionField

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table, Transaction


@dataclass(frozen=True)
class Target:
    """The table a promotion writes: its open transaction, and the schema and files it stands on.

    Nothing of the transaction is visible until `commit_files`; it fails if the table has moved since.
    """

    model: Model
    table: Table | None
    transaction: Transaction
    schema: Schema
    files: tuple[str, ...]
    evolved: tuple[str, ...]


@dataclass(frozen=True)
class Provenance:
    """What the snapshot says of itself; the next run decides by it what there is to do."""

    run_id: str
    inputs: Mapping[str, str]
    suite: str
    quarantined_rows: int

    def properties(self, model: Model) -> dict[str, str]:
        return {
            RUN_ID: self.run_id,
            MODEL: model.fingerprint,
            INPUTS: json.dumps(self.inputs, sort_keys=True),
            SUITE: self.suite,
            QUARANTINED: str(self.quarantined_rows),
        }


def open_target(catalog: Catalog, model: Model, table: Table | None, wanted: Schema) -> Target:
    """A transaction on the model's table, created or evolved so that it has the `wanted` columns and partitions."""
    if table is None:
        transaction = catalog.create_transaction(model.name, wanted, partition_spec(wanted, model.partition_by))
        return Target(model, None, transaction, transaction.table_metadata.schema(), (), ())
    with catalog.explained(model.name):
        transaction = table.transaction()
        evolved = _evolve(transaction, wanted, model.partition_by)
        files = tuple(f.file_path for f in live_files(table))
        return Target(model, table, transaction, transaction.table_metadata.schema(), files, evolved)


def is_shaped(table: Table, wanted: Schema, partition_by: Sequence[PartitionField], added: Sequence[str] = ()) -> bool:
    """Whether the table has the `wanted` columns and partitions already, but for those of `added` it lacks: they need

    no rebuild, for the rows that it holds are null in them.
    """
    has = _shape(table.schema())
    needs = {name: kind for name, kind in _shape(wanted).items() if name in has or name not in added}
    return has == needs and _fields(table.spec(), table.schema()) == list(partition_by)


def commit_files(
    catalog: Catalog, target: Target, added: Sequence[str], removed: Sequence[str], provenance: Provenance
) -> Table:
    """Commit: `added` in, `removed` out, one snapshot, only if nobody else has committed since `open_target`.

    Raises:
        CommitConflict: somebody has; nothing became visible.
    """
    from pyiceberg.io.pyarrow import parquet_file_to_data_file

    gone = set(removed)
    with catalog.explained(target.model.name):
        old = [f for f in live_files(target.table) if f.file_path in gone] if target.table else []
        io = target.transaction._table.io
        update = target.transaction.update_snapshot(snapshot_properties=provenance.properties(target.model))
        with update.overwrite() if target.table else update.fast_append() as snapshot:
            for data_file in old:
                snapshot.delete_data_file(data_file)
            for url in added:
                metadata = target.transaction.table_metadata
                snapshot.append_data_file(parquet_file_to_data_file(io=io, table_metadata=metadata, file_path=url))
        _keep_time_order(target)
        target.transaction.commit_transaction()
    committed = catalog.load(target.model.name)
    assert committed is not None
    return committed


def _keep_time_order(target: Target) -> None:
    """Let the new snapshot be later than the last, whatever this machine's clock says.

    Trino and Athena refuse a table whose history goes back by more than a minute (Iceberg's TableMetadata).
    """
    from pyiceberg.table.update import AddSnapshotUpdate

    last = max((s.timestamp_ms for s in target.table.snapshots()), default=0) if target.table else 0

    def ordered(update: Any) -> Any:
        if not isinstance(update, AddSnapshotUpdate) or update.snapshot.timestamp_ms > last:
            return update
        return AddSnapshotUpdate(snapshot=update.snapshot.model_copy(update={"timestamp_ms": last + 1}))

    target.transaction._updates = tuple(ordered(u) for u in target.transaction._updates)


def partition_spec(schema: Schema, partition_by: Sequence[PartitionField]) -> PartitionSpec:
    """The header's partition fields in Iceberg's terms."""
    from pyiceberg.partitioning import PartitionField as IcebergField
    from pyiceberg.partitioning import PartitionSpec

    fields = [
        IcebergField(schema.find_field(p.column).field_id, 1000 + i, _transform(p), partition_name(p))
        for i, p in enumerate(partition_by)
    ]
    return PartitionSpec(*fields)


def partition_name(field: PartitionField) -> str:
    return field.column if field.transform == "identity" else f"{field.column}_{field.transform}"


def _evolve(transaction: Transaction, wanted: Schema, partition_by: Sequence[PartitionField]) -> tuple[str, ...]:
    """Bring the table's columns and partitions to what the model says; a retyped column is a new column."""
    metadata = transaction.table_metadata
    now, new = _shape(metadata.schema()), _shape(wanted)
    dropped = [n for n in now if now[n] != new.get(n)]
    added = [n for n in new if new[n] != now.get(n)]
    was = _fields(metadata.spec(), metadata.schema())
    respecified = was != list(partition_by) or any(p.column in dropped for p in was)
    if respecified:
        _partition(transaction, ())
    if dropped:
        with transaction.update_schema(allow_incompatible_changes=True) as drop:
            for name in dropped:
                drop.delete_column((name,))
    if added:
        with transaction.update_schema() as add:
            for name in added:
                add.add_column((name,), wanted.find_field(name).field_type)
    if respecified:
        _partition(transaction, partition_by)
    said = [f"{n} dropped" for n in dropped if n not in new] + [f"{n} added" for n in added if n not in now]
    return tuple(said + [f"{n} retyped to {new[n]}" for n in added if n in now])


def _partition(transaction: Transaction, partition_by: Sequence[PartitionField]) -> None:
    """Replace every partition field."""
    fields = transaction.table_metadata.spec().fields
    with transaction.update_spec() as update:
        for field in fields:
            update.remove_field(field.name)
        for p in partition_by:
            update.add_field(p.column, _transform(p), partition_name(p))


def _shape(schema: Schema) -> dict[str, str]:
    """Column names and types without field ids, which differ between a table and a fresh schema."""
    import re

    return {f.name: re.sub(r"\b\d+: ", "", str(f.field_type)) for f in schema.fields}


def _fields(spec: PartitionSpec, schema: Schema) -> list[PartitionField]:
    return [PartitionField(str(f.transform), schema.find_column_name(f.source_id) or "") for f in spec.fields]  # type: ignore[arg-type]


def _transform(field: PartitionField) -> Any:
    from pyiceberg.transforms import parse_transform

    return parse_transform(field.transform)
