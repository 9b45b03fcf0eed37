"""What can be found wrong without running anything: models, headers, suites."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lakehouse.errors import LakehouseError
from lakehouse.model import ModelGraph, load_graph, load_questions
from lakehouse.project import Project
from lakehouse.promote.suites import load_suite
from lakehouse.run import expectations_of

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
    is_warning: bool = False


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
    findings += _orphans(project, graph)
    return findings


def _model_findings(project: Project, graph: ModelGraph) -> Iterator[LintFinding]:
    for model in graph.models.values():
        if not model.description:
            yield LintFinding(str(model.path), "has no description: say in a comment what one row is")
        if model.name.layer != "bronze" and not (model.key or model.is_keyless):
            yield LintFinding(str(model.path), "has no key: add the line -- key: <columns>, or -- key: none")
        if model.changes:
            yield LintFinding(str(model.path), CURSOR_RISK.format(model.changes), is_warning=True)
        try:
            load_suite(expectations_of(project.root, model.name), model.name)
        except LakehouseError as e:
            yield LintFinding(str(expectations_of(project.root, model.name)), str(e))


def _orphans(project: Project, graph: ModelGraph) -> list[LintFinding]:
    """Suites of tables that no model makes: they look like protection and are none."""
    folder = project.root / "expectations"
    wanted = {expectations_of(project.root, n) for n in graph.models}
    return [
        LintFinding(str(path), "belongs to no model; rename or remove it")
        for path in sorted(folder.glob("*/*.json"))
        if path not in wanted
    ]
