"""What the documents say is so."""

from __future__ import annotations

import re
from pathlib import Path

import lakehouse

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= 600


def test_every_link_of_the_documents_resolves() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert versions[0] == lakehouse.__version__


def test_commands_of_the_readme_exist() -> None:
    from lakehouse.cli import cli

    commands = set(re.findall(r"lakehouse ([a-z]+)\b", README)) - {"is"}
    assert {"run", "query", "quarantine", "log"} <= commands
    assert commands <= set(cli.commands), commands - set(cli.commands)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"make ([a-z-]+)", README)) <= targets | {"and"}


def test_every_command_shows_an_example() -> None:
    from lakehouse.cli import cli

    for name, command in cli.commands.items():
        assert re.search(rf"lakehouse {name}", command.help or ""), f"lakehouse {name} --help has no example"


def test_every_module_is_placed_in_contributing() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    parts = {p.relative_to(ROOT / "lakehouse").parts[0] for p in (ROOT / "lakehouse").rglob("*.py")}
    for part in parts - {"__init__.py", "__main__.py"}:
        assert f"`{part}`" in text or f"`{part}/`" in text, f"{part} is not in CONTRIBUTING.md"


def test_lock_files_name_no_place() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert all(" --hash=sha256:" in block for block in re.split(r"\n(?=\S)", text.strip()) if "==" in block)


def test_the_exported_names_are_the_documented_ones() -> None:
    assert lakehouse.__all__ == ["__version__", "connect"]
    assert "lakehouse.connect()" in README
