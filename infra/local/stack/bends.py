"""What the emulator ignores of the template, applied by the services' own APIs, and what can't be the same locally.
Each is idempotent and says why it is needed. `verify` checks the result."""

import re

from botocore.exceptions import ClientError

from . import http_api
from .settings import Settings
from .template import Stack


def apply(stack: Stack) -> None:
    http_api.replay(stack)
    _allow_plain_http(stack)
    _set_lifecycles(stack)
    _set_table_options(stack)
    _localise_endpoints(stack)
    _set_concurrency(stack)


def local_url(settings: Settings, url: str) -> str:
    """API hosts don't resolve on one machine: the emulator serves each API under a path as well. Queue URLs carry the
    port that they were created at."""
    url = re.sub(
        r"^(http|ws)s://(\w+)\.execute-api\.[^/]+",
        lambda match: f"{match[1]}://127.0.0.1:{settings.port}/_aws/execute-api/{match[2]}",
        url,
    )
    return re.sub(r"^http://localhost:\d+", settings.endpoint, url)


def lifecycle(properties: dict) -> list[dict]:
    """A bucket's lifecycle rules, from CloudFormation's form to that of S3's API."""
    rules = []
    for rule in properties["LifecycleConfiguration"]["Rules"]:
        converted = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": ""}}
        for key in ("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration"):
            if key in rule:
                converted[key] = rule[key]
        if rule.get("ExpiredObjectDeleteMarker"):
            converted["Expiration"] = {"ExpiredObjectDeleteMarker": True}
        if days := rule.get("ExpirationInDays"):
            converted["Expiration"] = {"Days": days}
        rules.append(converted)
    return rules


def _allow_plain_http(stack: Stack) -> None:
    """The buckets' TLS-only policy is enforced here too, and nothing on this machine speaks TLS."""
    s3 = stack.settings.client("s3")
    for properties in stack.of_type("AWS::S3::BucketPolicy").values():
        s3.delete_bucket_policy(Bucket=properties["Bucket"])


def _set_lifecycles(stack: Stack) -> None:
    """Lifecycle configurations are ignored at creation."""
    s3 = stack.settings.client("s3")
    for name, properties in stack.of_type("AWS::S3::Bucket").items():
        s3.put_bucket_lifecycle_configuration(
            Bucket=stack.physical(name), LifecycleConfiguration={"Rules": lifecycle(properties)}
        )


def _set_table_options(stack: Stack) -> None:
    """Time to live and point-in-time recovery are ignored at creation."""
    dynamodb = stack.settings.client("dynamodb")
    for name, properties in stack.of_type("AWS::DynamoDB::Table").items():
        table = stack.physical(name)
        try:
            dynamodb.update_time_to_live(
                TableName=table, TimeToLiveSpecification=properties["TimeToLiveSpecification"]
            )
        except ClientError as error:  # "already enabled" is an error there
            if error.response["Error"]["Code"] != "ValidationException":
                raise
        dynamodb.update_continuous_backups(
            TableName=table,
            PointInTimeRecoverySpecification=properties["PointInTimeRecoverySpecification"],
        )


def environment(stack: Stack, properties: dict) -> dict[str, str]:
    """A function's variables as they have to be here: the host of WEBSOCKET_ENDPOINT exists only on AWS."""
    variables = properties["Environment"]["Variables"]
    return {key: local_url(stack.settings, str(value)) for key, value in variables.items()}


def _localise_endpoints(stack: Stack) -> None:
    """Functions answer WebSocket clients at the emulator, not at AWS."""
    functions = stack.settings.client("lambda")
    for name, properties in stack.of_type("AWS::Lambda::Function").items():
        function, wanted = stack.physical(name), environment(stack, properties)
        current = functions.get_function_configuration(FunctionName=function)
        if current["Environment"]["Variables"] != wanted:
            functions.update_function_configuration(FunctionName=function, Environment={"Variables": wanted})


def _set_concurrency(stack: Stack) -> None:
    """A number that comes from a parameter stays text there, and the poller of queues stumbles over comparing it."""
    functions = stack.settings.client("lambda")
    wanted = {
        (properties["FunctionName"], properties["EventSourceArn"]): properties["ScalingConfig"]
        for properties in stack.of_type("AWS::Lambda::EventSourceMapping").values()
        if "ScalingConfig" in properties
    }
    for page in functions.get_paginator("list_event_source_mappings").paginate():
        for mapping in page["EventSourceMappings"]:
            scaling = wanted.get((mapping["FunctionArn"].rsplit(":", 1)[-1], mapping["EventSourceArn"]))
            if scaling:
                scaling = {"MaximumConcurrency": int(scaling["MaximumConcurrency"])}
                functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig=scaling)
