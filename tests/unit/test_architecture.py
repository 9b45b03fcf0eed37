"""The shape of the package: imports go one way, heavy ones wait, modules can be held in one's head."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lakehouse"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each part may import those of lower rank, and its own; parts of the same rank do not know each other.
RANKS = {
    "errors": 0,
    "names": 1,
    "programs": 1,
    "trino_types": 1,
    "project": 2,
    "model": 3,
    "store": 3,
    "stack": 4,
    "engines": 5,
    "lease": 5,
    "portable": 5,
    "catalog": 5,
    "extract": 6,
    "promote": 6,
    "scan": 6,
    "record": 7,
    "run": 8,
    "ask": 9,
    "reading": 9,
    "history": 9,
    "lint": 9,
    "doctor": 9,
    "model_tests": 9,
    "plan": 9,
    "scaffold": 9,
    "site": 9,
    "terminal": 9,
    "orchestration": 9,
    "compare": 10,
    "demo": 10,
    "restoring": 10,
    "cli": 11,
}
HEAVY: tuple[str, ...] = (
    "airflow",
    "boto3",
    "botocore",
    "duckdb",
    "great_expectations",
    "moto",
    "pandas",
    "psycopg2",
    "pyarrow",
)
HEAVY += ("pyiceberg", "rich", "sqlalchemy", "trino")
# Defines classes derived from Great Expectations', so it is itself imported only where a gate runs.
MAY_IMPORT_HEAVY = ("promote/expectations/",)
READS_ENVIRONMENT: tuple[str, ...] = (
    "project.py",
    "stack/",
    "extract/restore.py",
    "demo/pack.py",
    "lease.py",
    "promote/expectations/",
)
READS_ENVIRONMENT += ("orchestration/connections.py",)
LINES, FUNCTION_LINES = 410, 50


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def at_import_time(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported: not those in functions, nor under TYPE_CHECKING."""
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    here = part_of(path)
    if here in ("__init__", "__main__"):
        return
    assert here in RANKS, f"{here} has no rank: decide where it stands in the flow"
    for name, node in imports(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] != "lakehouse" or len(parts) < 2 or parts[1] not in RANKS or parts[1] == here:
            continue
        assert RANKS[parts[1]] < RANKS[here], f"{path}:{node.lineno}: {here} must not import {parts[1]}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_imports_wait_until_they_are_used(path: Path) -> None:
    if str(path.relative_to(PACKAGE)).startswith(MAY_IMPORT_HEAVY):
        return
    for statement in at_import_time(ast.parse(path.read_text())):
        for name, node in imports(statement):
            assert name.split(".")[0] not in HEAVY, f"{path}:{node.lineno}: import {name} where it is used"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_and_functions_can_be_held_in_ones_head(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{path}: say in one line where it stands in the flow"
    assert len(text.splitlines()) <= LINES
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or 0) - node.lineno
            assert length <= FUNCTION_LINES, f"{path}:{node.lineno}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_project_reads_settings_from_the_environment(path: Path) -> None:
    if str(path.relative_to(PACKAGE)).startswith(READS_ENVIRONMENT):
        return
    text = path.read_text()
    assert "os.environ" not in text and "getenv" not in text


def test_the_command_line_starts_without_heavy_modules() -> None:
    heavy = ", ".join(repr(h) for h in (*HEAVY, "sqlglot"))
    code = (
        "import sys; from lakehouse.cli import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('LOADED', sorted(m for m in ({heavy}) if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "demo" in done.stdout
    assert done.stdout.rstrip().endswith("LOADED []")


def test_every_error_knows_whether_a_retry_can_help() -> None:
    from lakehouse import errors

    tree = {e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.LakehouseError)}
    drawn = errors.__doc__ or ""
    assert {e.__name__ for e in tree} == {e.__name__ for e in tree if e.__name__ in drawn}
    assert {e.__name__ for e in tree if e.retryable} == {"CommitConflict", "RunInProgress"}
    assert {e.__name__: e.exit_code for e in tree if e.exit_code not in (1,)} == {
        "UsageError": 2,
        "GateFailed": 3,
        "EnginesDiffer": 4,
    }
