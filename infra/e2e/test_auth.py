"""Who may ask, and that other people's things don't exist."""

import base64
import json
import time

import jwt
import pytest

from checks import assert_problem
from client import completion, put, upload_path, window_request
from media import PART, sample

REFUSED = (401, 403)
ROUTES = [
    ("POST", "/prepare"), ("POST", "/complete"), ("GET", "/uploads/x/parts"), ("DELETE", "/uploads/x"),
    ("GET", "/assets"), ("GET", "/assets/x"), ("GET", "/assets/x/download"), ("DELETE", "/assets/x"),
    ("DELETE", "/assets/x/update"),
    ("POST", "/tickets"),
]


def segment(value: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def ask(alice, authorization: str | None):
    """GET /assets with this header, or without one."""
    return alice.request("GET", "/assets", headers={"Authorization": authorization})


def signed(alice, *, algorithm="HS256", secret=None, headers=None, **changes) -> str:
    deployment = alice.deployment
    claims = deployment.claims(alice.owner, **changes)
    return "Bearer " + jwt.encode(claims, secret or deployment.secret, algorithm=algorithm, headers=headers)


def test_a_good_token_is_let_in(alice):
    assert ask(alice, signed(alice)).status_code == 200


def test_the_audience_may_be_one_of_several(alice):
    assert ask(alice, signed(alice, aud=["other", "sluice"])).status_code == 200


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_route_without_a_token(alice, method, path):
    assert alice.request(method, path, headers={"Authorization": None}).status_code in REFUSED


HOUR = 3600


@pytest.mark.parametrize("changes", [
    {"exp": -HOUR}, {"exp": -1e9}, {"exp": None}, {"exp": "tomorrow"}, {"nbf": HOUR},
    {"iss": "somebody"}, {"iss": None}, {"iss": ""},
    {"aud": "other"}, {"aud": None}, {"aud": []}, {"aud": ["other"]},
], ids=str)
def test_claims_that_are_not_ours_are_refused(alice, changes):
    """Numbers are seconds from now."""
    changes = {name: time.time() + value if isinstance(value, int | float) else value for name, value in changes.items()}
    assert ask(alice, signed(alice, **changes)).status_code in REFUSED


@pytest.mark.parametrize("subject", [None, "", "a\0", "x" * 257], ids=repr)
def test_subjects_that_are_none_are_refused(alice, subject):
    assert ask(alice, signed(alice, sub=subject)).status_code in REFUSED


@pytest.mark.parametrize("subject", ["a/b", "../bob", "a b", "ä", "x" * 256, ".", ".."], ids=repr)
def test_subjects_that_could_be_a_path_have_a_root_of_their_own(alice, subject):
    wish = {"filename": "a.txt", "file_size": 1}
    headers = {"Authorization": signed(alice, sub=subject)}
    key = alice.call("POST", "/prepare", 201, json=wish, headers=headers)["object_key"]
    root, segment_of_owner, name = key.split("/")
    assert root == "users" and name
    assert segment_of_owner.isascii() and segment_of_owner not in (".", "..", "bob", "a", "")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_other_algorithms_are_refused_even_with_the_right_secret(alice, algorithm):
    assert ask(alice, signed(alice, algorithm=algorithm)).status_code in REFUSED


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
def test_unsigned_tokens_are_refused(alice, name):
    claims = segment(alice.deployment.claims(alice.owner))
    for signature in ("", "x"):
        token = f"{segment({'alg': name, 'typ': 'JWT'})}.{claims}.{signature}"
        assert ask(alice, f"Bearer {token}").status_code in REFUSED


def test_another_secret_is_refused(alice):
    assert ask(alice, signed(alice, secret="x" * 64)).status_code in REFUSED


def test_a_tampered_token_is_refused(alice, bob):
    header, claims, signature = signed(alice).removeprefix("Bearer ").split(".")
    forged = segment(alice.deployment.claims(bob.owner))
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    for token in (f"{header}.{forged}.{signature}", f"{header}.{claims}.{flipped}", f"{header}.{claims}."):
        assert ask(alice, f"Bearer {token}").status_code in REFUSED


def test_a_token_can_not_bring_its_own_key(alice):
    key = base64.urlsafe_b64encode(b"x" * 64).rstrip(b"=").decode()
    token = signed(alice, secret="x" * 64, headers={"jwk": {"kty": "oct", "k": key}, "kid": "../../dev/null"})
    assert ask(alice, token).status_code in REFUSED


@pytest.mark.parametrize("header", [
    "", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Bearer ..", "Basic YWxpY2U6eA==", "x",
    "Bearer " + "x" * 7000,
], ids=lambda header: header[:20])
def test_what_is_no_bearer_token_is_refused(alice, header):
    assert ask(alice, header).status_code in REFUSED


# Other people's things

@pytest.fixture(scope="module")
def hers(user):
    """Alice, with an asset that is done, a direct upload and a multipart upload under way."""
    alice = user("alice")
    done = alice.send_and_wait("astronaut.jpg", sample("astronaut.jpg"))
    return alice, done, alice.prepare("b.jpg", 10), alice.prepare("c.bin", 3 * PART)


@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("GET", "/download"), ("DELETE", ""), ("DELETE", "/update")])
def test_another_users_asset_does_not_exist(hers, bob, method, suffix):
    alice, done, direct, multipart = hers
    unknown = assert_problem(
        bob.request(method, f"/assets/0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f{suffix}"), 404, "asset_not_found"
    )
    for asset_id in (done["asset_id"], direct["asset_id"], multipart["asset_id"]):
        answer = assert_problem(bob.request(method, f"/assets/{asset_id}{suffix}"), 404, "asset_not_found")
        assert answer["detail"] == unknown["detail"]
    assert alice.asset(done["asset_id"])["stage"] == "done"
    assert alice.asset(direct["asset_id"])["stage"] == "uploading"


def test_another_users_upload_does_not_exist(hers, bob):
    alice, done, direct, multipart = hers
    parts = [{"PartNumber": number, "ETag": '"x"'} for number in (1, 2, 3)]
    not_found = {"asset_not_found", "upload_not_found"}
    for body in (completion(direct, None), completion(multipart, parts), {"object_key": done["object_key"]}):
        assert_problem(bob.request("POST", "/complete", json=body), 404, not_found)
    assert_problem(bob.request("GET", upload_path(multipart, "/parts")), 404, not_found)
    assert_problem(bob.request("DELETE", upload_path(multipart)), 404, not_found)
    assert_problem(bob.request("POST", "/prepare", json=window_request(multipart, 1, 1)), 404, not_found)
    assert alice.parts(multipart) == []
    assert alice.asset(multipart["asset_id"])["stage"] == "uploading"


def test_an_upload_id_is_good_for_its_own_key_only(hers, bob):
    alice, _, _, multipart = hers
    own = bob.prepare("c.bin", 3 * PART)
    mixed = window_request(own, 1, 1) | {"upload_id": multipart["upload_id"]}
    assert_problem(bob.request("POST", "/prepare", json=mixed), 404, "upload_not_found")
    assert_problem(bob.request("DELETE", upload_path(own | {"upload_id": multipart["upload_id"]})), 404, "upload_not_found")
    assert alice.parts(multipart) == []


def test_another_users_asset_gets_no_new_version(hers, bob):
    _, done, _, _ = hers
    answer = bob.request("POST", "/prepare", json={"filename": "a.jpg", "file_size": 9, "asset_id": done["asset_id"]})
    assert_problem(answer, 404, "asset_not_found")


def test_another_users_content_is_never_revealed(hers, bob):
    """Bob knows the hash; that gives him neither the file nor the knowledge that it is there."""
    _, done, _, _ = hers
    content = sample("astronaut.jpg")
    grant = bob.prepare("a.jpg", len(content), sha256=done["sha256"])
    assert grant["mode"] == "direct"
    with bob.live() as live:
        put(grant, content)
        own = live.follow(grant["asset_id"])[-1]["asset"]
    assert own["duplicate_of"] is None
    assert len(own["derivatives"]) == 3


def test_listing_shows_the_callers_own(hers, bob):
    own = bob.prepare("b.jpg", 10)["asset_id"]
    assert [asset["asset_id"] for asset in bob.call("GET", "/assets")["assets"]] == [own]


@pytest.mark.parametrize("folder", ["users/bob", "users/{owner}x", "stores/1", "system", "system/x", "/users/bob/"])
def test_foreign_folders_are_forbidden(alice, folder):
    body = {"filename": "a.jpg", "file_size": 1, "folder": folder.format(owner=alice.owner)}
    assert_problem(alice.request("POST", "/prepare", json=body), 403, "folder_forbidden")
