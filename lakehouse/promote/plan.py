"""What a model needs: nothing, a rebuild, or the keys or partitions that changed; and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lakehouse.catalog.bronze import ChainLink, Manifest
from lakehouse.catalog.iceberg import TableVersion
from lakehouse.model import Model

Scope = Literal["nothing", "full", "by_key", "by_partition"]


@dataclass(frozen=True)
class Work:
    """What to do for one model. `links` are the bronze runs to read (by_key), `changed` the inputs that moved.

    `added` are columns that the source has got and the model takes along (on_drift: add).
    """

    scope: Scope
    reason: str
    links: tuple[ChainLink, ...] = ()
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


def plan_model(
    model: Model,
    version: TableVersion | None,
    inputs: Mapping[str, str],
    manifests: Mapping[str, Manifest],
    suite: str,
    *,
    is_new: bool,
    full: bool,
) -> Work:
    """Decide from the table's last version, the inputs' versions now, and the model's text.

    `inputs` maps each table the model reads to its version; `manifests` has the newest run of each bronze one.
    """
    if full or version is None:
        reason = "asked for" if full else "first version" if is_new else "another writer changed the table"
        return Work("full", reason)
    if version.model != model.fingerprint:
        return Work("full", "the model changed since its last commit")
    if version.suite != suite and version.quarantined_rows:
        return Work("full", f"its expectations changed while {version.quarantined_rows:,} rows are in quarantine")
    changed = tuple(name for name, now in inputs.items() if version.inputs.get(name) != now)
    if not changed:
        return Work("nothing", "no input changed")
    if model.update == "by_key":
        return _by_key(model, version, changed, manifests)
    if model.update == "by_partition":
        return Work("by_partition", f"{', '.join(changed)} changed", changed=changed)
    return Work("full", f"{', '.join(changed)} changed")


def _by_key(model: Model, version: TableVersion, changed: tuple[str, ...], manifests: Mapping[str, Manifest]) -> Work:
    if len(changed) > 1 or changed[0] not in manifests:
        return Work("full", f"{', '.join(changed)} changed, which reach rows of any key")
    manifest = manifests[changed[0]]
    links = manifest.since(version.inputs[changed[0]]) if changed[0] in version.inputs else None
    if links is None:
        return Work("full", f"{changed[0]} was copied whole: {manifest.reason}")
    return Work("by_key", f"{changed[0]} has {sum(link.rows for link in links):,} changed rows", links, changed)
