"""An expectation and its answer in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lakehouse.promote.suites import Expectation
from lakehouse.promote.verdict import Check, CheckOutcome
from lakehouse.promote.vocabulary import UNEXPECTED_ROWS

if TYPE_CHECKING:
    from lakehouse.promote.expectations.validate import Answer

ARGUMENT_CHARS = 100
OBSERVED_CHARS = 200
UNSAID = {"column", "column_A", "column_B", "column_list", "condition_parser", "ignore_row_if"}


def describe_check(position: int, expectation: Expectation, answer: Answer | None) -> Check:
    """The result of one expectation; no answer at all is an error, not a pass."""
    if answer is None:
        return _check(
            position, expectation, "error", "no answer", None, None, "Great Expectations gave no answer to it"
        )
    if answer.error is not None:
        return _check(position, expectation, "error", answer.error[:OBSERVED_CHARS], None, None, answer.error[:400])
    unexpected, elements = _counts(expectation, answer.result)
    observed = _observed(expectation, answer.result, unexpected, elements)
    outcome: CheckOutcome = "passed" if answer.success else "failed"
    return _check(position, expectation, outcome, observed, unexpected, elements, observed)


def phrase(expectation: Expectation) -> str:
    """An expectation as a demand: `quantity must be between (min_value 0)`."""
    if expectation.type == UNEXPECTED_ROWS:
        why = expectation.meta.get("why")
        return str(why) if why else "its query must find no row"
    words = expectation.type.removeprefix("expect_").replace("_to_", " must ", 1).replace("_", " ")
    for prefix in ("column values ", "column ", "table ", "compound columns "):
        words = words.removeprefix(prefix)
    given = {k: v for k, v in expectation.kwargs.items() if k not in UNSAID and (k != "mostly" or v != 1)}
    arguments = ", ".join(f"{k} {_short(v)}" for k, v in given.items())
    columns = ", ".join(expectation.columns) or str(expectation.kwargs.get("column", ""))
    subject = f"{columns} {words}" if words.startswith("must") else f"{columns}: {words}" if columns else words
    return f"{subject} ({arguments})" if arguments else subject


def _check(
    position: int,
    expectation: Expectation,
    outcome: CheckOutcome,
    observed: str,
    unexpected: int | None,
    elements: int | None,
    detail: str,
) -> Check:
    failed = outcome != "passed"
    return Check(
        type=expectation.type,
        columns=", ".join(expectation.columns),
        severity=expectation.severity,
        outcome=outcome,
        observed=observed,
        unexpected_count=unexpected,
        element_count=elements,
        message=f"{phrase(expectation)}: {detail}" if failed else "",
        kwargs=expectation.kwargs,
        why=str(expectation.meta.get("why", "")),
        position=position,
        # What raised was not tested, so its severity does not count.
        stops=outcome == "error" or (failed and expectation.severity == "critical"),
    )


def _counts(expectation: Expectation, result: Mapping[str, Any]) -> tuple[int | None, int | None]:
    if expectation.type == UNEXPECTED_ROWS:
        return int(result.get("observed_value") or 0), None
    if not expectation.kind.row_level or "element_count" not in result:
        return None, None
    return int(result.get("unexpected_count") or 0), int(result["element_count"])


def _observed(expectation: Expectation, result: Mapping[str, Any], unexpected: int | None, elements: int | None) -> str:
    if unexpected is None:
        value = result.get("observed_value")
        if value is None and "unexpected_count" in result:
            value = f"{result['unexpected_count']} rows differ"
        return _short(value, OBSERVED_CHARS) if value is not None else "not so"
    rows = f"{unexpected:,} row{'' if unexpected == 1 else 's'}"
    of = rows if elements is None else f"{unexpected:,} of {elements:,} rows"
    examples = [_short(v, 40) for v in result.get("partial_unexpected_list") or () if v is not None]
    return f"{of}, e.g. {', '.join(dict.fromkeys(examples))}" if examples else of


def _short(value: object, limit: int = ARGUMENT_CHARS) -> str:
    plain = not isinstance(value, list | tuple | dict | bool)
    text = str(value) if plain else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= limit else text[: limit - 1] + "…"
