"""One run at a time: a lease on the lake, held in S3 and renewed by S3's own clock.

A run whose steps are processes of their own (a DAG run's tasks) shares its lease among them: `begin_shared` takes it
for the step that may not meet another, `join_shared` for those that may, `release_shared` ends it after the last.

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
TRIES = 5


@contextmanager
def hold_lease(store: Store, run_id: str) -> Iterator[None]:
    """Hold the lake's run lease for the block; a lease whose owner is gone is taken over.

    Raises:
        RunInProgress: another run holds it; the message says which, where, since when.
    """
    key = store.layout.run_lock
    claim = _own_claim(run_id)
    tag = store.put_json(key, claim, only_if="absent") or _take_over(store, key, claim)
    try:
        with _renewed(store, key, claim, tag):
            yield
    finally:
        with suppress(LakehouseError):  # S3 is away: what broke the run is what matters, and the lease ends by itself
            if store.get_json(key) == claim:
                store.delete([key])


@contextmanager
def begin_shared(store: Store, run_id: str) -> Iterator[None]:
    """Hold the lease alone for the block, against this run's other processes too; then leave it to them.

    Raises:
        RunInProgress: another run, or another process of this one, holds it.
    """
    key = store.layout.run_lock
    claim = _own_claim(run_id)
    tag = store.put_json(key, claim, only_if="absent") or _take_over(store, key, claim)
    try:
        with _renewed(store, key, claim, tag):
            yield
    finally:
        with suppress(LakehouseError):
            found = store.get_json_with_tag(key)
            if found is not None and found[0] == claim:
                store.put_json(key, _shared_claim(run_id), only_if=found[1])


@contextmanager
def join_shared(store: Store, run_id: str) -> Iterator[None]:
    """Keep the run's lease alive for the block, with whichever other processes of the run do so too; it stays after it.

    Raises:
        RunInProgress: another run holds it, or a process of this run holds it alone.
    """
    key = store.layout.run_lock
    claim = _shared_claim(run_id)
    tag = store.put_json(key, claim, only_if="absent")
    for _ in range(TRIES):
        tag = tag or _join(store, key, claim)
    if tag is None:
        raise RunInProgress(
            f"Other processes of run {run_id} changed its lease {TRIES} times in a row. Nothing was done; run again."
        )
    with _renewed(store, key, claim, tag):
        yield


def release_shared(store: Store, run_id: str) -> None:
    """End the run's shared lease; another's stays."""
    key = store.layout.run_lock
    if store.get_json(key) == _shared_claim(run_id):
        store.delete([key])


def _own_claim(run_id: str) -> dict[str, Any]:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"run_id": run_id, "host": socket.gethostname(), "pid": os.getpid(), "since": since}


def _shared_claim(run_id: str) -> dict[str, Any]:
    """The same text from every process of the run, so that any of them can renew it for all."""
    return {"run_id": run_id, "shared": True}


def _join(store: Store, key: str, claim: dict[str, Any]) -> str | None:
    """The tag of the run's own shared lease, renewed; None where another process moved it at the same moment."""
    found = store.get_json_with_tag(key)
    if found is not None and found[0] == claim:
        return store.put_json(key, claim, only_if=found[1])
    if found is None:
        return store.put_json(key, claim, only_if="absent")
    return _take_over(store, key, claim)


@contextmanager
def _renewed(store: Store, key: str, claim: dict[str, Any], tag: str) -> Iterator[None]:
    _at_work.add(claim["run_id"])
    stop = threading.Event()
    renewal = threading.Thread(target=_renew, args=(store, key, claim, tag, stop), name="lease", daemon=True)
    renewal.start()
    try:
        yield
    finally:
        _at_work.discard(claim["run_id"])
        stop.set()
        renewal.join(timeout=RENEW_S)


def _take_over(store: Store, key: str, claim: dict[str, Any]) -> str:
    found = store.get_json_with_tag(key)
    if found is None:  # released between our two requests
        tag = store.put_json(key, claim, only_if="absent")
    else:
        held, old_tag, age = found
        if age < TTL and not _is_dead(held) and held != _shared_claim(claim["run_id"]):
            raise RunInProgress(
                f"Run {held['run_id']} is at work on this lake ({_holder(held)}). This one did nothing. Wait for it "
                f"and run again; if it died, its lease ends {(TTL - age).seconds} s from now."
            )
        tag = store.put_json(key, claim, only_if=old_tag)
    if tag is None:
        raise RunInProgress(
            "Another run started at the same moment and was first. This one did nothing. Run again later."
        )
    return tag


def _holder(held: dict[str, Any]) -> str:
    if held.get("shared"):
        return "in several processes"
    return f"host {held['host']}, process {held['pid']}, since {held['since']}"


def _is_dead(held: dict[str, Any]) -> bool:
    """Whether the owner was a process of this machine that has ended, or a run of this process that has."""
    if held.get("host") != socket.gethostname():
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
