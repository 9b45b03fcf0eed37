"""A table as the project will know it: its names, its typed columns, its key; what every generated file starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakehouse.scaffold.columns import SilverColumn, silver_column
from lakehouse.scaffold.found import FoundTable
from lakehouse.scaffold.naming import column_names, table_names
from lakehouse.scaffold.personal import looks_personal
from lakehouse.scaffold.profile import Profile

# A table of this many rows is partitioned by month where a column says when.
ROWS_TO_PARTITION = 100_000


@dataclass(frozen=True)
class Reference:
    """A foreign key in the lake's names."""

    columns: tuple[str, ...]
    table: str
    table_columns: tuple[str, ...]


@dataclass(frozen=True)
class Draft:
    """One table of the project to be."""

    found: FoundTable
    profile: Profile
    name: str
    columns: tuple[SilverColumn, ...]
    key: tuple[str, ...]
    references: tuple[Reference, ...]
    personal: Mapping[str, str]

    @property
    def rows(self) -> int:
        """The best guess at its rows: counted if it was read whole, else PostgreSQL's estimate."""
        return max(self.found.rows, self.profile.rows) if self.profile.is_partial else self.profile.rows

    @property
    def is_renamed(self) -> bool:
        return any(c.name != c.source.name for c in self.columns)

    @property
    def when(self) -> SilverColumn | None:
        """The column that says when a row happened."""
        times = [c for c in self.columns if c.is_temporal and not _is_other_time(c.name)]
        return next((c for c in times if not c.source.nullable), times[0] if times else None)

    @property
    def partition(self) -> SilverColumn | None:
        when = self.when
        return when if when and not when.source.nullable and self.rows >= ROWS_TO_PARTITION else None

    @property
    def update(self) -> str:
        """by_key where old rows can be found by their key as bronze has it; else the whole table each time."""
        by_name = {c.name: c for c in self.columns}
        is_found = bool(self.key) and all(by_name[k].is_plain_cast for k in self.key)
        return "by_key" if is_found and self.found.kind in ("r", "p", "m") else "replace"

    def names_of(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The lake's names of the source's columns."""
        names = {c.source.name: c.name for c in self.columns}
        return tuple(names[c] for c in columns)


def draft_tables(tables: Sequence[FoundTable], profiles: Mapping[int, Profile]) -> list[Draft]:
    """Every table with its names in the lake, its types, its key, and what it references among the others."""
    names = table_names(tables)
    renamed = {t.oid: column_names([c.name for c in t.columns]) for t in tables}
    drafts = []
    for table in tables:
        own, profile = renamed[table.oid], profiles[table.oid]
        references = tuple(
            Reference(
                tuple(own[c] for c in f.columns),
                names[f.target],
                tuple(renamed[f.target][c] for c in f.target_columns),
            )
            for f in table.foreign_keys
            if f.target in names
        )
        drafts.append(
            Draft(
                table,
                profile,
                names[table.oid],
                tuple(silver_column(c, own[c.name], profile.specials) for c in table.columns),
                tuple(own[k] for k in table.key),
                references,
                {c.name: what for c in table.columns if (what := looks_personal(c.name))},
            )
        )
    return drafts


def _is_other_time(name: str) -> bool:
    """Whether the column tells of something after or beside the event: when it changed, ends, or was due."""
    words = set(name.split("_"))
    other = (
        "update updated modified modify change changed birth born birthday birthdate dob end ends ended expire expires"
    )
    return bool(words & set(f"{other} expiry required due deleted valid until to hire hired last shipped".split()))
