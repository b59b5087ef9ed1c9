"""Compares what runs with what the processed template asks for. An emulator that drops a property in silence would
make the local stack lie; a check that finds a difference fails `make up` with the list."""

import json
from collections.abc import Iterator

from botocore.exceptions import ClientError

from . import http_api
from .bends import environment, lifecycle
from .settings import Failure
from .template import Stack


def verify(stack: Stack) -> int:
    """Number of resources checked. Fails with every difference found."""
    wanted = stack.wanted()
    missing = [
        f"{name} ({resource['Type']}): {stack.summaries.get(name, {}).get('ResourceStatus', 'was never created')}"
        for name, resource in wanted.items()
        if stack.summaries.get(name, {}).get("ResourceStatus") not in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    ]
    if not missing:
        for kind, check in _CHECKS.items():
            for name, properties in stack.of_type(kind).items():
                missing += [f"{name} ({kind}): {finding}" for finding in check(stack, name, properties)]
    if missing:
        raise Failure("the running stack differs from the template:\n  " + "\n  ".join(missing))
    return len(wanted)


Findings = Iterator[str]


def _expect(what: str, found, wanted) -> Findings:
    if found != wanted:
        yield f"{what} is {json.dumps(found, default=str)}, not {json.dumps(wanted, default=str)}"


def _bucket(stack: Stack, name: str, properties: dict) -> Findings:
    s3, bucket = stack.settings.client("s3"), stack.physical(name)
    yield from _expect(
        "encryption",
        [rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in
         s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]],
        [rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in
         properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]],
    )
    yield from _expect(
        "public access block",
        s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
        properties["PublicAccessBlockConfiguration"],
    )
    yield from _expect(
        "versioning",
        s3.get_bucket_versioning(Bucket=bucket).get("Status"),
        properties.get("VersioningConfiguration", {}).get("Status"),
    )
    if "CorsConfiguration" in properties:
        yield from _cors(s3.get_bucket_cors(Bucket=bucket), properties["CorsConfiguration"])
    found = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    yield from _expect("lifecycle rules", found, lifecycle(properties))
    targets = [
        {"Event": event, "Queue": target["QueueArn"]}
        for target in s3.get_bucket_notification_configuration(Bucket=bucket).get("QueueConfigurations", [])
        for event in target["Events"]
    ]
    yield from _expect(
        "notifications", targets, properties.get("NotificationConfiguration", {}).get("QueueConfigurations", [])
    )


def _cors(found: dict, wanted: dict) -> Findings:
    (rule,), (wanted_rule,) = found["CORSRules"], wanted["CorsRules"]
    for found_key, wanted_key in (
        ("AllowedOrigins", "AllowedOrigins"), ("AllowedMethods", "AllowedMethods"),
        ("AllowedHeaders", "AllowedHeaders"), ("ExposeHeaders", "ExposedHeaders"),
    ):
        yield from _expect(f"CORS {wanted_key}", rule.get(found_key), wanted_rule[wanted_key])


def _table(stack: Stack, name: str, properties: dict) -> Findings:
    dynamodb, table = stack.settings.client("dynamodb"), stack.physical(name)
    found = dynamodb.describe_table(TableName=table)["Table"]
    yield from _expect("key schema", found["KeySchema"], properties["KeySchema"])
    yield from _expect(
        "indexes",
        {i["IndexName"]: (i["KeySchema"], i["Projection"]) for i in found.get("GlobalSecondaryIndexes", [])},
        {i["IndexName"]: (i["KeySchema"], i["Projection"]) for i in properties["GlobalSecondaryIndexes"]},
    )
    yield from _expect(
        "stream", found.get("StreamSpecification", {}).get("StreamViewType"),
        properties["StreamSpecification"]["StreamViewType"],
    )
    yield from _expect(
        "deletion protection", found.get("DeletionProtectionEnabled", False), properties["DeletionProtectionEnabled"]
    )
    ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    yield from _expect("time to live", ttl.get("AttributeName"), properties["TimeToLiveSpecification"]["AttributeName"])
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    yield from _expect(
        "point-in-time recovery",
        backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"],
        "ENABLED" if properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] else "DISABLED",
    )


def _queue(stack: Stack, name: str, properties: dict) -> Findings:
    sqs = stack.settings.client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=stack.physical(name), AttributeNames=["All"])["Attributes"]
    for key in ("VisibilityTimeout", "MessageRetentionPeriod"):
        if key in properties:
            yield from _expect(key, found[key], str(properties[key]))
    yield from _expect("encryption", found.get("SqsManagedSseEnabled"), str(properties["SqsManagedSseEnabled"]).lower())
    redrive = json.loads(found.get("RedrivePolicy", "{}"))
    wanted = properties.get("RedrivePolicy", {})
    yield from _expect("dead-letter queue", redrive.get("deadLetterTargetArn"), wanted.get("deadLetterTargetArn"))
    if wanted:
        yield from _expect("maxReceiveCount", int(redrive["maxReceiveCount"]), wanted["maxReceiveCount"])


def _queue_policy(stack: Stack, name: str, properties: dict) -> Findings:
    for url in properties["Queues"]:
        found = stack.settings.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
        policy = json.loads(found.get("Attributes", {}).get("Policy", "{}"))
        yield from _expect("policy", policy, properties["PolicyDocument"])


def _function(stack: Stack, name: str, properties: dict) -> Findings:
    found = stack.settings.client("lambda").get_function_configuration(FunctionName=stack.physical(name))
    for key in ("Runtime", "Handler", "MemorySize", "Timeout", "Role"):
        yield from _expect(key, found.get(key), properties[key])
    yield from _expect(
        "environment", found.get("Environment", {}).get("Variables", {}), environment(stack, properties)
    )


def _role(stack: Stack, name: str, properties: dict) -> Findings:
    iam, role = stack.settings.client("iam"), stack.physical(name)
    for policy in properties.get("Policies", []):
        try:
            found = iam.get_role_policy(RoleName=role, PolicyName=policy["PolicyName"])["PolicyDocument"]
        except ClientError:
            found = None
        yield from _expect(f"policy {policy['PolicyName']}", found, policy["PolicyDocument"])
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    yield from _expect(
        "managed policies", sorted(p["PolicyArn"] for p in attached), sorted(properties.get("ManagedPolicyArns", []))
    )


def _event_source(stack: Stack, name: str, properties: dict) -> Findings:
    found = stack.settings.client("lambda").get_event_source_mapping(UUID=stack.physical(name))
    yield from _expect("State", found["State"], "Enabled")
    for key in ("EventSourceArn", "BatchSize", "FunctionResponseTypes", "FilterCriteria", "StartingPosition"):
        if key in properties:
            yield from _expect(key, found.get(key), properties[key])
    if "ScalingConfig" in properties:
        yield from _expect(
            "MaximumConcurrency", found.get("ScalingConfig", {}).get("MaximumConcurrency"),
            int(properties["ScalingConfig"]["MaximumConcurrency"]),
        )


def _rule(stack: Stack, name: str, properties: dict) -> Findings:
    events, rule = stack.settings.client("events"), stack.physical(name)
    yield from _expect(
        "schedule", events.describe_rule(Name=rule).get("ScheduleExpression"), properties["ScheduleExpression"]
    )
    targets = events.list_targets_by_rule(Rule=rule)["Targets"]
    yield from _expect("targets", [t["Arn"] for t in targets], [t["Arn"] for t in properties["Targets"]])


def _log_group(stack: Stack, name: str, properties: dict) -> Findings:
    logs, group = stack.settings.client("logs"), stack.physical(name)
    found = [
        item["retentionInDays"] for item in logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        if item["logGroupName"] == group
    ]
    yield from _expect("retention", found, [int(properties["RetentionInDays"])])


def _api(stack: Stack, name: str, properties: dict) -> Findings:
    gateway, api = stack.settings.client("apigatewayv2"), stack.physical(name)
    if properties.get("ProtocolType") == "WEBSOCKET":
        found = gateway.get_api(ApiId=api)
        yield from _expect(
            "route selection", found["RouteSelectionExpression"], properties["RouteSelectionExpression"]
        )
        routes = http_api.existing(gateway, "get_routes", api, "RouteKey")
        wanted = {route["RouteKey"] for route in stack.of_type("AWS::ApiGatewayV2::Route").values()}
        yield from _expect("routes", sorted(routes), sorted(wanted))
        yield from _expect("$connect's authorization", routes["$connect"].get("AuthorizationType"), "CUSTOM")
        return
    body = properties["Body"]
    found_cors = gateway.get_api(ApiId=api).get("CorsConfiguration", {})
    yield from _expect("CORS", found_cors, http_api.expected_cors(body))
    authorizers = http_api.existing(gateway, "get_authorizers", api, "Name")
    yield from _expect("authorizers", sorted(authorizers), sorted(http_api.expected_authorizers(body)))
    names = {authorizer["AuthorizerId"]: name for name, authorizer in authorizers.items()}
    integrations = http_api.existing(gateway, "get_integrations", api, "IntegrationId")
    found = {
        key: (integrations[route["Target"].split("/")[1]]["IntegrationUri"], names.get(route.get("AuthorizerId")))
        for key, route in http_api.existing(gateway, "get_routes", api, "RouteKey").items()
    }
    wanted = {key: (route["uri"], route["authorizer"]) for key, route in http_api.expected_routes(body).items()}
    for key in sorted(found.keys() | wanted.keys()):
        yield from _expect(f"route {key}", found.get(key), wanted.get(key))


_CHECKS = {
    "AWS::S3::Bucket": _bucket,
    "AWS::DynamoDB::Table": _table,
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::Lambda::Function": _function,
    "AWS::IAM::Role": _role,
    "AWS::Lambda::EventSourceMapping": _event_source,
    "AWS::Events::Rule": _rule,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::ApiGatewayV2::Api": _api,
}
