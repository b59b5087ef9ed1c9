"""What S3 had to say when the emulator stopped. On AWS an event that is under way survives whatever fails; here it ends with
the process. So the events of what was written shortly before are sent again, as S3 itself sometimes does: to content that
was read already they say nothing new."""

import json
from datetime import datetime, timedelta
from urllib.parse import quote_plus

from .progress import say
from .template import Stack

# Older objects were told of long before. What slips through nevertheless, the sweeper finds.
SHORTLY = timedelta(minutes=10)


def send_events_again(stack: Stack, stopped_at: datetime) -> None:
    s3, sqs = stack.settings.client("s3"), stack.settings.client("sqs")
    sent = 0
    for name, properties in stack.of_type("AWS::S3::Bucket").items():
        bucket = stack.physical(name)
        for target in properties.get("NotificationConfiguration", {}).get("QueueConfigurations", []):
            queue = sqs.get_queue_url(QueueName=target["Queue"].rsplit(":", 1)[1])["QueueUrl"]
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                for version in page.get("Versions", []):
                    if version["LastModified"] > stopped_at - SHORTLY:
                        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(_event(bucket, version)))
                        sent += 1
    if sent:
        say(f"went on where it had stopped; {sent} events of S3 were sent again")


def _event(bucket: str, version: dict) -> dict:
    entity = {
        "key": quote_plus(version["Key"], safe="/"), "size": version["Size"], "eTag": version["ETag"].strip('"'),
        "versionId": version["VersionId"],
    }
    return {"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket}, "object": entity},
    }]}
