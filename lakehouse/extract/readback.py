"""What a part really holds, read back from S3 once: its bytes, their digest, its lines, and the longest of them."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from lakehouse.catalog.bronze import Op, Part
from lakehouse.store import Store

CHUNK_BYTES = 1 << 20
# What DuckDB's reader takes for a line unless it is told more.
READERS_LIMIT_BYTES = 16_000_000


class _Digested(io.RawIOBase):
    """A stream that remembers the digest and the length of what was read from it."""

    def __init__(self, body: Any) -> None:
        self.body, self.digest, self.size = body, hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        chunk = self.body.read(len(target))
        self.digest.update(chunk)
        self.size += len(chunk)
        target[: len(chunk)] = chunk
        return len(chunk)


def read_back(store: Store, key: str, prefix: str, op: Op) -> Part:
    """The part at `key` as S3 holds it, whatever was sent; memory is a few chunks, whatever its size."""
    import pyarrow as pa

    rows = longest = current = 0
    with store.body(key) as body:
        raw = _Digested(body)
        with pa.CompressedInputStream(pa.PythonFile(io.BufferedReader(raw, CHUNK_BYTES), mode="r"), "zstd") as lines:
            while chunk := lines.read(CHUNK_BYTES):
                ended = chunk.count(b"\n")
                if ended:
                    # A line that lies within a chunk is shorter than it: only those that cross chunks can be long.
                    longest = max(longest, current + chunk.index(b"\n"))
                    current = len(chunk) - chunk.rindex(b"\n") - 1
                else:
                    current += len(chunk)
                rows += ended
        while raw.read(CHUNK_BYTES):
            continue
    too_long = longest if longest > READERS_LIMIT_BYTES else 0
    return Part(key.removeprefix(prefix), rows, raw.size, raw.digest.hexdigest(), op, too_long)
