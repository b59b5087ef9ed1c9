"""The deployed stack under test: its endpoints, its signing secret, and a look behind its curtain.

Tests speak to it as clients do. They look into the buckets and the table only for what no client can see: that bytes
are gone, that a connection is forgotten.
"""

import json
import os
import time
from functools import cached_property
from pathlib import Path

import boto3
import jwt
from boto3.dynamodb.conditions import Key

REGION = "us-east-1"
DEFAULT_OUTPUTS = Path(__file__).resolve().parent.parent / "local" / "outputs.json"
ISSUER = AUDIENCE = "sluice"


class Deployment:
    """What the outputs file names; SLUICE_OUTPUTS says where that is."""

    def __init__(self, outputs: dict[str, str]):
        self.http = outputs["HttpApiUrl"].rstrip("/")
        self.websocket = outputs["WebSocketUrl"].rstrip("/")
        self.endpoint = outputs["S3Endpoint"]
        self.originals = outputs["OriginalsBucket"]
        self.derived = outputs["DerivedBucket"]
        self.staging = outputs["StagingBucket"]
        self.state_table = outputs["StateTable"]
        self._secret_arn = outputs["JwtSecretArn"]

    @classmethod
    def from_environment(cls) -> "Deployment":
        return cls(json.loads(Path(os.environ.get("SLUICE_OUTPUTS") or DEFAULT_OUTPUTS).read_text()))

    @cached_property
    def _session(self):
        # The account's root, which may look everywhere.
        return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)

    @cached_property
    def s3(self):
        return self._session.client("s3", endpoint_url=self.endpoint)

    @cached_property
    def table(self):
        return self._session.resource("dynamodb", endpoint_url=self.endpoint).Table(self.state_table)

    @cached_property
    def secret(self) -> str:
        secrets = self._session.client("secretsmanager", endpoint_url=self.endpoint)
        return secrets.get_secret_value(SecretId=self._secret_arn)["SecretString"]

    @staticmethod
    def claims(owner: str, **changes) -> dict:
        """Of a good token; a change to None leaves the claim out."""
        now = int(time.time())
        claims = {"sub": owner, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 3600} | changes
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, owner: str) -> str:
        return jwt.encode(self.claims(owner), self.secret, algorithm="HS256")

    def object_versions(self, key: str) -> list[str]:
        """The S3 versions that hold bytes at a key of the originals."""
        answer = self.s3.list_object_versions(Bucket=self.originals, Prefix=key)
        return [version["VersionId"] for version in answer.get("Versions", []) if version["Key"] == key]

    def contents(self, key: str) -> list[bytes]:
        """The bytes of each of them."""
        get = lambda version: self.s3.get_object(Bucket=self.originals, Key=key, VersionId=version)
        return [get(version)["Body"].read() for version in self.object_versions(key)]

    def open_uploads(self, key: str) -> list[str]:
        """The multipart uploads at a key of the originals that S3 still keeps parts for."""
        answer = self.s3.list_multipart_uploads(Bucket=self.originals, Prefix=key)
        return [upload["UploadId"] for upload in answer.get("Uploads", [])]

    def connections(self, owner: str) -> list[dict]:
        """The connections that the state table keeps for an owner."""
        condition = Key("pk").eq(f"O#{owner}") & Key("sk").begins_with("C#")
        return self.table.query(KeyConditionExpression=condition, ConsistentRead=True)["Items"]
