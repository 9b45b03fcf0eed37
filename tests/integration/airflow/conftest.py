"""Airflow in this process: a home of its own, no server; `dag.test()` runs real tasks against the real services."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import REPOSITORY, Place
from tests.integration.small import small_shop

# Airflow warns of its own old names when it is imported, and of database rows its own code touches.
QUIET = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="session")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database of Airflow's own, made once; set before anything imports airflow."""
    home = tmp_path_factory.mktemp("airflow")
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(name, value)
        from airflow.utils.db import initdb

        initdb()
        yield home


class Dags:
    """The DAG files in a project of their own, as they lie in this repository."""

    def __init__(self, place: Place, home: Path) -> None:
        from airflow.dag_processing.dagbag import DagBag

        shutil.copytree(REPOSITORY / "dags", place.root / "dags", ignore=shutil.ignore_patterns("__pycache__"))
        # dag.test() reads the configured folder, which is the same for all tests of the session.
        folder = home / "dags"
        folder.unlink(missing_ok=True)
        folder.symlink_to(place.root / "dags")
        bag = DagBag(dag_folder=str(folder), bundle_name="dags-folder")
        assert bag.import_errors == {}
        self.bag = bag
        self.place = place
        for dag in bag.dags.values():
            for task in dag.tasks:
                task.retry_delay = timedelta(0)
                task.retry_exponential_backoff = 0

    def run(self, dag_id: str, day: int = 1, **conf: Any) -> Any:
        """One DAG run of a day; the same day again is the same run with every task cleared."""
        moment = datetime(2026, 3, day, tzinfo=UTC)
        return self.bag.dags[dag_id].test(run_after=moment, logical_date=moment, run_conf=conf)


def states(dag_run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in dag_run.get_task_instances()}


def results(dag_run: Any) -> dict[str, Any]:
    """Every value that went through XCom, by task."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(XComModel).filter_by(dag_id=dag_run.dag_id, run_id=dag_run.run_id)
        return {f"{row.task_id}:{row.key}": XComModel.deserialize_value(row) for row in rows}


@pytest.fixture
def dags(place: Place, airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> Dags:
    """The small shop, with the DAGs loaded and the environment set for it."""
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    small_shop(place)
    return Dags(place, airflow_home)
