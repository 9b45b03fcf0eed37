"""lake.duckdb: one small file of views over the live files, so that reading needs one ATTACH and no toolkit."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.names import LAYERS, literal, quote
from lakehouse.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VIEWS_TAG = "views-sha256"


def publish_reader_file(con: DuckDBPyConnection, store: Store, selects: Mapping[str, str]) -> bool:
    """Put `lake.duckdb` with one view for each of `selects` (layer.table → SELECT); False if it is so already.

    One PUT replaces it whole: a reader has the old file or the new one.
    """
    digest = hashlib.sha256(repr(sorted(selects.items())).encode()).hexdigest()
    stored = store.metadata(store.layout.reader_file)
    if stored is not None and stored.get(VIEWS_TAG) == digest:
        return False
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lake.duckdb"
        con.execute(f"attach {literal(str(path))} as reader")
        try:
            for layer in LAYERS:
                con.execute(f"create schema reader.{layer}")
            for reference, select in selects.items():
                schema, table = reference.split(".", 1)
                con.execute(f"create view reader.{schema}.{quote(table)} as {select}")
        finally:
            con.execute("detach reader")
        body = path.read_bytes()
    store.put(store.layout.reader_file, body, "application/octet-stream", metadata={VIEWS_TAG: digest})
    return True
