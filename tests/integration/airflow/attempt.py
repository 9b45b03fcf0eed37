"""The tasks of one DAG run in order, as a process that a test can kill: python -m … PROJECT RUN_ID."""

from __future__ import annotations

import sys
from pathlib import Path

from lakehouse.model import load_graph
from lakehouse.orchestration.steps import Job, extract_tables, make_table, report_run, validate_source
from lakehouse.project import Project, load_project


def attempt(project: Project, run_id: str) -> None:
    """Every step once; an error ends it."""
    job = Job(project, run_id)
    validate_source(job)
    extract_tables(job)
    for name in load_graph(project.root).models:
        make_table(job, str(name))
    report_run(job)


if __name__ == "__main__":
    attempt(load_project(Path(sys.argv[1])), sys.argv[2])
