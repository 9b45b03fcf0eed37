"""What runs SQL: DuckDB on this machine; Trino and Athena, which need no session of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.engines.protocol import Engine, Receipt, Result
from lakehouse.errors import UsageError

if TYPE_CHECKING:
    from lakehouse.project import Project

__all__ = ["Engine", "Receipt", "Result", "open_cluster"]


def open_cluster(project: Project, name: str) -> Engine:
    """The project's Trino or Athena; nothing is asked of it yet.

    Raises:
        UsageError: `name` is neither.
        StackError: the local Trino is wanted and is not up.
    """
    if name == "trino":
        from lakehouse.engines.trino import TrinoEngine

        return TrinoEngine(project.trino_url)
    if name == "athena":
        from lakehouse.engines.athena import AthenaEngine

        return AthenaEngine(project.lake, project.athena)
    raise UsageError(f"{name!r} is not a cluster. Valid: trino, athena.")
