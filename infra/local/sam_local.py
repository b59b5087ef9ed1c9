"""Invokes every function of template.yaml with every event of events/<function>/ by `sam local invoke`, and checks
each answer. Called by sam-local.sh, which has a container engine and an image ready.

The functions talk to an emulator that runs for as long as this takes and holds what they need: table, buckets, queues
and secret, as the template declares them. Events are files as AWS would send them and name one made-up asset. In the
order of `STORY` they carry a photo and a film through; there, the made-up ids are replaced by those that were granted.
All other events are sent as they are.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import boto3
import requests
from samcli.yamlhelper import yaml_parse
from stack.build import architecture, binaries, compile_functions, package, parameter_overrides
from stack.progress import detail, say
from stack.settings import REGION, ROOT, Failure, Settings

EVENTS = ROOT / "events"
PHOTO = ROOT / "infra/e2e/data/astronaut.jpg"
SECRET = "a-secret-for-sam-local-only-0123456789abcdef0123456789abcdef0123"
INVOKE_SECONDS = 120
START_SECONDS = 60

# Those that the events name.
ASSET_ID = "0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f"
UPLOAD_ID = "VXBsb2FkSWQtMDE5MGE2ZDQ3YzVlN2Iz"
OBJECT_VERSION = "096fKKXTRTtl3on89fVO.nfljtsv6qko"
EXTENSION = ".jpg"


class Emulator:
    """On the address that containers reach, without signatures: nothing here is kept, and nothing is secret."""

    def __init__(self, host: str, port: int, folder: Path):
        if not host or ip_address(host).is_unspecified:
            raise Failure("the emulator never binds to all addresses: name one that only this machine's containers reach")
        self.endpoint = f"http://{host}:{port}"
        self.host, self.port, self.folder = host, port, folder

    def __enter__(self) -> "Emulator":
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError:
                raise Failure(
                    f"port {self.port} of {self.host} is taken: choose another with SLUICE_SAM_LOCAL_PORT"
                ) from None
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "emulator.log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).parent / "ministack")], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                cwd=self.folder, start_new_session=True,
                env={
                    "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8",
                    "GATEWAY_PORT": str(self.port), "BIND_HOST": self.host, "AWS_ENDPOINT_URL": self.endpoint,
                    "MINISTACK_REGION": REGION, "IOT_MTLS_ENABLED": "0", "LOG_LEVEL": "WARNING",
                },
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise Failure(f"the emulator did not start, see {self.folder / 'emulator.log'}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()

    def _healthy(self) -> bool:
        try:
            return direct().get(f"{self.endpoint}/_ministack/health", timeout=5).ok
        except requests.RequestException:
            return False

    def client(self, service: str):
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id="test",
            aws_secret_access_key="test",
        )


def direct() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a proxy knows nothing of this machine's own addresses
    return session


def make_resources(emulator: Emulator, resources: dict[str, dict]) -> dict[str, str]:
    """What the functions use, named as `sam local` names it: by logical ids. Answers the variables whose value it
    can't know."""
    s3, sqs = emulator.client("s3"), emulator.client("sqs")
    variables = {"WEBSOCKET_ENDPOINT": f"{emulator.endpoint}/_aws/execute-api/none/live"}
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::DynamoDB::Table":
                keys = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
                declared = {key: properties[key] for key in keys if key in properties}
                emulator.client("dynamodb").create_table(TableName=name, **declared)
            case "AWS::S3::Bucket":
                bucket = name.lower()
                s3.create_bucket(Bucket=bucket)
                if properties.get("VersioningConfiguration", {}).get("Status") == "Enabled":
                    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
                variables[f"{name.removesuffix('Bucket').upper()}_BUCKET"] = bucket
            case "AWS::SQS::Queue":
                sqs.create_queue(QueueName=name)
            case "AWS::SecretsManager::Secret":
                secrets = emulator.client("secretsmanager")
                variables["JWT_SECRET_ARN"] = secrets.create_secret(Name=name, SecretString=SECRET)["ARN"]
    for resource in resources.values():
        declared = resource.get("Properties", {}).get("Environment", {}).get("Variables", {})
        for variable, value in declared.items():
            if variable.endswith("_QUEUE_URL"):
                variables[variable] = sqs.get_queue_url(QueueName=value["Ref"])["QueueUrl"]
    return variables


@dataclass
class Sam:
    """`sam local invoke`, its answers parsed."""

    template: Path
    image: str
    endpoint: str
    variables: Path
    folder: Path
    functions: dict[str, str] = field(default_factory=lambda: {name: key for key, name in binaries().items()})

    def invoke(self, case: str, replaced: dict[str, str]) -> object:
        """The answer of events/{case}.json, the ids in it replaced."""
        function = self.functions[case.split("/")[0]]
        event = (EVENTS / f"{case}.json").read_text()
        for made_up, granted in replaced.items():
            event = event.replace(made_up, granted)
        sent = self.folder / "event.json"
        sent.write_text(event)
        try:
            done = subprocess.run(
                ["sam", "local", "invoke", function, "--event", str(sent), "--template", str(self.template),
                 "--env-vars", str(self.variables), "--skip-pull-image", "--invoke-image", self.image,
                 "--parameter-overrides", *parameter_overrides()],
                cwd=ROOT, env=_sam_environment(self.endpoint), capture_output=True, text=True, timeout=INVOKE_SECONDS, check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failure(f"{case}: no answer within {INVOKE_SECONDS} s") from None
        (self.folder / f"{case.replace('/', '-')}.log").write_text(done.stderr)
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            raise Failure(f"{case}: sam local failed\n{done.stderr[-3000:]}")
        answer = json.loads(lines[-1])
        # SAM exits with 0 when the function failed: the answer tells.
        if isinstance(answer, dict) and ("errorType" in answer or "errorMessage" in answer):
            raise Failure(f"{case}: the function failed: {json.dumps(answer)}\n{done.stderr[-3000:]}")
        return answer


def _sam_environment(endpoint: str) -> dict[str, str]:
    # SAM hands credentials on to the functions, after asking STS about them: the emulator's own, asked there.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true", "SAM_CLI_TELEMETRY": "0", "NO_PROXY": "*", "no_proxy": "*",
    }


class Story:
    """A photo by one PUT and a film in parts, each from grant to end, one `sam local invoke` after another."""

    def __init__(self, sam: Sam):
        self._sam = sam
        self.told: set[str] = set()

    def _tell(self, case: str, grant: dict | None = None, **more: str) -> object:
        replaced = dict(more)
        if grant:
            stem, dot, extension = grant["object_key"].rpartition(".")
            replaced[ASSET_ID + EXTENSION] = stem.rsplit("/", 1)[1] + dot + extension
            replaced[ASSET_ID] = grant["asset_id"]
            replaced[UPLOAD_ID] = grant.get("upload_id", UPLOAD_ID)
        answer = self._sam.invoke(case, replaced)
        self.told.add(case)
        return answer

    def _http(self, expected: int, case: str, grant: dict | None = None) -> dict:
        answer = self._tell(case, grant)
        detail(f"{case}: {answer['statusCode']}")
        if answer["statusCode"] != expected:
            raise Failure(f"{case}: answered {answer['statusCode']}, expected {expected}: {answer.get('body')}")
        return json.loads(answer["body"]) if answer.get("body") else {}

    def _event(self, expected: object, case: str, grant: dict, **more: str) -> None:
        answer = self._tell(case, grant, **more)
        detail(f"{case}: {json.dumps(answer)}")
        if answer != expected:
            raise Failure(f"{case}: answered {json.dumps(answer)}, expected {json.dumps(expected)}")

    def tell(self) -> None:
        self._photo()
        self._film()
        self._cancelled()

    def _photo(self) -> None:
        grant = self._http(201, "presign/direct")
        sent = direct().put(grant["url"], data=PHOTO.read_bytes(), headers=grant["headers"], timeout=30)
        if not sent.ok:
            raise Failure(f"the photo was not taken: {sent.status_code} {sent.text}")
        self._stage(self._http(200, "complete/direct", grant), "processing")
        version = sent.headers.get("x-amz-version-id", "null")
        self._event({}, "process/object-created", grant, **{OBJECT_VERSION: version})
        # The order comes in case that the event doesn't: now it finds nothing to do.
        self._event({"batchItemFailures": []}, "process/order", grant)
        self._stage(self._http(200, "assets/read", grant), "processing")
        self._event({"batchItemFailures": []}, "convert/image", grant)
        asset = self._http(200, "assets/read", grant)
        self._stage(asset, "done")
        for derivative in asset["derivatives"]:
            direct().get(derivative["url"], timeout=30).raise_for_status()
        self._http(302, "assets/download", grant)
        self._http(409, "assets/cancel-update", grant)
        if [listed["asset_id"] for listed in self._http(200, "assets/list")["assets"]] != [grant["asset_id"]]:
            raise Failure("assets/list: does not list the photo alone")

    def _film(self) -> None:
        grant = self._http(201, "presign/multipart")
        window = self._http(200, "presign/window", grant)["batch"]["items"]
        left = 10 * 1024 * 1024 + 1
        for part in [grant["batch"]["items"][0], *window]:
            size = min(left, grant["part_size"])
            direct().put(part["url"], data=bytes(size), timeout=30).raise_for_status()
            left -= size
        if len(self._http(200, "complete/parts", grant)["parts"]) != 3:
            raise Failure("complete/parts: does not list the three parts that were sent")
        self._stage(self._http(200, "complete/multipart", grant), "processing")

    def _cancelled(self) -> None:
        for case in ("complete/cancel", "assets/cancel"):
            grant = self._http(201, "presign/multipart")
            self._http(204, case, grant)
            self._stage(self._http(200, "assets/read", grant), "failed")

    @staticmethod
    def _stage(asset: dict, expected: str) -> None:
        if asset["stage"] != expected:
            raise Failure(f"the asset is at stage {asset['stage']}, expected {expected}: {json.dumps(asset['failure'])}")


# Answers of events that are sent as they are, where more is known of them than that they are answered.
EXPECTED_STATUS = {"presign/misleading-name": 400}


def send_alone(sam: Sam, case: str) -> None:
    answer = sam.invoke(case, {})
    status = answer.get("statusCode") if isinstance(answer, dict) else None
    detail(f"{case}: {status or json.dumps(answer)}")
    if status is not None and (status >= 500 or status != EXPECTED_STATUS.get(case, status)):
        raise Failure(f"{case}: answered {status}: {answer.get('body')}")


def cases(functions: list[str]) -> list[str]:
    """Every event of every function; a function without one is a fault."""
    found = []
    for function in functions:
        own = sorted(f"{function}/{path.stem}" for path in (EVENTS / function).glob("*.json"))
        if not own:
            raise Failure(f"events/{function} holds no event for `sam local invoke`")
        found += own
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("cases", nargs="*", help="only these, as they are: process/test-event …")
    arguments = parser.parse_args()
    try:
        run(arguments)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


def run(arguments: argparse.Namespace) -> None:
    settings = Settings.from_environment()
    say(f"compiling the functions for {architecture()}")
    compile_functions(settings)
    say("packaging (sam build)")
    package(settings)
    resources = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
    every = cases(list(binaries().values()))
    with Emulator(arguments.host, arguments.port, settings.state / "emulator") as emulator:
        variables = settings.state / "variables.json"
        variables.write_text(json.dumps({"Parameters": make_resources(emulator, resources)}, indent=2))
        sam = Sam(settings.build_folder / "template.yaml", arguments.image, emulator.endpoint, variables, settings.state)
        told: set[str] = set()
        if not arguments.cases:
            say("a photo and a film, one `sam local invoke` after another")
            story = Story(sam)
            story.tell()
            told = story.told
            say("all other events")
        for case in arguments.cases or [case for case in every if case not in told]:
            send_alone(sam, case)
    say(f"{len(every)} events of {len(sam.functions)} functions were answered")


if __name__ == "__main__":
    sys.exit(main())
