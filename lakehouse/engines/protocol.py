"""What an engine is: a SELECT becomes Arrow record batches, other statements are executed; each says its cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Receipt:
    """What one statement was and cost; `bytes_scanned` and `cost_usd` are None where the engine does not count them."""

    engine: str
    query_id: str | None = None
    seconds: float = 0.0
    bytes_scanned: int | None = None
    cost_usd: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if v is not None}

    def __str__(self) -> str:
        parts = [self.engine, f"{self.seconds:.1f} s"]
        if self.query_id:
            parts.append(f"query {self.query_id}")
        if self.bytes_scanned is not None:
            parts.append(f"{self.bytes_scanned / 1e6:,.1f} MB scanned")
        if self.cost_usd is not None:
            parts.append(f"about ${self.cost_usd:.5f}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Result:
    """A result being read. `types` are the engine's own names; `receipt()` is final when the batches are exhausted."""

    schema: pa.Schema
    types: tuple[str, ...]
    batches: Iterator[pa.RecordBatch]
    receipt: Callable[[], Receipt]


class Engine(Protocol):
    """DuckDB, Trino or Athena. Tables are called `layer.table` on each; errors are EngineError."""

    @property
    def name(self) -> str: ...

    def query(self, sql: str) -> AbstractContextManager[Result]:
        """Run a SELECT; a batch at a time is held. Leaving the context early, or Ctrl-C, cancels it."""

    def execute(self, sql: str) -> Receipt:
        """Run a statement that returns nothing, to its end."""
