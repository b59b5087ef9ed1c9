"""The gate as operators set it: rules and quotas by variables, an own function in their place, roots by token.

The stack under test takes everything. Each test deploys a copy of its granting function with another gate, and calls it as
the HTTP API would.
"""

import base64
import io
import json
import time
import uuid
import zipfile

import jwt
import pytest
import requests

from client import Sluice
from deployment import Deployment

OPERATORS_GATE = """
import json

def handler(event, context):
    if event["filename"].startswith("crash"):
        raise RuntimeError("the operator's function has a fault")
    if event["metadata"] or event["root"] != "users/" + event["owner"]:
        return {"allow": event["root"] == "stores/7"}
    if event["size"] is None or event["size"] > 1000:
        return {"allow": False, "reason": "your plan ends at 1,000 bytes, " + event["owner"]}
    return {"allow": True, "max_open_uploads": 1}
"""


class Gate:
    """Copies of `presign` with other variables, and a function that decides; removed at the end."""

    def __init__(self, deployment: Deployment):
        self.deployment = deployment
        client = lambda service: deployment._session.client(service, endpoint_url=deployment.endpoint)
        self.functions, self.iam = client("lambda"), client("iam")
        self.made: list[str] = []
        pages = self.functions.get_paginator("list_functions").paginate()
        names = [f["FunctionName"] for page in pages for f in page["Functions"]]
        self.presign = next(name for name in names if "PresignFunction" in name)

    def operators_function(self) -> str:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("gate.py", OPERATORS_GATE)
        name = f"operators-gate-{uuid.uuid4().hex[:8]}"
        made = self.functions.create_function(
            FunctionName=name, Runtime="python3.12", Handler="gate.handler", Timeout=5,
            Role=self._configuration()["Role"], Code={"ZipFile": archive.getvalue()},
        )
        self.made.append(name)
        return made["FunctionArn"]

    def presign_with(self, **variables: str) -> str:
        """The name of a copy of `presign` with these variables."""
        configuration = self._configuration()
        code = requests.get(self.functions.get_function(FunctionName=self.presign)["Code"]["Location"], timeout=60)
        name = f"presign-{uuid.uuid4().hex[:8]}"
        self.functions.create_function(
            FunctionName=name, Runtime=configuration["Runtime"], Handler=configuration["Handler"], Timeout=20,
            Role=self._role(variables.get("GATE_FUNCTION")), Code={"ZipFile": code.content},
            Environment={"Variables": configuration["Environment"]["Variables"] | variables},
        )
        self.made.append(name)
        return name

    def prepare(self, function: str, owner: str, **wish) -> tuple[int, dict]:
        event = {
            "version": "2.0", "rawPath": "/prepare", "rawQueryString": "", "isBase64Encoded": True,
            "headers": {"content-type": "application/json"},
            "body": base64.b64encode(json.dumps(wish).encode()).decode(),
            "requestContext": {
                "requestId": "gate", "routeKey": "POST /prepare", "stage": "$default", "http": {"method": "POST"},
                "authorizer": {"lambda": {"owner": owner, "roots": "stores/7", "expires_at": str(int(time.time()) + 600)}},
            },
        }
        answer = self.functions.invoke(FunctionName=function, Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        assert "statusCode" in payload, payload
        return payload["statusCode"], json.loads(payload["body"])

    def refused(self, function: str, owner: str, **wish) -> tuple[int, str]:
        status, problem = self.prepare(function, owner, **wish)
        return status, problem.get("code", problem)

    def close(self) -> None:
        for name in self.made:
            self.functions.delete_function(FunctionName=name)

    def _configuration(self) -> dict:
        return self.functions.get_function_configuration(FunctionName=self.presign)

    def _role(self, gate_arn: str | None) -> str:
        """The function's own role, and where there is a function to ask, the right to."""
        arn = self._configuration()["Role"]
        if gate_arn:
            policy = {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": gate_arn}]}
            self.iam.put_role_policy(
                RoleName=arn.rsplit("/", 1)[1], PolicyName=gate_arn.rsplit(":", 1)[1],
                PolicyDocument=json.dumps(policy),
            )
        return arn


@pytest.fixture
def gate(deployment: Deployment):
    made = Gate(deployment)
    yield made
    made.close()


def owner() -> str:
    return f"gated-{uuid.uuid4().hex[:12]}"


def test_rules_limit_types_extensions_and_sizes_for_each_kind(gate: Gate):
    rules = {"image": {"types": ["image/*"], "extensions": ["jpg", "png"], "max_bytes": 1000}, "*": {"types": []}}
    function, alice = gate.presign_with(GATE_RULES=json.dumps(rules)), owner()
    assert gate.prepare(function, alice, filename="a.jpg", file_size=1000)[0] == 201
    assert gate.refused(function, alice, filename="a.jpg", file_size=1001) == (413, "file_too_large")
    assert gate.refused(function, alice, filename="a.gif", file_size=1) == (415, "extension_not_allowed")
    assert gate.refused(function, alice, filename="a.exe", file_size=1) == (415, "type_not_allowed")
    lie = {"filename": "a.exe", "file_size": 1, "content_type": "image/png"}
    assert gate.refused(function, alice, **lie) == (415, "extension_not_allowed")


def test_quotas_are_counted_for_each_owner(gate: Gate):
    function = gate.presign_with(MAX_OPEN_UPLOADS="2", MAX_STORED_BYTES="5000")
    alice, bob = owner(), owner()
    assert gate.prepare(function, alice, filename="a.bin", file_size=5000)[0] == 201
    assert gate.refused(function, alice, filename="a.bin", file_size=1) == (403, "quota_exceeded")
    assert gate.prepare(function, alice, filename="empty.bin", file_size=0)[0] == 201
    assert gate.refused(function, alice, filename="empty.bin", file_size=0) == (429, "too_many_uploads")
    assert gate.prepare(function, bob, filename="a.bin", file_size=5000)[0] == 201


def test_an_operators_function_decides_and_refuses_by_failing(gate: Gate):
    function = gate.presign_with(
        GATE_FUNCTION=gate.operators_function(), GATE_RULES='{"*": {"types": []}}',
    )
    alice = owner()
    assert gate.prepare(function, alice, filename="a.bin", file_size=1000)[0] == 201, "against the policy's word"
    assert gate.refused(function, alice, filename="a.bin", file_size=1) == (429, "too_many_uploads")
    status, problem = gate.prepare(function, owner(), filename="a.bin", file_size=1001)
    assert (status, problem["code"]) == (403, "refused")
    assert problem["detail"].startswith("your plan ends at 1,000 bytes, gated-")
    assert gate.prepare(function, owner(), filename="a.bin", file_size=1, folder="stores/7/x")[0] == 201
    assert gate.refused(function, owner(), filename="a.bin", file_size=1, folder="stores/8")[0] in (403, 415)
    assert gate.refused(function, owner(), filename="a.bin", file_size=1, folder="users/bob") == (403, "folder_forbidden")
    assert gate.refused(function, owner(), filename="crash.bin", file_size=1) == (503, "unavailable")


def test_a_function_that_cannot_be_asked_lets_nothing_in(gate: Gate):
    missing = gate.operators_function().rsplit(":", 1)[0] + ":nobody"
    function = gate.presign_with(GATE_FUNCTION=missing)
    assert gate.refused(function, owner(), filename="a.bin", file_size=1) == (503, "unavailable")


def test_stores_and_the_system_root_are_for_tokens_that_name_them(deployment: Deployment, alice: Sluice):
    for folder in ("stores/42/banners", "system", "users/somebody-else"):
        answer = alice.request("POST", "/prepare", json={"filename": "a.png", "file_size": 1, "folder": folder})
        assert (answer.status_code, answer.json()["code"]) == (403, "folder_forbidden"), folder
    keeper = Sluice(deployment, f"keeper-{uuid.uuid4().hex[:12]}")
    claims = deployment.claims(keeper.owner, roots=["stores/42", "system"])
    keeper._session.headers["Authorization"] = f"Bearer {jwt.encode(claims, deployment.secret, algorithm='HS256')}"
    for folder in ("stores/42/banners", "stores/42", "system/icons", "system"):
        document = keeper.send_and_wait("note.txt", f"to {folder}".encode(), folder=folder)
        assert (document["folder"], document["stage"]) == (folder, "done")
        assert document["object_key"].startswith(folder + "/")
    answer = keeper.request("POST", "/prepare", json={"filename": "a.png", "file_size": 1, "folder": "stores/4"})
    assert answer.json()["code"] == "folder_forbidden"


def test_a_further_version_passes_for_the_folder_that_its_asset_is_in(deployment: Deployment):
    keeper = Sluice(deployment, f"keeper-{uuid.uuid4().hex[:12]}")
    without_root = keeper._session.headers["Authorization"]
    claims = deployment.claims(keeper.owner, roots=["stores/42"])
    keeper._session.headers["Authorization"] = f"Bearer {jwt.encode(claims, deployment.secret, algorithm='HS256')}"
    document = keeper.send_and_wait("note.txt", b"in the store", folder="stores/42")
    keeper._session.headers["Authorization"] = without_root
    update = {"filename": "note.txt", "file_size": 1, "asset_id": document["asset_id"]}
    answer = keeper.request("POST", "/prepare", json=update)
    assert (answer.status_code, answer.json()["code"]) == (403, "folder_forbidden")


@pytest.mark.parametrize("subject", ["http://idp.example/users/Jörg Müller", "CORP\\joerg"])
def test_any_subject_of_a_token_owns_files(deployment: Deployment, subject: str):
    owner = Sluice(deployment, f"{subject} {uuid.uuid4().hex[:8]}")
    document = owner.send_and_wait("note.txt", f"of {owner.owner}".encode())
    assert document["stage"] == "done" and document["folder"].startswith("users/")
    assert document["folder"].count("/") == 1
    assert [asset["asset_id"] for asset in owner.call("GET", "/assets?limit=5")["assets"]] == [document["asset_id"]]


def test_metadata_that_cannot_be_kept_is_refused(alice: Sluice):
    nested: object = 1
    for _ in range(31):
        nested = [nested]
    for told in ({"n": 1e300}, {"n": nested}):
        job = {"id": uuid.uuid4().hex, "filename": "a.txt", "filesize": 1} | told
        answer = alice.request("POST", "/uploadjobs", json=job)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_field"), told
