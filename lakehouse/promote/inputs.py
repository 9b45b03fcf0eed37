"""The tables a model reads, pinned to one version each and visible to its SQL under their own names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from lakehouse.catalog.bronze import Manifest, bronze_select, latest_manifest
from lakehouse.catalog.iceberg import Catalog, files_select, live_files, snapshot_as_of
from lakehouse.errors import ModelError
from lakehouse.names import LAYERS, TABLE_REFERENCE, TableName, quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyiceberg.table import Table


@dataclass
class Inputs:
    """Versions looked up once per process and forgotten when we commit; guards that all of a run sees the same.

    With `as_of`, the versions that were live at that moment, for reading.
    """

    catalog: Catalog
    source: str
    as_of: datetime | None = None
    manifests: dict[str, Manifest | None] = field(default_factory=dict)
    tables: dict[TableName, Table | None] = field(default_factory=dict)

    def manifest(self, table: str) -> Manifest | None:
        """The newest run of a bronze table."""
        if table not in self.manifests:
            self.manifests[table] = latest_manifest(self.catalog.store, self.source, table, self.as_of)
        return self.manifests[table]

    def table(self, name: TableName) -> Table | None:
        """A silver or gold table as it was when first asked for."""
        if name not in self.tables:
            self.tables[name] = self.catalog.load(name)
        return self.tables[name]

    def forget(self, name: TableName) -> None:
        """Look `name` up again next time: it was just committed."""
        self.manifests.pop(name.table, None) if name.layer == "bronze" else self.tables.pop(name, None)

    def version(self, reference: str) -> str | None:
        """What identifies the state of a table: the run of a bronze one, the snapshot of another; None if absent."""
        name = parse_table(reference)
        if name.layer == "bronze":
            manifest = self.manifest(name.table)
            return manifest.run_id if manifest else None
        table = self.table(name)
        snapshot = table.current_snapshot() if table else None
        return str(snapshot.snapshot_id) if snapshot else None

    def select(self, reference: str) -> str | None:
        """The SELECT that reads the table's current version in DuckDB, or None where it has none."""
        name = parse_table(reference)
        if name.layer == "bronze":
            manifest = self.manifest(name.table)
            return bronze_select(self.catalog.store, manifest) if manifest else None
        table = self.table(name)
        if table is None:
            return None
        if self.as_of is None:
            return files_select(table.schema(), [f.file_path for f in live_files(table)])
        then = snapshot_as_of(table, self.as_of)
        if then is None or then.schema_id is None:
            return None
        schema = table.schemas()[then.schema_id]
        return files_select(schema, [f.file_path for f in live_files(table, then.snapshot_id)])


def versions_of(inputs: Inputs, reads: Iterable[str], place: str) -> dict[str, str]:
    """The version of each table a model reads.

    Raises:
        ModelError: one of them was never made.
    """
    found = {}
    for reference in reads:
        version = inputs.version(reference)
        if version is None:
            raise ModelError(
                f"{place}: {reference} has no committed version yet. Make it first: lakehouse run {reference}"
            )
        found[reference] = version
    return found


def expose(con: DuckDBPyConnection, selects: Mapping[str, str]) -> None:
    """Make each SELECT a view under its table's own name, replacing what had that name."""
    for layer in (*LAYERS, "gate"):
        con.execute(f"create schema if not exists {layer}")
    for reference, select in selects.items():
        layer, table = reference.split(".", 1)
        con.execute(f"create or replace view {layer}.{quote(table)} as {select}")


def parse_table(reference: str) -> TableName:
    """`silver.orders` as a name."""
    match = TABLE_REFERENCE.fullmatch(reference)
    if match is None:
        raise ModelError(f"{reference!r} is not a table of the lake. Write it as layer.table: silver.orders.")
    return TableName(match[1], match[2])  # type: ignore[arg-type]
