"""Airflow's connections become the environment that the library and every client it uses read anyway."""

from __future__ import annotations

import os

SOURCE, AWS = "lakehouse_source", "aws_default"


def settings_of(engine: str | None = None) -> dict[str, str]:
    """The task's environment, completed from the connections `lakehouse_source` and `aws_default` where it is silent.

    The AWS keys go into the environment of this process, a task's own, because boto3, DuckDB and pyiceberg each look
    there; nothing else is kept.
    """
    source = None if os.environ.get("LAKEHOUSE_SOURCE_URL") else _connection(SOURCE)
    if not os.environ.get("AWS_ACCESS_KEY_ID") and not os.environ.get("AWS_PROFILE"):
        os.environ.update(_aws_keys())
    found = dict(os.environ)
    if source is not None:
        found["LAKEHOUSE_SOURCE_URL"] = source
    if engine:
        found["LAKEHOUSE_ENGINE"] = engine
    return found


def _connection(name: str) -> str | None:
    """A PostgreSQL connection as a URL, or None where there is no connection of that name."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        uri: str = Connection.get(name).get_uri()
    except AirflowNotFoundException:
        return None
    # Airflow writes postgres://; what it adds for itself (__extra__) libpq would refuse.
    return uri.replace("postgres://", "postgresql://", 1).split("?__extra__=")[0]


def _aws_keys() -> dict[str, str]:
    """Keys and region of `aws_default`, a role it names assumed; nothing where it leaves them to the AWS chain."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = Connection.get(AWS)
    except AirflowNotFoundException:
        return {}
    extra = connection.extra_dejson
    found = {"AWS_REGION": extra["region_name"]} if extra.get("region_name") else {}
    if connection.login or extra.get("role_arn"):
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

        keys = AwsGenericHook(aws_conn_id=AWS).get_credentials()
        found |= {"AWS_ACCESS_KEY_ID": keys.access_key, "AWS_SECRET_ACCESS_KEY": keys.secret_key}
        if keys.token:
            found["AWS_SESSION_TOKEN"] = keys.token
    return found
