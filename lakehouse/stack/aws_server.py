"""What runs as the local AWS API: moto, with a Glue that keeps its catalog and refuses stale writers as AWS does.

    python -m lakehouse.stack.aws_server --port 5000 --state DIR

Differences from AWS that remain are moto's: no IAM checks, crawlers find nothing.
"""

from __future__ import annotations

import argparse
import logging
import os
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from lakehouse.project import SERVICES_FILE
from lakehouse.stack.athena import complete_athena
from lakehouse.stack.kept_catalog import load_catalog, reload_database, save_database, save_tables, touched

# Calls after which what they changed is written to disk.
WRITES = (
    "create_database", "update_database", "delete_database",
    "create_table", "update_table", "delete_table", "batch_delete_table",
    "create_partition", "update_partition", "delete_partition",
    "batch_create_partition", "batch_update_partition", "batch_delete_partition",
)  # fmt: skip
# Trino calls these after each write, and moto does not know them; AWS answers them with nothing where there is nothing.
EMPTY_ANSWERS: dict[str, dict[str, list[Any]]] = {
    "delete_column_statistics_for_table": {},
    "delete_column_statistics_for_partition": {},
    "update_column_statistics_for_table": {"Errors": []},
    "update_column_statistics_for_partition": {"Errors": []},
    "get_column_statistics_for_table": {"ColumnStatisticsList": [], "Errors": []},
    "get_column_statistics_for_partition": {"ColumnStatisticsList": [], "Errors": []},
}
LOCK = threading.Lock()


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

    from moto.server import main as serve

    # A line for each request would fill the disk in the end; errors still reach the log.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    complete_glue(options.state / "glue")
    complete_athena(options.state, options.state.parent / SERVICES_FILE)
    serve(["-H", "127.0.0.1", "-p", str(options.port)])


def complete_glue(folder: Path) -> None:
    """Give moto's Glue what it lacks, and the catalog that is kept in `folder`."""
    from moto.core.responses import ActionResult
    from moto.glue.models import glue_backends
    from moto.glue.responses import GlueResponse

    for name in WRITES:
        setattr(GlueResponse, name, _kept(getattr(GlueResponse, name), name, folder))
    for name, answer in EMPTY_ANSWERS.items():
        setattr(GlueResponse, name, lambda self, answer=answer: ActionResult(dict(answer)))
    load_catalog(folder, glue_backends)


def _kept(method: Callable[..., Any], name: str, folder: Path) -> Callable[..., Any]:
    """The call under one lock, so that check and change are one step, and on disk before it is answered."""

    @wraps(method)
    def call(self: Any) -> Any:
        with LOCK:
            if name == "update_table":
                _refuse_stale(self)
            answer = method(self)
            database, tables = touched(name, self.parameters)
            try:
                if tables:
                    save_tables(folder, self.glue_backend, database, tables)
                else:
                    save_database(folder, self.glue_backend, database)
            except OSError:
                reload_database(folder, self.glue_backend, database)
                raise
        return answer

    return call


def _refuse_stale(response: Any) -> None:
    """AWS: an UpdateTable whose VersionId is not the current one fails with ConcurrentModificationException."""
    from moto.glue.exceptions import GlueClientError

    expected = response.parameters.get("VersionId")
    if expected is None:
        return
    name = response.parameters["TableInput"]["Name"]
    table = response.glue_backend.get_table(response.parameters["DatabaseName"], name)
    if str(expected) != str(table._current_version):
        raise GlueClientError(
            "ConcurrentModificationException", f"Table {name} is at version {table._current_version}, not {expected}"
        )


if __name__ == "__main__":
    main()
