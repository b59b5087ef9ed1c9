"""template.yaml into the emulator, by the real SAM CLI."""

import hashlib
import json

from botocore.exceptions import ClientError

from .build import TEMPLATE, binaries, package, parameter_overrides
from .progress import run, say
from .settings import ROOT, STACK_NAME, Settings

ARTIFACTS = "sluice-artifacts"


def deploy(settings: Settings) -> bool:
    """Packages and deploys what changed since the last time; true if anything had."""
    wanted = _fingerprint(settings)
    stamp = settings.state / "deployed"
    if stamp.exists() and stamp.read_text() == wanted and _stack_is_complete(settings):
        return False
    stamp.unlink(missing_ok=True)
    say("packaging (sam build)")
    package(settings)
    say("deploying (sam deploy)")
    _make_bucket(settings)
    run(
        ["sam", "deploy", "--template-file", str(settings.build_folder / "template.yaml"),
         "--config-env", "local", "--stack-name", STACK_NAME, "--s3-bucket", ARTIFACTS,
         "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND",
         "--no-confirm-changeset", "--no-progressbar", "--no-fail-on-empty-changeset",
         "--parameter-overrides", *parameter_overrides()],
        settings.tool_environment, log=settings.state / "sam-deploy.log",
    )
    stamp.write_text(wanted)
    return True


def _fingerprint(settings: Settings) -> str:
    """Of all that a deployment is made from."""
    digest = hashlib.sha256(TEMPLATE.read_bytes())
    digest.update(json.dumps([settings.endpoint, parameter_overrides()]).encode())
    for binary in sorted(binaries().values()):
        with (_target(settings) / "lambda" / binary / "bootstrap").open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _target(settings: Settings):
    return ROOT / settings.tool_environment.get("CARGO_TARGET_DIR", "target")


def _stack_is_complete(settings: Settings) -> bool:
    try:
        stack = settings.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    except ClientError:
        return False
    return stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def _make_bucket(settings: Settings) -> None:
    s3 = settings.client("s3")
    try:
        s3.head_bucket(Bucket=ARTIFACTS)
    except ClientError:
        s3.create_bucket(Bucket=ARTIFACTS)
