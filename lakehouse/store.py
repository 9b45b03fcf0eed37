"""The lake's small objects on S3: manifests, run records, the run lock. Every write is one conditional or whole PUT."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from lakehouse.errors import LakeError
from lakehouse.names import LakeLayout
from lakehouse.project import Lake

MAX_SKEW = timedelta(minutes=15)  # beyond it S3 refuses a signature
TRANSIENT = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "ThrottlingException", "503", "500"}


@dataclass(frozen=True)
class StoredObject:
    key: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class Store:
    """One lake's bucket; a thin, typed face of boto3 whose errors say what to do."""

    lake: Lake

    @property
    def layout(self) -> LakeLayout:
        return self.lake.layout

    @cached_property
    def client(self) -> Any:
        """A boto3 S3 client; one per store, made on first use because importing boto3 takes 0.3 s."""
        return aws_client(self.lake, "s3", self.lake.endpoint)

    def get_json(self, key: str) -> dict[str, Any] | None:
        """The JSON object at `key`, or None where there is none."""
        found = self.get_json_with_tag(key)
        return None if found is None else found[0]

    def get_json_with_tag(self, key: str) -> tuple[dict[str, Any], str, timedelta] | None:
        """The JSON object at `key`, its entity tag for a conditional replace, and its age by S3's own clock."""
        with self._explained(key):
            try:
                found = self.client.get_object(Bucket=self.layout.bucket, Key=key)
            except self.client.exceptions.NoSuchKey:
                return None
            body: dict[str, Any] = json.loads(found["Body"].read())
            now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
            return body, found["ETag"], now - found["LastModified"]

    def put_json(self, key: str, value: object, *, only_if: str | None = None) -> str | None:
        """Write `value`; its new entity tag, or None if the condition did not hold and nothing was written.

        `only_if` is "absent" (If-None-Match: *) or the entity tag that must still be there (If-Match).
        """
        return self.put(key, json.dumps(value, indent=1).encode(), "application/json", only_if=only_if)

    def put(
        self,
        key: str,
        body: bytes,
        content_type: str,
        *,
        only_if: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str | None:
        """Write `body` whole, with `metadata` to read back by `metadata()`; otherwise as `put_json`."""
        from botocore.exceptions import ClientError

        condition = {} if only_if is None else {"IfNoneMatch": "*"} if only_if == "absent" else {"IfMatch": only_if}
        with self._explained(key):
            try:
                done = self.client.put_object(
                    Bucket=self.layout.bucket,
                    Key=key,
                    Body=body,
                    ContentType=content_type,
                    Metadata=dict(metadata or {}),
                    **condition,
                )
            except ClientError as e:
                # 409 is S3's answer when two conditional writes meet; 404 when the object to match is gone.
                if condition and error_code(e) in (
                    "PreconditionFailed",
                    "ConditionalRequestConflict",
                    "412",
                    "409",
                    "NoSuchKey",
                ):
                    return None
                raise
            tag: str = done["ETag"]
            return tag

    def metadata(self, key: str) -> dict[str, str] | None:
        """The metadata that `put` wrote with the object at `key`, or None where there is no object."""
        with self._explained(key):
            try:
                found: dict[str, str] = self.client.head_object(Bucket=self.layout.bucket, Key=key)["Metadata"]
            except self.client.exceptions.ClientError as e:
                if error_code(e) in ("404", "NoSuchKey"):
                    return None
                raise
            return found

    def find(self, prefix: str) -> Iterator[StoredObject]:
        """Every object whose key begins with `prefix`, in key order."""
        with self._explained(prefix):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.layout.bucket, Prefix=prefix)
            for page in pages:
                for found in page.get("Contents", []):
                    yield StoredObject(found["Key"], found["Size"], found["LastModified"])

    def delete(self, keys: list[str]) -> None:
        """Delete `keys`; deleting what is not there is not an error."""
        with self._explained(keys[0] if keys else ""):
            for start in range(0, len(keys), 1000):
                batch = [{"Key": k} for k in keys[start : start + 1000]]
                self.client.delete_objects(Bucket=self.layout.bucket, Delete={"Objects": batch, "Quiet": True})

    @contextmanager
    def body(self, key: str) -> Iterator[Any]:
        """The object at `key` as a stream of bytes, for the block."""
        with self._explained(key), closing(self.client.get_object(Bucket=self.layout.bucket, Key=key)["Body"]) as body:
            yield body

    def check(self) -> None:
        """See that the bucket is there and lets us in.

        Raises:
            LakeError: it is not, or does not.
        """
        with self._explained(self.layout.prefix):
            self.client.head_bucket(Bucket=self.layout.bucket)

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as e:
            raise explain_s3_error(e, self.lake, key) from e


def aws_client(lake: Lake, service: str, endpoint: str | None, *, retries: bool = True) -> Any:
    """A boto3 client of `service`; without `retries`, a request is sent exactly once."""
    import boto3
    from botocore.config import Config

    keys = lake.credentials
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5 if retries else 1},
        s3={"addressing_style": "path"} if endpoint else {},
        connect_timeout=10,
        read_timeout=60,
    )
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=lake.region,
        aws_access_key_id=keys.access_key if keys else None,
        aws_secret_access_key=keys.secret_key.reveal() if keys else None,
        config=config,
    )


def explain_s3_error(error: Exception, lake: Lake, key: str) -> LakeError:
    """botocore's error in our words: what, where, what to do, and whether trying again can help."""
    code, place = error_code(error), f"s3://{lake.layout.bucket}/{key}"
    at = f" at {lake.endpoint}" if lake.endpoint else ""
    if code in ("NoSuchBucket", "404"):
        return LakeError(
            f"The bucket {lake.layout.bucket!r}{at} does not exist. Nothing was written. "
            f"Create it, or name another in LAKEHOUSE_LAKE (now s3://{lake.layout.bucket}/{lake.layout.prefix})."
        )
    if code == "RequestTimeTooSkewed" or (code == "403" and _is_clock_off(error)):
        return LakeError(
            f"{place}{at}: S3 refused: this machine's clock is more than 15 minutes off S3's. Nothing became visible. "
            "Set the clock (timedatectl set-ntp true), run again."
        )
    if code in ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"):
        return LakeError(
            f"{place}{at}: S3 refused ({code}). The credentials of the AWS chain may not do this, or have expired. "
            "See who you are: aws sts get-caller-identity; see what is missing: lakehouse doctor."
        )
    if code in ("NoCredentialsError", "PartialCredentialsError"):
        return LakeError(
            f"{place}: no AWS credentials were found. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret."
        )
    if code in ("XMinioStorageFull", "InsufficientStorage", "507"):
        return LakeError(
            f"{place}{at}: the object store's disk is full. Nothing became visible. Free space, run again."
        )
    unreachable = code in (
        "EndpointConnectionError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "ConnectionClosedError",
    )
    if unreachable:
        return LakeError(f"S3{at or ' (AWS)'} does not answer: {error}. Is it up? lakehouse status", retryable=True)
    return LakeError(f"{place}{at}: {error}.", retryable=code in TRANSIENT)


def _is_clock_off(error: Exception) -> bool:
    """Whether the answer was given at a time that this machine is far from: a HEAD has no body to say so."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    told = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return bool(told) and abs(datetime.now(UTC) - parsedate_to_datetime(told)) > MAX_SKEW


def error_code(error: Exception) -> str:
    """AWS's code of a boto3 error, or the name of what happened where no answer came."""
    response: dict[str, Any] = getattr(error, "response", None) or {}  # botocore's own errors have it as None
    return str(response.get("Error", {}).get("Code") or type(error).__name__)
