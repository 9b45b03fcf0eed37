"""What can be found wrong without running anything: models, headers, suites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lakehouse.errors import LakehouseError, PortabilityError
from lakehouse.model import Model, ModelGraph, Question, load_graph, load_questions
from lakehouse.portable import translate
from lakehouse.portable.types import duckdb_name
from lakehouse.portable.typing import OPEN
from lakehouse.project import Project
from lakehouse.promote.suites import load_suite
from lakehouse.run import expectations_of
from lakehouse.scan import whole_reads

CURSOR_RISK = (
    "changes: cursor({0.column}, {0.overlap}) misses deleted rows, rows updated without touching {0.column}, and "
    "commits that take longer than the overlap. It is for tables too large to scan; a full copy finds what was missed: "
    "lakehouse run TABLE --full"
)


@dataclass(frozen=True)
class LintFinding:
    """What is wrong with a file; a warning is a risk that a person may have chosen, and fails nothing."""

    path: str
    message: str
    severity: Literal["error", "warning"] = "error"


def lint_project(project: Project) -> list[LintFinding]:
    """Everything wrong with the project's files, in their order; an empty list is good news."""
    queries = project.root / "queries"
    try:
        graph = load_graph(project.root)
        questions = load_questions(project.root)
    except LakehouseError as e:
        return [LintFinding(str(queries), str(e))]
    findings = list(_model_findings(project, graph))
    known = {str(n) for n in graph.models}
    for question in questions:
        findings += [
            LintFinding(str(question.path), f"reads {r}, which no model makes")
            for r in question.reads
            if r not in known
        ]
        if not question.description:
            findings.append(LintFinding(str(question.path), "has no description: say in a comment what it answers"))
    findings += _unportable(graph, questions)
    findings += _orphans(project, graph)
    findings += _whole_reads(graph, questions)
    return findings


def _model_findings(project: Project, graph: ModelGraph) -> Iterator[LintFinding]:
    for model in graph.models.values():
        if not model.description:
            yield LintFinding(str(model.path), "has no description: say in a comment what one row is")
        if model.name.layer != "bronze" and not (model.key or model.is_keyless):
            yield LintFinding(str(model.path), "has no key: add the line -- key: <columns>, or -- key: none")
        if model.changes:
            yield LintFinding(str(model.path), CURSOR_RISK.format(model.changes), severity="warning")
        try:
            load_suite(expectations_of(project.root, model.name), model.name)
        except LakehouseError as e:
            yield LintFinding(str(expectations_of(project.root, model.name)), str(e))


def _whole_reads(graph: ModelGraph, questions: Sequence[Question]) -> Iterator[LintFinding]:
    """Questions that scan all of a partitioned table: they work, and Athena is paid by the byte."""
    partitions = {str(m.name): tuple(p.column for p in m.partition_by) for m in graph.models.values() if m.partition_by}
    for question in questions:
        for table in whole_reads(question.sql, partitions):
            by = ", ".join(partitions[table])
            message = (
                f"reads all of {table}, which is partitioned by {by}: on Athena that is paid; filter by {by} if you can"
            )
            yield LintFinding(str(question.path), message, "warning")


def _unportable(graph: ModelGraph, questions: Sequence[Question]) -> Iterator[LintFinding]:
    """What would mean something else in Athena, found from the models' own column types: no lake is needed."""
    bronze = {str(m.name): {OPEN: "VARCHAR"} for m in graph.layer("bronze")}
    schemas: dict[str, dict[str, str]] = dict(bronze)
    queries: list[Model | Question] = [m for m in graph.models.values() if str(m.name) not in bronze]
    for query in [*queries, *questions]:
        if not all(r in schemas for r in query.reads):
            continue
        try:
            columns = translate(query.sql, schemas, str(query.path)).columns
        except PortabilityError as e:
            place, _, message = str(e).partition(": ")
            yield LintFinding(place, message)
        else:
            schemas[str(query.name)] = {n: duckdb_name(t) for n, t in columns}


def _orphans(project: Project, graph: ModelGraph) -> list[LintFinding]:
    """Suites of tables that no model makes: they look like protection and are none."""
    folder = project.root / "expectations"
    wanted = {expectations_of(project.root, n) for n in graph.models}
    return [
        LintFinding(str(path), "belongs to no model; rename or remove it")
        for path in sorted(folder.glob("*/*.json"))
        if path not in wanted
    ]
