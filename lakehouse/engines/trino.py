"""Trino, through its own client: results page by page as Arrow, statements with their query id and bytes read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from lakehouse.engines.columns import arrow_column, arrow_type
from lakehouse.engines.protocol import Receipt, Result
from lakehouse.errors import EngineError
from lakehouse.project import Secret
from lakehouse.trino_types import parse_type

if TYPE_CHECKING:
    import pyarrow as pa

CATALOG = "awsdatacatalog"  # as Athena calls it; the local Trino has it under the same name
USER = "lakehouse"
BATCH_ROWS = 20_000
# Trino's own words for what may go away by itself.
TRANSIENT = {"INSUFFICIENT_RESOURCES", "EXTERNAL"}


@dataclass(frozen=True)
class TrinoEngine:
    """One Trino cluster: `http[s]://[user[:password]@]host[:port][/catalog]`."""

    url: Secret
    session: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "trino"

    @contextmanager
    def query(self, sql: str) -> Iterator[Result]:
        began = time.monotonic()
        with self._run(sql) as cursor:
            described = cursor.description or []
            kinds = [parse_type(str(d.type_code)) for d in described]
            import pyarrow as pa

            schema = pa.schema([(d.name, arrow_type(k)) for d, k in zip(described, kinds, strict=True)])
            yield Result(
                schema,
                tuple(str(d.type_code) for d in described),
                self._explained(_batches(cursor, schema, kinds)),
                lambda: _receipt(cursor, began),
            )

    def execute(self, sql: str) -> Receipt:
        began = time.monotonic()
        with self._run(sql) as cursor:
            cursor.fetchall()
            return _receipt(cursor, began)

    @contextmanager
    def _run(self, sql: str) -> Iterator[Any]:
        """A cursor that has begun to answer; cancelled where it is left before its end."""
        from requests import Session

        with Session() as http:
            http.trust_env = urlsplit(self.url.reveal()).hostname not in ("127.0.0.1", "localhost", "::1")
            with self._errors():
                connection = self._connect(http)
                cursor = connection.cursor()
            try:
                with self._errors():
                    # Trino refuses the semicolon that a file of SQL may end with.
                    cursor.execute(sql.rstrip().rstrip(";"))
                yield cursor
            finally:
                # Without effect on a query that has ended.
                if cursor.query_id:
                    with self._errors():
                        cursor.cancel()

    def _connect(self, http: Any) -> Any:
        import trino

        parts = urlsplit(self.url.reveal())
        auth = None
        if parts.password:
            auth = trino.auth.BasicAuthentication(unquote(parts.username or USER), unquote(parts.password))
        return trino.dbapi.connect(  # type: ignore[no-untyped-call]
            host=parts.hostname,
            port=parts.port or (443 if parts.scheme == "https" else 8080),
            http_scheme=parts.scheme,
            user=unquote(parts.username or USER),
            auth=auth,
            catalog=parts.path.strip("/") or CATALOG,
            http_session=http,
            source="lakehouse",
            timezone="UTC",
            session_properties=self.session,
            # Values as they were sent: the client's own conversion rounds decimals and fractions of a second.
            legacy_primitive_types=True,
        )

    def _explained(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with self._errors():
            yield from batches

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from requests.exceptions import RequestException
        from trino.exceptions import Error, TrinoConnectionError, TrinoQueryError

        parts = urlsplit(self.url.reveal())
        place = f"{parts.hostname}:{parts.port or ''}".rstrip(":")
        try:
            yield
        except TrinoQueryError as e:
            raise EngineError(
                f"Trino at {place}, query {e.query_id}: {e.error_name}: {' '.join(str(e.message).split())[:600]}",
                retryable=e.error_type in TRANSIENT,
            ) from e
        except (TrinoConnectionError, RequestException) as e:
            raise EngineError(
                f"Trino at {place} does not answer. Is it up? lakehouse status. Start the local one: "
                "lakehouse up --trino. Another is named by LAKEHOUSE_TRINO_URL.",
                retryable=True,
            ) from e
        except Error as e:
            raise EngineError(f"Trino at {place}: {' '.join(str(e).split())[:600]}") from e


def _batches(cursor: Any, schema: pa.Schema, kinds: list[Any]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    while rows := cursor.fetchmany(BATCH_ROWS):
        columns = zip(*rows, strict=True)
        arrays = [arrow_column(values, kind) for values, kind in zip(columns, kinds, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _receipt(cursor: Any, began: float) -> Receipt:
    read = (cursor.stats or {}).get("physicalInputBytes")
    return Receipt("trino", cursor.query_id, time.monotonic() - began, read)
