"""SQL that means the same everywhere: Athena's dialect, and DuckDB made to answer as Athena does."""

from lakehouse.portable.library import install
from lakehouse.portable.translate import Translation, out_of_range, table_schemas, to_duckdb, translate

__all__ = ["Translation", "install", "out_of_range", "table_schemas", "to_duckdb", "translate"]
