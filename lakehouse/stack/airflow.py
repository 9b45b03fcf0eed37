"""The local Airflow: scheduler, triggerer, DAG processor and pages, over the project's `dags/`; state in .lakehouse."""

from __future__ import annotations

import json
import os
import secrets
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lakehouse.errors import StackError
from lakehouse.project import Project
from lakehouse.stack.services import TOKEN, Report, State, free_port, launch, wait_until

PROGRAM = "lakehouse.stack.airflow_server"
USER = "lakehouse"
PARALLELISM = 4  # 0.9 GB at rest; Airflow's own 32 start 40 processes
START_TIMEOUT_S = 180.0
ANSWER_TIMEOUT_S = 10
# The tasks' way to AWS where the lake is not the local one.
AWS_CHAIN = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CONFIG_FILE")


def start(project: Project, state: State, report: Report) -> None:
    """Start Airflow with the project's DAGs; it is up when all four of its parts say so.

    Raises:
        StackError: the extra is not installed, there is no folder dags, or it does not start.
    """
    if find_spec("airflow") is None:
        raise StackError("Airflow is not installed. Install it: pip install 'lakehouse[airflow]'")
    folder = project.root / "dags"
    if not folder.is_dir():
        raise StackError(
            f"{folder}: there is no such folder, so Airflow would have nothing to run. Put the DAGs there."
        )
    home = home_dir(project)
    home.mkdir(parents=True, exist_ok=True)
    password = _kept(passwords_file(home), USER)
    port = free_port(state.read().get("airflow", {}).get("port"))
    url = f"http://127.0.0.1:{port}"
    settings = {**_settings(home, folder, port), **project.environment}
    # Each part would make one of its own, and refuse the others' tokens.
    settings["AIRFLOW__API_AUTH__JWT_SECRET"] = _kept(home / "secrets.json", "jwt")
    settings |= {name: os.environ[name] for name in AWS_CHAIN if name in os.environ}
    started = launch([sys.executable, "-m", PROGRAM], project.state_dir / "logs" / "airflow.log", environment=settings)
    detail = f"log in as {USER}; the password is in {passwords_file(home)}"
    state.put("airflow", {**started, "url": url, "port": port, "detail": detail})
    wait_until("airflow", lambda: is_answering(url), started, START_TIMEOUT_S, report)
    report(f"airflow: {url}, log in as {USER} with {password}")


def home_dir(project: Project) -> Path:
    return project.state_dir / "airflow"


def passwords_file(home: Path) -> Path:
    return home / "passwords.json"


def find_strays(project: Project) -> list[Any]:
    """Processes of this Airflow that `lakehouse up` started, written down or not."""
    import psutil

    home, found = str(home_dir(project)), []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            continue  # gone, or another user's
        if environment.get("AIRFLOW_HOME") == home and TOKEN in environment:
            found.append(process)
    return found


def is_answering(url: str) -> bool:
    """Whether the database, the scheduler, the triggerer and the DAG processor are all healthy."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/api/v2/monitor/health", timeout=ANSWER_TIMEOUT_S) as answer:
            parts = json.load(answer)
    except (OSError, ValueError):
        return False
    names = ("metadatabase", "scheduler", "triggerer", "dag_processor")
    return all((parts.get(name) or {}).get("status") == "healthy" for name in names)


def _kept(path: Path, name: str) -> str:
    """A secret made once and kept where its owner alone may read it."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump({name: secrets.token_urlsafe(48 if name != USER else 12)}, file)
    return str(json.loads(path.read_text())[name])


def _settings(home: Path, folder: Path, port: int) -> dict[str, str]:
    sections: dict[str, dict[str, object]] = {
        "API": {"HOST": "127.0.0.1", "PORT": port, "WORKERS": 1, "BASE_URL": f"http://127.0.0.1:{port}"},
        "CORE": {
            "DAGS_FOLDER": folder,
            "DAGS_ARE_PAUSED_AT_CREATION": False,
            "EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "LOAD_EXAMPLES": False,
            "PARALLELISM": PARALLELISM,
            "SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": passwords_file(home),
        },
        "DATABASE": {"LOAD_DEFAULT_CONNECTIONS": False, "SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}"},
        "DAG_PROCESSOR": {"REFRESH_INTERVAL": 30},
        "SCHEDULER": {"ENABLE_HEALTH_CHECK": False},
        "USAGE_DATA_COLLECTION": {"ENABLED": False},
    }
    named = {
        f"AIRFLOW__{section}__{name}": str(v) for section, values in sections.items() for name, v in values.items()
    }
    # Its parts are started as the program airflow, which must be this environment's.
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {"AIRFLOW_HOME": str(home), "PATH": programs, "PYTHONWARNINGS": "ignore", **named}
