"""One run at a time: a lease on the lake, held in S3 and renewed by S3's own clock.

The lease keeps two runs from doing the same work; it is not what keeps them from harm. That is the commits: each names
the state it stands on and is refused if the table has moved. So a lease lost in a pause cannot lose an update.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from lakehouse.errors import LakehouseError, RunInProgress
from lakehouse.store import Store

TTL = timedelta(seconds=60)
# The runs at work in this process: a lease of ours that is not among them was left when S3 was away.
_at_work: set[str] = set()
RENEW_S = 15.0


@contextmanager
def hold_lease(store: Store, run_id: str) -> Iterator[None]:
    """Hold the lake's run lease for the block; a lease whose owner is gone is taken over.

    Raises:
        RunInProgress: another run holds it; the message says which, where, since when.
    """
    key = store.layout.run_lock
    claim = {
        "run_id": run_id,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    tag = store.put_json(key, claim, only_if="absent") or _take_over(store, key, claim)
    _at_work.add(run_id)
    stop = threading.Event()
    renewal = threading.Thread(target=_renew, args=(store, key, claim, tag, stop), name="lease", daemon=True)
    renewal.start()
    try:
        yield
    finally:
        _at_work.discard(run_id)
        stop.set()
        renewal.join(timeout=RENEW_S)
        with suppress(LakehouseError):  # S3 is away: what broke the run is what matters, and the lease ends by itself
            if store.get_json(key) == claim:
                store.delete([key])


def _take_over(store: Store, key: str, claim: dict[str, Any]) -> str:
    found = store.get_json_with_tag(key)
    if found is None:  # released between our two requests
        tag = store.put_json(key, claim, only_if="absent")
    else:
        held, old_tag, age = found
        if age < TTL and not _is_dead(held):
            raise RunInProgress(
                f"Run {held['run_id']} is at work on this lake (host {held['host']}, process {held['pid']}, since "
                f"{held['since']}). This one did nothing. Wait for it and run again; if it died, its lease ends "
                f"{(TTL - age).seconds} s from now."
            )
        tag = store.put_json(key, claim, only_if=old_tag)
    if tag is None:
        raise RunInProgress(
            "Another run started at the same moment and was first. This one did nothing. Run again later."
        )
    return tag


def _is_dead(held: dict[str, Any]) -> bool:
    """Whether the owner was a process of this machine that has ended, or a run of this process that has."""
    if held["host"] != socket.gethostname():
        return False
    if held["pid"] == os.getpid():
        return held["run_id"] not in _at_work
    try:
        os.kill(int(held["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _renew(store: Store, key: str, claim: dict[str, Any], tag: str, stop: threading.Event) -> None:
    while not stop.wait(RENEW_S):
        try:
            renewed = store.put_json(key, claim, only_if=tag)
        except LakehouseError:
            continue  # S3 is away; the run itself will say so, and the lease ends by itself
        if renewed is None:
            return  # taken over after a pause: our commits are refused where the other has committed
        tag = renewed
