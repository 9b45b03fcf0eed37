"""Functions of text, patterns, JSON and days."""

from __future__ import annotations

import re

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from lakehouse.portable.calls import FUNCTIONS, Call, Function, given
from lakehouse.portable.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    UNKNOWN,
    VARCHAR,
    Refused,
    Type,
    array,
    common_type,
    is_day,
    is_integer,
    timestamp,
)  # fmt: skip
from lakehouse.portable.typing import Typing, rule
from lakehouse.portable.write import call, cast_to, casting, literal_integer, literal_text, macro, number, paren, text

UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
EXTRACTS = {
    "dow": "isodow", "day_of_week": "isodow", "doy": "dayofyear", "day_of_year": "dayofyear", "year": "year",
    "quarter": "quarter", "month": "month", "week": "week", "day": "day", "day_of_month": "day", "yow": "isoyear",
    "year_of_week": "isoyear", "hour": "hour", "minute": "minute", "second": "second",
}  # fmt: skip
# MySQL's letters, which Athena's date_format reads, in strftime's.
LETTERS = {
    **{f"%{c}": f"%{c}" for c in "YymdHSbajpI%"},
    "%i": "%M", "%s": "%S", "%M": "%B", "%W": "%A", "%h": "%I", "%e": "%-d", "%c": "%-m", "%k": "%-H", "%l": "%-I",
    "%T": "%H:%M:%S",
}  # fmt: skip
JAVA_ONLY = re.compile(r"\(\?[=!<>]|\\[1-9]|[*+?}]\+|\\p\{Is|\\[GZzhHRXk]|\[\[:|&&")
JSON_PATH = re.compile(r'\$(\.[A-Za-z_]\w*|\[\d+\]|\["[^"]*"\])*')


@rule(exp.Trim)
def trimmed(typing: Typing, node: exp.Trim, scope: Scope) -> Type:
    typing.want(node.this, VARCHAR, scope, "what TRIM takes")
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get((node.args.get("position") or "").upper(), "trim")
    if node.args.get("expression") is None:
        typing.rewrite(node, lambda n: macro(name, n.this))
    else:
        typing.want(node.expression, VARCHAR, scope, "what TRIM takes off")
        typing.rewrite(node, lambda n: call(name, n.this, n.expression))
    return VARCHAR


@rule(exp.Extract)
def extracted(typing: Typing, node: exp.Extract, scope: Scope) -> Type:
    unit, kind = node.this.name.lower(), typing.type(node.expression, scope)
    clock = unit in ("hour", "minute", "second")
    if unit not in EXTRACTS or not is_day(kind) or (clock and kind == DATE):
        raise Refused(f"EXTRACT({unit.upper()} FROM {kind}) · is not established on both engines", node)
    typing.rewrite(node, lambda n: call(EXTRACTS[unit], n.expression))
    return BIGINT


def truncated(found: Call) -> Type:
    unit, kind = literal_text(found.arguments[0], "the unit of date_trunc").lower(), found.types[1]
    found.need(unit in UNITS and is_day(kind), f"takes one of {', '.join(UNITS)} and a date or timestamp")
    if kind == DATE:
        found.need(unit not in ("second", "minute", "hour"), f"a date has no {unit}")
        found.rewrite(casting(DATE))
    return kind


def elapsed(found: Call) -> Type:
    unit = literal_text(found.arguments[0], "the unit of date_diff").lower()
    found.need(unit in (*UNITS, "millisecond") and len(found.types) == 3, "takes a unit and two days")
    found.need(all(map(is_day, found.types[1:])), "takes dates or timestamps")
    found.rename("date_sub")
    return BIGINT


def moved(found: Call) -> Type:
    unit, kind = literal_text(found.arguments[0], "the unit of date_add").lower(), found.types[2]
    found.need(unit in UNITS and is_integer(found.types[1]) and is_day(kind), "takes a unit, an integer and a day")
    found.need(kind != DATE or unit not in ("second", "minute", "hour"), f"a date has no {unit}")

    def build(node: exp.Expr) -> exp.Expr:
        step = call(
            f"to_{unit}s", cast_to(node.expressions[1], "INTEGER" if unit not in ("hour", "minute") else "BIGINT")
        )
        later = paren(exp.Add(this=paren(node.expressions[2]), expression=step))
        return cast_to(later, DATE) if kind == DATE else later

    found.rewrite(build)
    return kind


def day(found: Call) -> Type:
    (kind,) = found.types
    found.need(kind == VARCHAR or is_day(kind), "takes a text, date or timestamp")
    if kind != VARCHAR:
        found.rewrite(lambda n: cast_to(n.expressions[0], DATE))
        return DATE

    def build(node: exp.Expr) -> exp.Expr:
        read = cast_to(macro("date_text", node.expressions[0]), DATE, attempt=True)
        return macro("must", read, node.expressions[0].copy(), text("date"))

    found.rewrite(build)
    return DATE


def last_day(found: Call) -> Type:
    found.need(is_day(found.types[0]), "takes a date or timestamp")
    found.rename("last_day")
    return DATE


def strftime_letters(format_text: str, found: Call) -> str:
    parts = re.findall(r"%.|[^%]+|%$", format_text)
    for part in parts:
        found.need(not part.startswith("%") or part in LETTERS, f"{part} is not established on both engines")
    return "".join(LETTERS.get(p, p) for p in parts)


def printed_day(found: Call) -> Type:
    letters = strftime_letters(literal_text(found.arguments[1], "the format of date_format"), found)
    found.need(is_day(found.types[0]), "takes a date or timestamp")
    found.rewrite(lambda n: call("strftime", n.expressions[0], text(letters)))
    return VARCHAR


def read_day(found: Call) -> Type:
    letters = strftime_letters(literal_text(found.arguments[1], "the format of date_parse"), found)
    found.need(found.types[0] == VARCHAR, "takes a text")
    found.rewrite(lambda n: call("strptime", n.expressions[0], text(letters)))
    return timestamp(3)


def unix_time(found: Call) -> Type:
    found.need(found.types[0].name == "timestamp", "takes a timestamp")
    found.rename("epoch")
    return DOUBLE


def pattern(name: str, found: Call) -> str:
    found.need(2 <= len(found.types) <= 3, "takes two arguments or three")
    written = literal_text(found.arguments[1], f"the pattern of {name}")
    found.need(found.types[0] in (VARCHAR, UNKNOWN), "takes a text")
    if JAVA_ONLY.search(written):
        raise Refused(
            f"{name}: {written} · look-around, back-references, possessive quantifiers and POSIX classes are Java's, "
            "or mean other letters in DuckDB · write the classes out",
            found.node,
        )
    return written


def matches(found: Call) -> Type:
    pattern(found.name, found)
    found.rename("regexp_matches")
    return BOOLEAN


def match(found: Call) -> Type:
    pattern(found.name, found)
    found.rewrite(lambda n: macro("regexp_extract", *n.expressions[:2], *(n.expressions[2:] or [number(0)])))
    return VARCHAR


def all_matches(found: Call) -> Type:
    pattern(found.name, found)
    return array(VARCHAR)


def match_count(found: Call) -> Type:
    pattern(found.name, found)
    found.rewrite(lambda n: cast_to(call("len", call("regexp_extract_all", *n.expressions)), BIGINT))
    return BIGINT


def replaced_pattern(found: Call) -> Type:
    pattern(found.name, found)
    written = literal_text(found.arguments[2], "the replacement") if len(found.arguments) > 2 else ""
    found.need("${" not in written and "\\" not in written, "names groups or escapes in the replacement · write $1")
    groups = text(re.sub(r"\$(\d)", r"\\\1", written))
    found.rewrite(lambda n: call("regexp_replace", n.expressions[0], n.expressions[1], groups, text("g")))
    return VARCHAR


def replaced(found: Call) -> Type:
    found.need(found.types[0] == VARCHAR, "takes a text")
    searched = literal_text(found.arguments[1], "what replace looks for")
    found.need(bool(searched), "of an empty text inserts between all letters on Athena")
    found.rewrite(lambda n: call("replace", *n.expressions[:2], *(n.expressions[2:] or [text("")])))
    return VARCHAR


def part(found: Call) -> Type:
    found.need(
        found.types[0] in (VARCHAR, UNKNOWN) and all(map(is_integer, found.types[1:])), "takes a text and places"
    )
    known = all((literal_integer(a) or 0) >= 1 for a in found.arguments[1:])
    found.rewrite(lambda n: call("substr", *given(n)) if known else macro(f"substr{len(given(n))}", *given(n)))
    return VARCHAR


def concatenated(found: Call) -> Type:
    found.need(len(found.types) >= 2, "takes two arguments or more")
    if all(t == VARCHAR for t in found.types):

        def build(node: exp.Expr) -> exp.Expr:
            whole = paren(node.expressions[0])
            for item in node.expressions[1:]:
                whole = exp.DPipe(this=whole, expression=paren(item))
            return paren(whole)

        found.rewrite(build)
        return VARCHAR
    found.need(all(t.name == "array" for t in found.types), "joins texts, or arrays · CAST to varchar")
    found.rename("list_concat")
    return common_type(found.types, "concat()", found.node)


def padded(found: Call) -> Type:
    known = literal_integer(found.arguments[1]) if len(found.arguments) == 3 else None
    found.need(found.types[0] == VARCHAR and known is not None, "takes a text, a literal length and a text")
    found.need(bool(literal_text(found.arguments[2], "the padding")), "wants some padding")
    return VARCHAR


def shorn(name: str) -> Function:
    def check(found: Call) -> Type:
        found.need(all(t == VARCHAR for t in found.types), "takes texts")
        if len(found.types) == 1:
            found.rename(f"athena.{name}")
        return VARCHAR

    return check


def split(found: Call) -> Type:
    found.need(found.types[0] == VARCHAR and len(found.types) == 2, "takes a text and a separator")
    found.need(bool(literal_text(found.arguments[1], "the separator")), "wants a separator")
    return array(VARCHAR)


def joined(found: Call) -> Type:
    found.need(all(t in (VARCHAR, UNKNOWN) for t in found.types), "joins texts")
    return VARCHAR


def json_scalar(found: Call) -> Type:
    path = literal_text(found.arguments[1], "the path")
    found.need(found.types[0] == VARCHAR and bool(JSON_PATH.fullmatch(path)), f"{path} is a path not established")
    path = re.sub(r'\["([^"]*)"\]', r'."\1"', path)
    name = "json_number" if found.node.meta.get("number") else "json_scalar"
    found.rewrite(lambda n: macro(name, n.expressions[0], text(path)))
    return VARCHAR


FUNCTIONS |= {
    "date_trunc": truncated, "date_diff": elapsed, "date_add": moved, "date": day, "last_day_of_month": last_day,
    "date_format": printed_day, "date_parse": read_day, "to_unixtime": unix_time, "regexp_like": matches,
    "regexp_extract": match, "regexp_extract_all": all_matches, "regexp_count": match_count,
    "regexp_replace": replaced_pattern, "replace": replaced, "substr": part, "substring": part,
    "concat": concatenated, "concat_ws": joined, "lpad": padded, "rpad": padded, "ltrim": shorn("ltrim"),
    "rtrim": shorn("rtrim"), "split": split, "json_extract_scalar": json_scalar,
}  # fmt: skip
