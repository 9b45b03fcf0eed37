"""What can be found wrong without running anything: models, headers, suites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lakehouse.errors import LakehouseError, PortabilityError
from lakehouse.model import Model, ModelGraph, Question, load_graph, load_questions
from lakehouse.portable import translate
from lakehouse.portable.types import duckdb_name
from lakehouse.portable.typing import OPEN
from lakehouse.project import Project
from lakehouse.promote.suites import load_suite
from lakehouse.run import expectations_of


@dataclass(frozen=True)
class LintFinding:
    path: str
    message: str


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
    return findings


def _model_findings(project: Project, graph: ModelGraph) -> Iterator[LintFinding]:
    for model in graph.models.values():
        if not model.description:
            yield LintFinding(str(model.path), "has no description: say in a comment what one row is")
        if model.name.layer != "bronze" and not model.key:
            yield LintFinding(str(model.path), "has no key: add the line -- key: <columns>")
        try:
            load_suite(expectations_of(project.root, model.name), model.name)
        except LakehouseError as e:
            yield LintFinding(str(expectations_of(project.root, model.name)), str(e))


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
