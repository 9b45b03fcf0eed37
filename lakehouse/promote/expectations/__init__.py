"""Great Expectations on DuckDB: its SQL engine taught to speak to the connection that a promotion already holds.

The modules below import Great Expectations at their top, which takes seconds: import them inside functions only, and
after `load`. They reach into private names of it; its version is pinned, and tests ask every expectation.
"""

from __future__ import annotations

import warnings


def load() -> None:
    """Import Great Expectations, once per process, without the deprecation warnings it raises while importing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lakehouse.promote.expectations.validate  # noqa: F401
