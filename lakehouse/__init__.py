"""A medallion lake of PostgreSQL data on S3, the same on a laptop as on AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakehouse.reading import connect

__version__ = "0.1.0"
__all__ = ["__version__", "connect"]


def __getattr__(name: str) -> Any:
    # Importing the package costs nothing; DuckDB comes with the first connect().
    if name == "connect":
        from lakehouse.reading import connect

        return connect
    raise AttributeError(f"module 'lakehouse' has no attribute {name!r}")
