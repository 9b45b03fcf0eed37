"""The local AWS API (Glue, Athena, STS, …): starting `aws_server` and asking whether it answers."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path
from typing import Any

from lakehouse.project import Project
from lakehouse.stack.services import Report, State, free_port, launch, strays, wait_until

PROGRAM = "lakehouse.stack.aws_server"
# Nothing checks the signature; the scope in it is how the server knows service and region.
ASK_GLUE = {
    "X-Amz-Target": "AWSGlue.GetDatabases",
    "Content-Type": "application/x-amz-json-1.1",
    "Authorization": "AWS4-HMAC-SHA256 Credential=local/20240101/us-east-1/glue/aws4_request, "
    "SignedHeaders=host, Signature=0",
}


def start(project: Project, state: State, report: Report) -> None:
    """Start the API with the catalog it had when it was last up.

    Raises:
        StackError: it does not answer.
    """
    port = free_port(state.read().get("aws", {}).get("port"))
    data = data_dir(project)
    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", PROGRAM, "--port", str(port), "--state", str(data)]
    started = launch(command, project.state_dir / "logs" / "aws.log")
    endpoint = f"http://127.0.0.1:{port}"
    state.put("aws", {**started, "endpoint": endpoint, "port": port})
    wait_until("aws", lambda: is_answering(endpoint), started, 60)


def data_dir(project: Project) -> Path:
    return project.state_dir / "aws"


def find_strays(project: Project) -> list[Any]:
    """Servers of this catalog that nobody wrote down."""
    return strays(PROGRAM, data_dir(project))


def is_answering(endpoint: str) -> bool:
    """Whether a Glue call is answered."""
    request = urllib.request.Request(endpoint, data=b"{}", headers=ASK_GLUE)
    # A proxy of the environment is not for loopback.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=5) as answer:
            return b"DatabaseList" in answer.read()
    except OSError:
        return False
