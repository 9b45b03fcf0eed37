"""What exists in bronze: the manifest that, put last, makes a run exist, and the chain of runs it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from lakehouse.errors import CommitConflict, LakeError
from lakehouse.names import MANIFEST, literal, quote
from lakehouse.store import Store, StoredObject

FORMAT = 1
Kind = Literal["full", "increment"]
# S3 tells when an object was written to the second; manifests this close together are told apart by what they say.
CLOCK_GRAIN = timedelta(seconds=2)


@dataclass(frozen=True)
class SnapshotId:
    """Which state of which cluster was read; two of these tell whether an increment between them is exact.

    `xmin` and `xmax` bound the snapshot (64-bit transaction ids); `taken_at` is the server's clock, ISO 8601, UTC.
    """

    system_identifier: str
    timeline: int
    database_oid: int
    snapshot: str
    xmin: int
    xmax: int
    server_version: str
    taken_at: str


@dataclass(frozen=True)
class Column:
    """A column as PostgreSQL's catalog has it; `type` is format_type's text, such as numeric(12,2)."""

    name: str
    type: str
    nullable: bool
    comment: str | None


@dataclass(frozen=True)
class Part:
    """One file of a run: its name under the run's prefix, what it holds, and its content's SHA-256."""

    name: str
    rows: int
    size_bytes: int
    sha256: str
    op: Literal["upsert", "delete"]


@dataclass(frozen=True)
class ChainLink:
    """One run of the live chain: a full copy, or an increment on the link before it."""

    run_id: str
    sequence: int
    kind: Kind
    prefix: str
    ingested_at: str
    parts: tuple[Part, ...]
    has_keys: bool

    @property
    def rows(self) -> int:
        return sum(p.rows for p in self.parts)

    @property
    def size_bytes(self) -> int:
        return sum(p.size_bytes for p in self.parts)


@dataclass(frozen=True)
class Manifest:
    """One run of one bronze table. `chain` is the last full copy and every increment after it, this run last."""

    source: str
    table: str
    run_id: str
    reason: str
    snapshot: SnapshotId
    relation_oid: int
    source_rows: int
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    comment: str | None
    model: str
    chain: tuple[ChainLink, ...]

    @property
    def link(self) -> ChainLink:
        return self.chain[-1]

    @property
    def sequence(self) -> int:
        return self.link.sequence

    def since(self, run_id: str) -> tuple[ChainLink, ...] | None:
        """The links after `run_id`; None where `run_id` is not of this chain, so that all of it must be read."""
        for i, link in enumerate(self.chain):
            if link.run_id == run_id:
                return self.chain[i + 1 :]
        return None

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}


def manifest_from_json(value: Mapping[str, Any]) -> Manifest:
    """A manifest as it was written.

    Raises:
        LakeError: a newer version of the toolkit wrote it.
    """
    if value["format"] != FORMAT:
        raise LakeError(
            f"bronze.{value.get('table')}, run {value.get('run_id')}: its manifest has format {value['format']}, "
            f"this version reads {FORMAT}. A newer lakehouse wrote it; upgrade this one."
        )
    fields = {k: v for k, v in value.items() if k != "format"}
    fields["snapshot"] = SnapshotId(**value["snapshot"])
    fields["columns"] = tuple(Column(**c) for c in value["columns"])
    fields["key"] = tuple(value["key"])
    fields["chain"] = tuple(
        ChainLink(**{**link, "parts": tuple(Part(**p) for p in link["parts"])}) for link in value["chain"]
    )
    return Manifest(**fields)


def latest_manifest(store: Store, source: str, table: str, as_of: datetime | None = None) -> Manifest | None:
    """The newest run of a bronze table that exists (existed at `as_of`), or None."""
    found = [o for o in _manifest_objects(store, source, table) if as_of is None or o.modified_at <= as_of]
    if not found:
        return None
    newest = max(o.modified_at for o in found)
    close = [_read(store, o.key) for o in found if o.modified_at >= newest - CLOCK_GRAIN]
    return max(close, key=lambda m: (m.sequence, m.snapshot.xmin, m.link.ingested_at))


def manifest_of_run(store: Store, source: str, table: str, run_id: str) -> Manifest | None:
    """The manifest that `run_id` wrote for a table, whichever day it began, or None: a repeated run finds its work."""
    for found in _manifest_objects(store, source, table):
        if f"/run_id={run_id}/" in found.key:
            return _read(store, found.key)
    return None


def put_manifest(store: Store, manifest: Manifest) -> None:
    """Make the run exist, once.

    Raises:
        CommitConflict: this run id has been written already by somebody else.
    """
    if store.put_json(manifest.link.prefix + MANIFEST, manifest.to_json(), only_if="absent") is None:
        raise CommitConflict(
            f"bronze.{manifest.table}, run {manifest.run_id}: another process wrote this run first. "
            "Its copy stands and is whole; run again to see it."
        )


def extend_chain(previous: Manifest | None, link: ChainLink) -> tuple[ChainLink, ...]:
    """The live chain with `link`: a full copy starts a new one, an increment goes on with the old."""
    sequence = previous.sequence + 1 if previous else 1
    numbered = replace(link, sequence=sequence)
    return (numbered,) if link.kind == "full" or previous is None else (*previous.chain, numbered)


def bronze_select(store: Store, manifest: Manifest, links: tuple[ChainLink, ...] | None = None) -> str:
    """The SELECT that reads `links` (default: the whole chain) in DuckDB: all columns as text, then the two of ours."""
    names = [*(c.name for c in manifest.columns), "_op", "_ingested_at"]
    files = [
        store.layout.url(link.prefix + p.name)
        for link in (manifest.chain if links is None else links)
        for p in link.parts
    ]
    if not files:
        return "select " + ", ".join(f"null::varchar as {quote(n)}" for n in names) + " where false"
    return f"select {', '.join(quote(n) for n in names)} from {read_lines(files, names)}"


def read_lines(urls: list[str], names: list[str]) -> str:
    """The table function that reads `names` of bronze files, every value as its text."""
    types = ", ".join(f"{literal(n)}: 'VARCHAR'" for n in names)
    listed = ", ".join(literal(u) for u in urls)
    return f"read_json([{listed}], format = 'newline_delimited', columns = {{{types}}})"


def _manifest_objects(store: Store, source: str, table: str) -> list[StoredObject]:
    prefix = store.layout.bronze_table(source, table)
    return [o for o in store.find(prefix) if o.key.endswith("/" + MANIFEST)]


def _read(store: Store, key: str) -> Manifest:
    found = store.get_json(key)
    if found is None:
        raise LakeError(
            f"{store.layout.url(key)} was listed and is gone: somebody cleans this lake. Run again.", retryable=True
        )
    return manifest_from_json(found)
