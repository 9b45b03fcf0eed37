"""What exists in bronze: the manifest that, put last, makes a run exist, and the chain of runs it stands on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from typing import Any, Literal

from lakehouse.errors import CommitConflict, LakeError
from lakehouse.names import MANIFEST, literal, quote
from lakehouse.store import Store

FORMAT = 1
Kind = Literal["full", "increment"]
Op = Literal["upsert", "delete"]
# S3 lists keys in ascending order: counting down from here, the newest run is the first it tells.
LAST_SEQUENCE = 999_999_999
INDEX_SEPARATOR = "~"  # in no run id
AT = "%Y%m%dT%H%M%S.%fZ"


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
    lsn: int = 0


@dataclass(frozen=True)
class Column:
    """A column as PostgreSQL's catalog has it; `type` is format_type's text, such as numeric(12,2).

    `number` is its attnum, which a dropped and added column of the same name changes (0: computed by the model).
    `generated` is the expression of a generated column: where that is virtual, changing it changes every row.
    """

    name: str
    type: str
    nullable: bool
    comment: str | None
    number: int = 0
    generated: str = ""


TypeKind = Literal["enum", "domain", "composite", "range", "extension"]


@dataclass(frozen=True)
class TypeDefinition:
    """A type that is not PostgreSQL's own. `parts` are an enum's labels, a domain's base type, a composite's columns,

    a range's subtype and multirange, or an extension's name and schema.
    """

    name: str
    kind: TypeKind
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """One file of a run: its name under the run's prefix, what it holds, and its content's SHA-256.

    `longest_line_bytes` is told where it is more than a reader expects, else 0.
    """

    name: str
    rows: int
    size_bytes: int
    sha256: str
    op: Op
    longest_line_bytes: int = 0


@dataclass(frozen=True)
class ChainLink:
    """One run of the live chain: a full copy, or an increment on the link before it.

    `schema` is a digest of its columns' names and types: two links that share it hold the same columns.
    """

    run_id: str
    sequence: int
    kind: Kind
    prefix: str
    ingested_at: str
    parts: tuple[Part, ...]
    has_keys: bool
    schema: str = ""

    @property
    def rows(self) -> int:
        return sum(p.rows for p in self.parts)

    @property
    def size_bytes(self) -> int:
        return sum(p.size_bytes for p in self.parts)


@dataclass(frozen=True)
class Manifest:
    """One run of one bronze table. `chain` is the last full copy and every increment after it, this run last.

    `source_rows` were counted there (None: by cursor, nobody counts); `partitions` are the oids of its leaf partitions;
    `cursor` is the largest value of the model's cursor column, where it has one.
    """

    source: str
    table: str
    run_id: str
    reason: str
    snapshot: SnapshotId
    relation_oid: int
    source_rows: int | None
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    comment: str | None
    model: str
    chain: tuple[ChainLink, ...]
    types: tuple[TypeDefinition, ...] = ()
    partitions: tuple[int, ...] = ()
    cursor: str | None = None

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
    fields["partitions"] = tuple(value.get("partitions", ()))
    fields["types"] = tuple(TypeDefinition(**{**d, "parts": tuple(d["parts"])}) for d in value.get("types", ()))
    fields["chain"] = tuple(
        ChainLink(**{**link, "parts": tuple(Part(**p) for p in link["parts"])}) for link in value["chain"]
    )
    return Manifest(**fields)


def schema_digest(columns: tuple[Column, ...]) -> str:
    """What two copies share if their columns have the same names and types."""
    return sha256(json.dumps([(c.name, c.type) for c in columns]).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class IndexEntry:
    """A run that a table's index names; it exists if its manifest does. `committed_at` is the writer's clock, UTC."""

    sequence: int
    committed_at: datetime
    run_date: str
    run_id: str

    @property
    def name(self) -> str:
        at = self.committed_at.strftime(AT)
        return INDEX_SEPARATOR.join((f"{LAST_SEQUENCE - self.sequence:09d}", at, self.run_date, self.run_id))


def index_entry(name: str) -> IndexEntry:
    """An entry from the name it has."""
    countdown, at, run_date, run_id = name.split(INDEX_SEPARATOR)
    committed_at = datetime.strptime(at, AT).replace(tzinfo=UTC)
    return IndexEntry(LAST_SEQUENCE - int(countdown), committed_at, run_date, run_id)


def latest_manifest(store: Store, source: str, table: str, as_of: datetime | None = None) -> Manifest | None:
    """The newest run of a bronze table that exists (was committed at `as_of` or before), or None.

    Newest is what stands on all others, whatever any clock said meanwhile.
    """
    for entry in _index(store, source, table):
        if as_of is None or entry.committed_at <= as_of:
            manifest = _read(store, source, table, entry)
            if manifest is not None:
                return manifest
    return None


def manifest_of_run(store: Store, source: str, table: str, run_id: str) -> Manifest | None:
    """The manifest that `run_id` wrote for a table, whichever day it began, or None: a repeated run finds its work."""
    found = [e for e in _index(store, source, table) if e.run_id == run_id]
    return next((m for e in found if (m := _read(store, source, table, e)) is not None), None)


def put_manifest(store: Store, manifest: Manifest) -> None:
    """Make the run exist, once: first the index names it, then its manifest is there.

    Raises:
        CommitConflict: this run id has been written already by somebody else.
    """
    prefix = manifest.link.prefix
    run_date = prefix.split("/run_date=")[1].split("/")[0]
    entry = IndexEntry(manifest.sequence, datetime.now(UTC), run_date, manifest.run_id)
    store.put(store.layout.bronze_index(manifest.source, manifest.table) + entry.name, b"", "text/plain")
    if store.put_json(prefix + MANIFEST, manifest.to_json(), only_if="absent") is None:
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
    chain = manifest.chain if links is None else links
    parts = [p for link in chain for p in link.parts]
    files = [store.layout.url(link.prefix + p.name) for link in chain for p in link.parts]
    if not files:
        return "select " + ", ".join(f"null::varchar as {quote(n)}" for n in names) + " where false"
    return f"select {', '.join(quote(n) for n in names)} from {read_lines(files, names, longest_line(parts))}"


def longest_line(parts: Iterable[Part]) -> int:
    """The longest line of `parts` in bytes, where one is longer than readers expect; else 0."""
    return max((p.longest_line_bytes for p in parts), default=0)


def read_lines(urls: list[str], names: list[str], longest_line_bytes: int = 0) -> str:
    """The table function that reads `names` of bronze files, every value as its text."""
    types = ", ".join(f"{literal(n)}: 'VARCHAR'" for n in names)
    listed = ", ".join(literal(u) for u in urls)
    room = f", maximum_object_size = {longest_line_bytes + 1024}" if longest_line_bytes else ""
    return f"read_json([{listed}], format = 'newline_delimited', columns = {{{types}}}{room})"


def _index(store: Store, source: str, table: str) -> Iterator[IndexEntry]:
    """The index, newest first, read as far as it is looked at; of one sequence, the last committed first."""
    prefix = store.layout.bronze_index(source, table)
    entries = (index_entry(o.key.removeprefix(prefix)) for o in store.find(prefix))
    for _, same in groupby(entries, key=lambda e: e.sequence):
        yield from sorted(same, key=lambda e: e.committed_at, reverse=True)


def _read(store: Store, source: str, table: str, entry: IndexEntry) -> Manifest | None:
    """The entry's manifest; None where a run was killed before it wrote it, or vacuum removed it."""
    base = store.layout.bronze_table(source, table)
    found = store.get_json(f"{base}run_date={entry.run_date}/run_id={entry.run_id}/{MANIFEST}")
    return None if found is None else manifest_from_json(found)
