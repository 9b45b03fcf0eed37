"""What runs SQL: DuckDB on this machine."""
