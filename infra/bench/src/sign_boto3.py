"""The same work by boto3: ROUNDS times the URLs of PARTS parts. Prints one JSON object of nanoseconds."""

import json
import sys
import time

import boto3
from botocore.config import Config

rounds, parts, bucket, key, upload_id, ttl = sys.argv[1:]
client = boto3.client("s3", config=Config(signature_version="s3v4"))


def sign() -> list[str]:
    return [
        client.generate_presigned_url(
            "upload_part",
            Params={"Bucket": bucket, "Key": key, "UploadId": upload_id, "PartNumber": number},
            ExpiresIn=int(ttl),
        )
        for number in range(1, int(parts) + 1)
    ]


sign()
wall, cpu = [], []
for _ in range(int(rounds)):
    started = time.perf_counter_ns(), time.process_time_ns()
    sign()
    wall.append(time.perf_counter_ns() - started[0])
    cpu.append(time.process_time_ns() - started[1])
print(json.dumps({"wall": wall, "cpu": cpu}))
