"""The local services: a real PostgreSQL, a real MinIO, the Glue and Athena API, and Trino, all on loopback."""

from lakehouse.stack.lifecycle import down, status, up
from lakehouse.stack.services import ServiceStatus

__all__ = ["ServiceStatus", "down", "status", "up"]
