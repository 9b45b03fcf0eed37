"""Stage on a cluster: it inserts into a clone of the table that has no rows, and the clone's files are gated like ours.

The clone is metadata alone: the target's columns, field ids and partitions, no snapshots, and a location of its own
below the target's. So what the cluster writes are exactly the files that a commit of the target can take in.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

from lakehouse.catalog.iceberg import Catalog, live_files
from lakehouse.errors import EngineError
from lakehouse.names import STAGING, quote
from lakehouse.promote.commit import Target
from lakehouse.promote.stage import StagedFiles

if TYPE_CHECKING:
    from lakehouse.engines import Engine


def stage_on_cluster(
    engine: Engine, catalog: Catalog, target: Target, select: str, run_id: str, attempt: str
) -> StagedFiles:
    """Write `select`, run by `engine`, as data files of `target` that nothing points to yet.

    Raises:
        EngineError: the cluster did not run it; its files, if any, are left for vacuum.
    """
    store, model = catalog.store, target.model
    prefix = store.layout.staged(model.name, run_id, attempt)
    table = f"{model.name.layer}_{model.name.table}_{attempt}"
    columns = ", ".join(quote(f.name) for f in target.schema.fields)
    url = f"{store.layout.url(prefix)}metadata/00000-{uuid4()}.metadata.json"
    store.put(store.layout.key(url), _empty_clone(target, store.layout.url(prefix)), "application/json")
    try:
        with catalog.staging_table(table, url) as load:
            try:
                # On a line of its own: the SELECT may end with a comment.
                receipt = engine.execute(
                    f"insert into {STAGING}.{table} ({columns}) select {columns} from ({select}\n) q"
                )
            except EngineError as e:
                raise EngineError(
                    f"{model.path}: {model.name} could not be made on {engine.name}: {e} Nothing was committed; "
                    "readers still see the version before.",
                    retryable=e.retryable,
                ) from e
            files = live_files(load())
    finally:
        store.delete([o.key for o in store.find(f"{prefix}metadata/")])
    rows, size = sum(f.record_count for f in files), sum(f.file_size_in_bytes for f in files)
    return StagedFiles(tuple(f.file_path for f in files), rows, size, receipt)


def _empty_clone(target: Target, location: str) -> bytes:
    metadata = target.transaction.table_metadata
    clone = json.loads(metadata.model_dump_json(by_alias=True, exclude_none=True))
    clone.pop("current-snapshot-id", None)
    clone |= {
        "table-uuid": str(uuid4()),
        "location": location.rstrip("/"),
        "last-sequence-number": 0,
        "snapshots": [],
        "snapshot-log": [],
        "metadata-log": [],
        "refs": {},
        "statistics": [],
        # Of each the one in use: earlier ones may name columns that are no more, and pyiceberg lists those of a table
        # that it is creating twice, which Trino refuses.
        "schemas": [s for s in clone["schemas"] if s["schema-id"] == metadata.current_schema_id][:1],
        "partition-specs": [s for s in clone["partition-specs"] if s["spec-id"] == metadata.default_spec_id][:1],
        "sort-orders": [{"order-id": 0, "fields": []}],
        "default-sort-order-id": 0,
    }
    return json.dumps(clone).encode()
