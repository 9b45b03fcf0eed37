"""lakehouse.toml and the environment become one frozen Project; the only module that reads either."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lakehouse.errors import ProjectError, StackError
from lakehouse.names import TABLE_NAME, LakeLayout

CONFIG_FILE = "lakehouse.toml"
STATE_DIR = ".lakehouse"
SERVICES_FILE = "services.json"
ENGINES = ("duckdb", "trino", "athena")
LOCAL_LAKE = "s3://lake"

SETTINGS: dict[str, tuple[str, ...]] = {
    "project": ("name",),
    "source": ("name", "schema"),
    "lake": ("url", "region", "s3_endpoint"),
    "catalog": ("endpoint",),
    "engine": ("default", "memory_limit", "threads", "trino_url"),
    "athena": ("workgroup", "output_location", "max_bytes"),
}


READ_FROM_ENVIRONMENT = re.compile(r"LAKEHOUSE_\w+|AWS_REGION|AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class Secret:
    """Text that must not be printed: its repr and str are stars; `reveal()` says that you mean it."""

    _value: str

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__


@dataclass(frozen=True)
class Credentials:
    """Keys of the local object store; anywhere else the standard AWS chain provides them."""

    access_key: str
    secret_key: Secret


@dataclass(frozen=True)
class Source:
    name: str
    schema: str
    url: Secret

    def redact(self, text: str) -> str:
        """`text` without this source's password or URL, for messages of libraries that print them."""
        hidden = text.replace(self.url.reveal(), "<source>")
        password = urlsplit(self.url.reveal()).password
        return hidden.replace(password, "***") if password else hidden

    @property
    def place(self) -> str:
        """Host, port and database: what a person needs to know where, and nothing secret."""
        parts = urlsplit(self.url.reveal())
        return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path or '/'}"


@dataclass(frozen=True)
class Lake:
    """An S3 location; `endpoint` is None for AWS itself."""

    layout: LakeLayout
    region: str
    endpoint: str | None
    catalog_endpoint: str | None
    credentials: Credentials | None


@dataclass(frozen=True)
class Engine:
    default: str
    memory_limit: str
    threads: int
    trino_url: str | None


@dataclass(frozen=True)
class Athena:
    """How Athena is asked; `max_bytes` is what one query may scan at most, None for no cap."""

    workgroup: str
    output_location: str | None
    max_bytes: int | None


@dataclass(frozen=True)
class Project:
    """Everything a command needs to know of where it is; nothing in it is looked up again later."""

    root: Path
    name: str
    engine: Engine
    settings: Mapping[str, Mapping[str, Any]]
    environment: Mapping[str, str] = field(repr=False)  # only what READ_FROM_ENVIRONMENT names: it may hold a password

    @property
    def state_dir(self) -> Path:
        """Where the local services keep what is theirs; never committed."""
        return self.root / STATE_DIR

    @property
    def uses_local_source(self) -> bool:
        return not self.environment.get("LAKEHOUSE_SOURCE_URL")

    @property
    def uses_local_lake(self) -> bool:
        return _lake_url(self) is None

    @property
    def source_name(self) -> str:
        """What bronze keeps the source's tables under; known without a connection to it."""
        return str(self.settings.get("source", {}).get("name", "source"))

    @property
    def source(self) -> Source:
        """The PostgreSQL this project reads.

        Raises:
            ProjectError: the URL is not a PostgreSQL URL.
            StackError: the local services are wanted and are not up.
        """
        url = self.environment.get("LAKEHOUSE_SOURCE_URL") or local_service(self, "postgres")["url"]
        if urlsplit(url).scheme not in ("postgres", "postgresql"):
            raise ProjectError(
                "LAKEHOUSE_SOURCE_URL is not a PostgreSQL URL. Write it as postgresql://user:password@host:5432/database."
            )
        settings = self.settings.get("source", {})
        return Source(self.source_name, str(settings.get("schema", "public")), Secret(url))

    @property
    def lake(self) -> Lake:
        """The S3 location and catalog this project writes.

        Raises:
            ProjectError: a URL is malformed.
            StackError: the local services are wanted and are not up.
        """
        settings = self.settings.get("lake", {})
        region = str(settings.get("region", self.environment.get("AWS_REGION", "us-east-1")))
        url = _lake_url(self)
        if url is None:
            store = local_service(self, "minio")
            keys = Credentials(store["access_key"], Secret(store["secret_key"]))
            aws = local_service(self, "aws")["endpoint"]
            return Lake(parse_lake_url(LOCAL_LAKE, "the local lake"), region, store["endpoint"], aws, keys)
        endpoint = self.environment.get("LAKEHOUSE_S3_ENDPOINT") or settings.get("s3_endpoint")
        glue = self.environment.get("LAKEHOUSE_GLUE_ENDPOINT") or self.settings.get("catalog", {}).get("endpoint")
        return Lake(parse_lake_url(url, "LAKEHOUSE_LAKE"), region, endpoint, glue, None)

    @property
    def trino_url(self) -> Secret:
        """The Trino this project asks: the one that is named, else the local one. It may hold a password.

        Raises:
            ProjectError: the URL is none.
            StackError: the local one is wanted and is not up.
        """
        if self.engine.trino_url is None:
            return Secret(local_service(self, "trino")["url"])
        parts = urlsplit(self.engine.trino_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ProjectError("LAKEHOUSE_TRINO_URL is not a URL of Trino. Write it as https://user:password@host:443.")
        return Secret(self.engine.trino_url)

    @property
    def athena(self) -> Athena:
        """Workgroup, results' location and cap; the environment over lakehouse.toml.

        Raises:
            ProjectError: a value is malformed.
        """
        settings, env = self.settings.get("athena", {}), self.environment
        location = env.get("LAKEHOUSE_ATHENA_OUTPUT") or settings.get("output_location")
        if location is not None:
            parse_lake_url(str(location), "LAKEHOUSE_ATHENA_OUTPUT")
        cap = env.get("LAKEHOUSE_ATHENA_MAX_BYTES") or settings.get("max_bytes")
        workgroup = env.get("LAKEHOUSE_ATHENA_WORKGROUP") or str(settings.get("workgroup", "primary"))
        return Athena(workgroup, location, None if cap is None else parse_size(str(cap), "LAKEHOUSE_ATHENA_MAX_BYTES"))


def load_project(directory: Path, environment: Mapping[str, str] | None = None) -> Project:
    """Read `lakehouse.toml` of `directory` or its nearest parent that has one, and the environment over it.

    Raises:
        ProjectError: no project there, or a setting that does not exist or has no valid value.
    """
    everything = os.environ if environment is None else environment
    env = {name: value for name, value in everything.items() if READ_FROM_ENVIRONMENT.fullmatch(name)}
    root = _find_root(directory)
    settings = _read_settings(root / CONFIG_FILE)
    for name in ("LAKEHOUSE_S3_ENDPOINT", "LAKEHOUSE_GLUE_ENDPOINT"):
        if env.get(name) and not (env.get("LAKEHOUSE_LAKE") or settings.get("lake", {}).get("url")):
            raise ProjectError(
                f"{name} is set but LAKEHOUSE_LAKE is not, so there is no lake to use it for. "
                "Set LAKEHOUSE_LAKE=s3://bucket/prefix too, or unset it to use the local services."
            )
    name = str(settings.get("project", {}).get("name", root.name))
    return Project(root, name, _engine(settings.get("engine", {}), env), settings, env)


def local_service(project: Project, service: str) -> dict[str, Any]:
    """What `lakehouse up` wrote down about one of its services.

    Raises:
        StackError: that service was not started.
    """
    try:
        services = json.loads((project.state_dir / SERVICES_FILE).read_text())
        found: dict[str, Any] = services[service]
    except (FileNotFoundError, KeyError, TypeError, ValueError) as e:  # not there, or damaged
        others = "LAKEHOUSE_SOURCE_URL, LAKEHOUSE_LAKE, LAKEHOUSE_S3_ENDPOINT, LAKEHOUSE_GLUE_ENDPOINT"
        flag, others = (" --trino", "LAKEHOUSE_TRINO_URL") if service == "trino" else ("", others)
        raise StackError(
            f"The local {service} service is not up. Start it: lakehouse up{flag}. Or name your own: {others}."
        ) from e
    return found


def parse_lake_url(url: str, setting: str) -> LakeLayout:
    """`s3://bucket/prefix` as a layout.

    Raises:
        ProjectError: it is something else.
    """
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*?))?/*", url)
    if match is None:
        raise ProjectError(f"{setting}={url!r} is not an S3 location. Write it as s3://bucket or s3://bucket/prefix.")
    prefix = match[2] or ""
    return LakeLayout(match[1], f"{prefix}/" if prefix else "")


def parse_size(text: str, setting: str) -> int:
    """`10GB` or a number of bytes; units are powers of 1000.

    Raises:
        ProjectError: it is something else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B?)", text.strip(), re.IGNORECASE)
    if match is None:
        raise ProjectError(f"{setting}={text!r} is not a size. Write it as 500MB, 10GB or 1TB.")
    return int(float(match[1]) * 1000 ** " KMGT".index(match[2].upper().rstrip("B") or " "))


def _lake_url(project: Project) -> str | None:
    return project.environment.get("LAKEHOUSE_LAKE") or project.settings.get("lake", {}).get("url")


def _find_root(directory: Path) -> Path:
    start = directory.resolve()
    for folder in (start, *start.parents):
        if (folder / CONFIG_FILE).is_file():
            return folder
    raise ProjectError(
        f"No {CONFIG_FILE} in {start} or above it. Go into a project, name one with --project DIR, "
        "or write one: lakehouse init DIR --source URL."
    )


def _read_settings(path: Path) -> dict[str, dict[str, Any]]:
    try:
        settings = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as e:
        raise ProjectError(f"{path}: not valid TOML: {e}.") from e
    for section, values in settings.items():
        _check_known(section, SETTINGS, f"{path}: [{section}] is not a section")
        if not isinstance(values, dict):
            raise ProjectError(f"{path}: {section} must be a section, written [{section}].")
        for key in values:
            _check_known(key, SETTINGS[section], f"{path}: [{section}] has no setting {key!r}")
    name = settings.get("source", {}).get("name", "source")
    if not TABLE_NAME.fullmatch(str(name)):
        raise ProjectError(f"{path}: [source] name={name!r}: use lower-case letters, digits and underscores.")
    return settings


def _check_known(name: str, valid: Mapping[str, Any] | tuple[str, ...], problem: str) -> None:
    if name not in valid:
        close = get_close_matches(name, valid, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ProjectError(f"{problem}.{hint} Valid: {', '.join(valid)}.")


def _engine(settings: Mapping[str, Any], env: Mapping[str, str]) -> Engine:
    default = env.get("LAKEHOUSE_ENGINE") or str(settings.get("default", "duckdb"))
    if default not in ENGINES:
        raise ProjectError(f"LAKEHOUSE_ENGINE={default!r} is not an engine. Valid: {', '.join(ENGINES)}.")
    memory = env.get("LAKEHOUSE_MEMORY_LIMIT") or str(settings.get("memory_limit", "512MB"))
    if not re.fullmatch(r"\d+(\.\d+)?\s*([KMGT]i?B)", memory):
        raise ProjectError(f"LAKEHOUSE_MEMORY_LIMIT={memory!r} is not a size. Write it as 512MB or 4GB.")
    threads = env.get("LAKEHOUSE_THREADS") or str(settings.get("threads", os.cpu_count() or 1))
    if not re.fullmatch(r"[1-9]\d{0,3}", threads):
        raise ProjectError(f"LAKEHOUSE_THREADS={threads!r} is not a number of threads. Write a whole number from 1.")
    return Engine(default, memory, int(threads), env.get("LAKEHOUSE_TRINO_URL") or settings.get("trino_url"))
