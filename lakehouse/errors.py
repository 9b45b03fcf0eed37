"""Every error a user can meet, as one tree; the command line turns each into a message and an exit code.

    LakehouseError            exit 1
    ├── UsageError            exit 2  the command was called wrongly
    ├── ProjectError          lakehouse.toml or an environment variable is wrong
    ├── SourceError           PostgreSQL cannot be reached, read, or restored
    ├── ModelError            a SQL file or the graph of models is wrong
    ├── PortabilityError      a query means something else on another engine
    ├── GateFailed            exit 3  an expectation said no
    ├── EnginesDiffer         exit 4  two engines gave different answers
    ├── CommitConflict        somebody else committed first         (retryable)
    ├── RunInProgress         another run holds the lake            (retryable)
    ├── LakeError             S3 cannot be reached, or refuses
    ├── CatalogError          Glue cannot be reached, or refuses
    ├── EngineError           DuckDB, Trino or Athena could not run a statement
    └── StackError            a local service does not start or answer

A message says what, where and how much · what it means · what to do next, and never a secret.
`retryable` tells a scheduler whether the same call, unchanged, may succeed later.
"""

from __future__ import annotations


class LakehouseError(Exception):
    """The root: catch it to catch everything the toolkit raises on purpose."""

    exit_code = 1
    retryable = False

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        if retryable is not None:
            self.retryable = retryable


class UsageError(LakehouseError):
    exit_code = 2


class ProjectError(LakehouseError):
    pass


class SourceError(LakehouseError):
    pass


class ModelError(LakehouseError):
    pass


class PortabilityError(LakehouseError):
    pass


class GateFailed(LakehouseError):
    """Carries the verdict (a `lakehouse.promote.verdict.Verdict`), so that a run can record what failed."""

    exit_code = 3

    def __init__(self, message: str, *, verdict: object = None) -> None:
        super().__init__(message)
        self.verdict = verdict


class EnginesDiffer(LakehouseError):
    exit_code = 4


class CommitConflict(LakehouseError):
    retryable = True


class RunInProgress(LakehouseError):
    retryable = True


class LakeError(LakehouseError):
    pass


class CatalogError(LakehouseError):
    pass


class EngineError(LakehouseError):
    pass


class StackError(LakehouseError):
    pass
