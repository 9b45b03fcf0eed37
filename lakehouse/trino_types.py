"""Types as Trino and Athena write them: `decimal(10, 2)`, `row(a bigint, b array(varchar))`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lakehouse.errors import EngineError

WORD = re.compile(r"\s*([a-z_][a-z0-9_ ]*?)\s*(?=[(,)]|$)", re.IGNORECASE)
FIELD = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^\s"(),]+))\s+(?=\S)')
NUMBER = re.compile(r"\s*(\d+)\s*")
ZONE = re.compile(r"\s+with(?:out)? time zone")
# A field without a name begins with its type at once: one of these in two words, or a word and its parenthesis.
WORD_TYPES = re.compile(r"\s*(?:interval (?:day|year) to|timestamp with|time with|double precision)", re.IGNORECASE)


@dataclass(frozen=True)
class TrinoType:
    """`decimal(10, 2)` as name and numbers; `row(a bigint)` as name, children and their names."""

    name: str
    numbers: tuple[int, ...] = ()
    children: tuple[TrinoType, ...] = ()
    names: tuple[str, ...] = field(default=())


def parse_type(text: str) -> TrinoType:
    """A type as Trino and Athena write it.

    Raises:
        EngineError: it is none we know how to read.
    """
    kind, end = _parse(text, 0)
    if end != len(text.rstrip()):
        raise _unknown(text)
    return kind


def _parse(text: str, at: int) -> tuple[TrinoType, int]:
    match = WORD.match(text, at)
    if match is None:
        raise _unknown(text)
    name, at = match[1].lower(), match.end()
    if at >= len(text) or text[at] != "(":
        return TrinoType(name), at
    numbers: list[int] = []
    children: list[TrinoType] = []
    names: list[str] = []
    while text[at] != ")":
        at += 1
        if number := NUMBER.match(text, at):
            numbers.append(int(number[1]))
            at = number.end()
            continue
        named = FIELD.match(text, at) if name == "row" and not WORD_TYPES.match(text, at) else None
        if named:
            at = named.end()
        names.append((named[1] or named[2] or "").replace('""', '"') if named else f"field{len(children)}")
        child, at = _parse(text, at)
        children.append(child)
        if at >= len(text):
            raise _unknown(text)
    at += 1
    if rest := ZONE.match(text, at):
        name, at = f"{name} with time zone" if "with time" in rest[0] else name, rest.end()
    return TrinoType(name, tuple(numbers), tuple(children), tuple(names) if name == "row" else ()), at


def _unknown(text: str) -> EngineError:
    return EngineError(f"A column has the type {text!r}, which has no place in Arrow. Cast it in the query.")
