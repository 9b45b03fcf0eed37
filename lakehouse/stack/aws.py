"""The local AWS API (Glue, Athena, STS, …): starting `aws_server` and asking whether it answers."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

from lakehouse.project import Project
from lakehouse.stack.services import Report, State, free_port, launch, wait_until


def start(project: Project, state: State, report: Report) -> None:
    """Start the API with the catalog it had when it was last up."""
    entry = state.read().get("aws", {})
    port = free_port(entry.get("port"))
    data = project.state_dir / "aws"
    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "lakehouse.stack.aws_server", "--port", str(port), "--state", str(data)]
    started = launch(command, project.state_dir / "logs" / "aws.log")
    endpoint = f"http://127.0.0.1:{port}"
    state.put("aws", {**started, "endpoint": endpoint, "port": port})
    wait_until("aws", lambda: is_answering(endpoint), started, 60)


def is_answering(endpoint: str) -> bool:
    """Whether the API answers its own health page."""
    try:
        with urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
