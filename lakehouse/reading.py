"""`lakehouse.connect()`: a DuckDB connection that sees the lake, for notebooks and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.engines.duckdb import explain_duckdb_error, load_extension, use_lake
from lakehouse.errors import LakeError
from lakehouse.names import literal
from lakehouse.project import load_project

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def connect(directory: str | Path = ".") -> DuckDBPyConnection:
    """A plain DuckDB connection in which the project's lake is attached, read-only, and in use: `from gold.orders`.

    It sees the versions that were live when it was made; connect again to see newer ones.

    Raises:
        ProjectError: `directory` is not in a project.
        StackError: the local services are wanted and are not up.
        LakeError: the lake cannot be read, or nothing has been committed to it yet.
    """
    import duckdb

    lake = load_project(Path(directory)).lake
    con = duckdb.connect()
    load_extension(con, "httpfs")
    con.execute("set timezone = 'UTC'")
    use_lake(con, lake)
    url = lake.layout.url(lake.layout.reader_file)
    try:
        con.execute(f"attach {literal(url)} as lake (read_only)")
    except duckdb.Error as e:
        con.close()
        missing = LakeError(f"{url} is not there: nothing has been committed to this lake yet. Make it: lakehouse run")
        raise missing if "404" in str(e) else explain_duckdb_error(e, lake) or missing from e
    con.execute("use lake")
    return con
