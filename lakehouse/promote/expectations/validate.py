"""Ask Great Expectations: expectations and views in, plain answers and SQL conditions out."""

# ruff: noqa: TID253 (this module is only ever imported inside functions)

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import great_expectations.expectations as gxe
import sqlalchemy as sa
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.exceptions.exceptions import GreatExpectationsError
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.registry import get_expectation_impl, get_metric_kwargs
from great_expectations.validator.metric_configuration import MetricConfiguration
from pydantic.v1 import ValidationError
from sqlalchemy.sql import visitors

from lakehouse.promote.expectations import metrics, uniqueness
from lakehouse.promote.expectations.engine import LakehouseExecutionEngine, QuietValidator, open_validators

REGISTERED = (gxe, metrics, uniqueness)  # importing them is what makes their expectations and metrics known
EXAMPLES = 3


@dataclass(frozen=True)
class Question:
    """One expectation to ask about one view."""

    position: int
    type: str
    kwargs: Mapping[str, Any]
    view: str


@dataclass(frozen=True)
class Answer:
    """What came of it: `error` is set, and `success` false, where an exception was raised instead."""

    position: int
    success: bool
    result: Mapping[str, Any]
    error: str | None


class Asker:
    """One connection's views under validation; guards that they are asked through one engine, opened once."""

    def __init__(self, validators: Mapping[str, QuietValidator]) -> None:
        self._validators = validators

    @property
    def _engine(self) -> LakehouseExecutionEngine:
        engine = next(iter(self._validators.values())).execution_engine
        assert isinstance(engine, LakehouseExecutionEngine)
        return engine

    def ask(self, questions: Sequence[Question], *, examples: int = 0) -> list[Answer]:
        """Answer every question, a graph of metrics for each view; up to `examples` unexpected values come along.

        Raises:
            duckdb.Error: the database itself gave up, which says nothing about the data.
        """
        how = {
            "catch_exceptions": True,
            "result_format": {"result_format": "BASIC", "partial_unexpected_count": examples},
        }
        found: list[ExpectationValidationResult] = []
        for view, validator in self._validators.items():
            configurations = [self._configuration(q) for q in questions if q.view == view]
            with silenced():
                found += validator.graph_validate(configurations, runtime_configuration=how) if configurations else []
            if self._engine.broken:
                raise self._engine.broken[0]
        return [_answer(result) for result in found]

    def condition(self, question: Question) -> str:
        """SQL that is true for exactly the rows that a row-level expectation does not expect."""
        kind = get_expectation_impl(question.type)
        name = f"{kind.map_metric}.condition"  # type: ignore[attr-defined]
        with silenced():
            kwargs = get_metric_kwargs(name, configuration=self._configuration(question))
            unexpected, compute, accessor = self._validators[question.view].get_metric(
                MetricConfiguration(name, kwargs["metric_domain_kwargs"], kwargs["metric_value_kwargs"])
            )
        return self._sql(sa.and_(unexpected, *self._filters({**compute, **accessor})))

    def domain(self, question: Question) -> str:
        """SQL that is true for the rows that an expectation is about: its row_condition, and what it ignores."""
        kind = get_expectation_impl(question.type)
        keys = {k: v for k, v in self._configuration(question).kwargs.items() if k in kind.domain_keys}
        defaults = {k: kind.__fields__[k].default for k in ("ignore_row_if",) if k in kind.__fields__}
        return self._sql(sa.and_(sa.true(), *self._filters({**defaults, **keys})))

    def _filters(self, domain: dict[str, Any]) -> Iterator[Any]:
        records = self._engine.get_domain_records(domain)
        for element in visitors.iterate(records):
            if isinstance(element, sa.Select) and element.whereclause is not None:
                yield element.whereclause

    def _sql(self, condition: Any) -> str:
        compiled = condition.compile(self._engine.engine, compile_kwargs={"literal_binds": True})
        return str(compiled).replace("%%", "%")

    def _configuration(self, question: Question) -> ExpectationConfiguration:
        kwargs = {**question.kwargs, "batch_id": self._validators[question.view].active_batch_id}
        return ExpectationConfiguration(type=question.type, kwargs=kwargs, meta={"position": question.position})


@contextmanager
def open_asker(con: duckdb.DuckDBPyConnection, views: Iterable[str]) -> Iterator[Asker]:
    """An Asker over `views` of `con`, which must be committed and named with their schema."""
    with open_validators(con, dict.fromkeys(views)) as validators:
        yield Asker(validators)


def check_arguments(expectation: str, kwargs: Mapping[str, Any]) -> str | None:
    """What Great Expectations says of an expectation's arguments; None if nothing is wrong with them."""
    try:
        with silenced():
            ExpectationConfiguration(type=expectation, kwargs=dict(kwargs)).to_domain_obj()
    except (ValidationError, ValueError, TypeError, GreatExpectationsError) as e:
        if isinstance(e, ValidationError):
            return "; ".join(f"{'.'.join(str(p) for p in x['loc'])}: {x['msg']}" for x in e.errors())
        return " ".join(str(e).split())
    return None


@contextmanager
def silenced() -> Iterator[None]:
    """Keep Great Expectations' own log and warnings out of ours; what they say is in the answers."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _answer(result: ExpectationValidationResult) -> Answer:
    configuration = result.expectation_config
    assert configuration is not None and configuration.meta is not None
    return Answer(
        int(configuration.meta["position"]), bool(result.success), result.result or {}, _raised(result.exception_info)
    )


def _raised(info: Any) -> str | None:
    """The first exception in an exception_info, which has one, or a dictionary of them by metric."""
    nested = [info] if info and "raised_exception" in info else list((info or {}).values())
    for found in nested:
        if found.get("raised_exception"):
            text = str(found.get("exception_message") or "an exception without a message")
            return " ".join(text.split("[SQL:")[0].replace("in BatchData ", "").split()).removeprefix("Error: ")
    return None
