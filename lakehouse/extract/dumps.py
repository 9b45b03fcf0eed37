"""What a dump is and whether all of it is there, before PostgreSQL's programs get it: they do not always notice."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Literal

from lakehouse.errors import SourceError

Form = Literal["custom", "directory", "tar", "plain"]

MAGIC = b"PGDMP"
PLAIN_STARTS = (b"--", b"SET ", b"CREATE ", b"BEGIN", b"\\RESTRICT", b"COPY ", b"INSERT ", b"DROP ", b"ALTER ")
GZIP = b"\x1f\x8b"
COMPRESSED = ((GZIP, "gunzip"), (b"\x28\xb5\x2f\xfd", "unzstd"), (b"BZh", "bunzip2"), (b"\xfd7zXZ", "unxz"))
PLAIN_BEGINS = b"-- PostgreSQL database dump"
PLAIN_ENDS = b"-- PostgreSQL database dump complete"
CLUSTER_BEGINS = b"-- PostgreSQL database cluster dump"
ROWS_END = b"\\.\n"
TAR_BLOCK = 512
CUT_SHORT = "The dump is cut short: copy it again, and compare its size with the original's."


def recognise_dump(path: Path, dump: str) -> Form:
    """The form of the dump at `path`; messages call it `dump`.

    Raises:
        SourceError: it is no dump of one database, is compressed as a whole, or its end is missing.
    """
    if path.is_dir():
        return _directory(path, dump)
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise _cut_short(dump, "the file is empty")
    if head.startswith(MAGIC):
        return "custom"
    if head[257:262] == b"ustar":
        return _tar(path, dump)
    for magic, program in COMPRESSED:
        if head.startswith(magic):
            raise SourceError(f"{dump}: is compressed as a whole. Nothing was restored. Unpack it first: {program}")
    first = next((line.strip() for line in head.splitlines() if line.strip()), b"")
    if first.upper().startswith(PLAIN_STARTS):
        return _plain(path, dump, head)
    raise SourceError(
        f"{dump}: not a pg_dump file: it begins with {bytes(head[:16])!r}. Nothing was restored. "
        "Make one: pg_dump --format=custom --file=sales.dump DATABASE"
    )


def _plain(path: Path, dump: str, head: bytes) -> Form:
    """psql takes the end of a file for the end of the rows of a COPY, and commits what it got."""
    if CLUSTER_BEGINS in head:
        raise SourceError(
            f"{dump}: is a dump of a whole server (pg_dumpall), which makes roles and databases. Nothing was restored. "
            "Dump the one database: pg_dump --format=custom --file=sales.dump DATABASE"
        )
    if PLAIN_BEGINS in head and PLAIN_ENDS not in _tail(path, 4096):
        raise _cut_short(dump, f"its last line, {PLAIN_ENDS.decode()!r}, is missing")
    return "plain"


def _directory(path: Path, dump: str) -> Form:
    """pg_restore takes the end of an uncompressed file, and an empty compressed one, for the end of the rows."""
    if not (path / "toc.dat").exists():
        raise SourceError(f"{dump}: a folder without toc.dat is not a pg_dump directory. Nothing was restored.")
    for rows in sorted(path.glob("[0-9]*.dat")):
        if ROWS_END not in _tail(rows, 16):
            raise _cut_short(dump, f"{rows.name} has no end")
    for packed in sorted(path.glob("*.dat.gz")):
        with packed.open("rb") as file:
            if file.read(len(GZIP)) != GZIP:
                raise _cut_short(dump, f"{packed.name} has no beginning")
    return "directory"


def _tar(path: Path, dump: str) -> Form:
    """pg_restore never ends on a tar file whose last member is cut short."""
    try:
        with tarfile.open(path, "r:") as archive:
            members = archive.getmembers()
    except tarfile.TarError as e:
        raise _cut_short(dump, str(e)) from e
    if members[0].name != "toc.dat":
        raise SourceError(
            f"{dump}: a tar file that begins with {members[0].name!r}, not with pg_dump's toc.dat. Nothing was "
            "restored. Make a dump: pg_dump --format=custom --file=sales.dump DATABASE"
        )
    last = members[-1]
    end = last.offset_data + -(-last.size // TAR_BLOCK) * TAR_BLOCK
    if path.stat().st_size < end + TAR_BLOCK:
        raise _cut_short(dump, "the tar file has no end")
    return "tar"


def _tail(path: Path, size_bytes: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - size_bytes, 0))
        return file.read()


def _cut_short(dump: str, what: str) -> SourceError:
    return SourceError(f"{dump} was not restored; the database is as it was: {what}. {CUT_SHORT}")
