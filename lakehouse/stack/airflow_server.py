"""What runs as the local Airflow: `airflow standalone`, without its log servers, which would listen on every interface.

    python -m lakehouse.stack.airflow_server

Its tasks run on this machine, so their logs are read from their files. Settings come from the environment.
"""

from __future__ import annotations

from typing import Any

SERVES_LOGS = ("scheduler", "triggerer")


def main() -> None:
    """Run until told to stop."""
    from airflow.cli.commands import standalone_command

    class LoopbackOnly(standalone_command.SubCommand):
        def __init__(self, parent: Any, name: str, command: list[str], env: dict[str, str]) -> None:
            extra = ["--skip-serve-logs"] if name in SERVES_LOGS else []
            super().__init__(parent, name=name, command=[*command, *extra], env=env)

    standalone_command.SubCommand = LoopbackOnly  # type: ignore[misc]
    standalone_command.StandaloneCommand.entrypoint(None)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
