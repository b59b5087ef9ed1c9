"""What both servers need of the emulator: the state table as template.yaml has it, buckets, a queue and a secret for
bearer tokens. Prints where they are and the environment that the template gives `tus`, as JSON."""

import json
import secrets
import sys
import time

import jwt
from samtranslator.yaml_helper import yaml_parse
from stack.settings import REGION, ROOT, ROOT_CREDENTIALS, Settings
from stack.template import Stack

NAME = "sluice-bench"
OWNER = "bench"
LIFETIME_SECONDS = 6 * 3600


class Resources(Stack):
    """The template, of which only the resources named here are there, and none by CloudFormation."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.account = settings.client("sts").get_caller_identity()["Account"]
        self.template = yaml_parse((ROOT / "template.yaml").read_text())
        self.parameters = {name: value.get("Default", "") for name, value in self.template["Parameters"].items()}
        self.secret = secrets.token_hex(32)
        self._physical = {
            "StateTable": self._table(),
            "OriginalsBucket": self.bucket("originals"),
            "StagingBucket": self.bucket("staging"),
            "IngestQueue": settings.client("sqs").create_queue(QueueName=NAME)["QueueUrl"],
            "JwtSecret": settings.client("secretsmanager").create_secret(Name=NAME, SecretString=self.secret)["ARN"],
        }
        settings.client("s3").put_bucket_versioning(
            Bucket=self.physical("OriginalsBucket"), VersioningConfiguration={"Status": "Enabled"}
        )

    def physical(self, logical: str) -> str:
        return self._physical[logical]

    def _table(self) -> str:
        properties = self.template["Resources"]["StateTable"]["Properties"]
        stream = {"StreamEnabled": True, **properties["StreamSpecification"]}
        self.settings.client("dynamodb").create_table(
            TableName=NAME, StreamSpecification=stream,
            **{key: properties[key] for key in (
                "BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes",
            )},
        )
        return NAME

    def bucket(self, kind: str) -> str:
        name = f"{NAME}-{kind}"
        self.settings.client("s3").create_bucket(Bucket=name)
        return name

    def function_environment(self, logical: str) -> dict[str, str]:
        """As Lambda sets it."""
        shared, own = self.template["Globals"]["Function"], self.template["Resources"][logical]["Properties"]
        variables = shared["Environment"]["Variables"] | own["Environment"]["Variables"]
        memory = own.get("MemorySize", shared["MemorySize"])
        values = self.resolve(variables) | {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory}
        return {name: str(value) for name, value in values.items()}

    def bearer_token(self) -> str:
        now = int(time.time())
        claims = {
            "sub": OWNER, "iat": now, "exp": now + LIFETIME_SECONDS,
            "iss": self.parameters["JwtIssuer"], "aud": self.parameters["JwtAudience"],
        }
        return jwt.encode(claims, self.secret, algorithm="HS256")


def main(settings: Settings) -> dict:
    resources = Resources(settings)
    return {
        "endpoint": settings.endpoint,
        "credentials": ROOT_CREDENTIALS | {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION},
        "function": resources.function_environment("TusFunction"),
        "originals_bucket": resources.physical("OriginalsBucket"),
        "staging_bucket": resources.physical("StagingBucket"),
        "peer_bucket": resources.bucket("peer"),
        "token": resources.bearer_token(),
    }


if __name__ == "__main__":
    json.dump(main(Settings.from_environment()), sys.stdout)
