"""Requests that are wrong: each gets a clear problem+json, and nothing comes of it."""

import json

import pytest

from checks import assert_problem
from client import upload_path
from media import PART

NOBODYS_KEY = "users/{owner}/0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f.jpg"


@pytest.fixture(scope="module")
def alice(user):
    return user("alice")


@pytest.fixture(scope="module")
def multipart(alice) -> dict:
    return alice.prepare("c.bin", 3 * PART)


@pytest.fixture(scope="module")
def direct(alice) -> dict:
    return alice.prepare("a.jpg", 10)


def post(alice, path: str, body: object):
    return alice.request("POST", path, json=body)


# Bodies

@pytest.mark.parametrize("path", ["/prepare", "/complete"])
@pytest.mark.parametrize("body", [
    b"", b" ", b"{", b"{]", b"no json", b'{"filename": "a', b"{'filename': 'a'}", b'{"object_key":"a","filename":"a","file_size":1}x',
    b"\xff\xfe{}", b"NaN", b'{"file_size": Infinity}', b"[" * 5000,
], ids=lambda body: str(body)[:24])
def test_what_is_no_json(alice, path, body):
    answer = alice.request("POST", path, data=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, 400, "invalid_json")


@pytest.mark.parametrize("path", ["/prepare", "/complete"])
@pytest.mark.parametrize("body", [[], "text", 7, None, True, [{}]], ids=str)
def test_what_is_no_object(alice, path, body):
    answer = alice.request("POST", path, data=json.dumps(body), headers={"Content-Type": "application/json"})
    assert_problem(answer, 400, "invalid_json")


@pytest.mark.parametrize("path", ["/prepare", "/complete"])
def test_what_says_nothing(alice, path):
    assert_problem(post(alice, path, {}), 400, "invalid_field")


def test_a_body_over_the_limit(alice):
    answer = post(alice, "/prepare", {"filename": "a.jpg", "file_size": 1, "x": "x" * (1 << 20)})
    assert_problem(answer, 413, "body_too_large")


def test_a_field_nobody_knows_is_no_fault(alice):
    assert alice.prepare("a.jpg", 1, colour="blue")["mode"] == "direct"


def test_null_is_the_same_as_left_out(alice):
    optional = ("relative_path", "content_type", "sha256", "folder", "message_id", "asset_id", "client_part_size", "client_num_parts")
    assert alice.prepare("a.jpg", 1, **dict.fromkeys(optional))["mode"] == "direct"


# Prepare

def test_a_missing_field_is_named(alice):
    problem = assert_problem(post(alice, "/prepare", {"filename": "a.jpg"}), 400, "invalid_field")
    assert "file_size" in problem["detail"]


@pytest.mark.parametrize(("content_type", "name"), [("image/jpeg", "file.jpg"), ("application/pdf", "file.pdf"), (None, "file")])
def test_a_file_without_a_name_has_one_by_its_type(alice, content_type, name):
    grant = post(alice, "/prepare", {"file_size": 1, "content_type": content_type}).json()
    assert alice.asset(grant["asset_id"])["filename"] == name


@pytest.mark.parametrize("size", [-1, -(2**63), 1.5, 2**64, 1e30, "1", "", None, True, [], {}], ids=str)
def test_a_size_that_is_none(alice, size):
    problem = assert_problem(post(alice, "/prepare", {"filename": "a.jpg", "file_size": size}), 400, "invalid_field")
    assert "file_size" in problem["detail"]


@pytest.mark.parametrize("name", [
    "", " ", "\t", ".", "..", "a/b.jpg", "/etc/passwd", "../../etc/passwd", "a\\b.jpg", "..\\x", "a\0.jpg", "a\nb.jpg",
    "a\r\nx: y.jpg", "a\x1b[31m.jpg", "a\x7f.jpg", "a\x85.jpg", "photo\u202egpj.exe", "a\u2029b.jpg",
    "photo.jpg\u3164\u3164.exe", "\ufeff", "x" * 256, "x" * 1000, "ü" * 256,
], ids=lambda name: ascii(name)[:24])
def test_a_name_that_misleads(alice, name):
    problem = assert_problem(post(alice, "/prepare", {"filename": name, "file_size": 1}), 400, "invalid_filename")
    assert "filename" in problem["detail"]
    assert "\u202e" not in problem["detail"], "a name is never echoed"


@pytest.mark.parametrize("name", [7, True, [], ["a"], {}], ids=str)
def test_a_name_that_is_no_text(alice, name):
    assert_problem(post(alice, "/prepare", {"filename": name, "file_size": 1}), 400, "invalid_field")


@pytest.mark.parametrize(("name", "extension"), [
    ("Übergröße.PNG", ".png"), ("写真.heic", ".heic"), ("صورة.jpg", ".jpg"), ("👩‍👩‍👧.gif", ".gif"), ("a b (1).jpg", ".jpg"),
    ("no extension", ""), (".bashrc", ""), ("a..b", ".b"), ("100%.jpg", ".jpg"), ('"quotes\'.jpg', ".jpg"), ("a.ü", ""),
    ("\u200fחשבונית.pdf", ".pdf"), ("می\u200cخواهم.jpg", ".jpg"),
    ("x" * 255, ""), ("ü" * 251 + ".jpg", ".jpg"), ("COM1", ""), ("<script>.html", ".html"),
], ids=lambda name: ascii(name)[:24])
def test_names_of_any_script_are_kept(alice, name, extension):
    grant = alice.prepare(name, 1)
    assert alice.asset(grant["asset_id"])["filename"] == name
    assert grant["object_key"] == f"users/{alice.owner}/{grant['asset_id']}{extension}"


@pytest.mark.parametrize("field", [
    {"relative_path": "../a"}, {"content_type": "image/p ng"}, {"content_type": "image/"},
    {"content_type": "image/png\r\nx-evil: 1"}, {"content_type": "image/" + "x" * 200}, {"content_type": 7},
    {"content_type": "image/pñg"},
    {"sha256": "x"}, {"sha256": ""}, {"sha256": "0" * 63}, {"sha256": "0" * 65}, {"sha256": "g" * 64}, {"sha256": 7},
    {"folder": ".."}, {"folder": "a/../b"}, {"folder": "../bob"}, {"folder": "a//b"}, {"folder": "a/./b"},
    {"folder": "a\\b"}, {"folder": "a\0b"}, {"folder": "x" * 600}, {"folder": "/".join("x" * 20)}, {"folder": 7},
    {"folder": "a/\u202eb"}, {"folder": "users"}, {"folder": "stores/"},
    {"message_id": ""}, {"message_id": "x" * 257}, {"message_id": "a\nb"}, {"message_id": 7},
    {"asset_id": 7},
    {"client_part_size": "5MB"}, {"client_num_parts": []},
], ids=lambda field: ascii(field)[:40])
def test_a_field_that_can_not_be(alice, field):
    problem = assert_problem(post(alice, "/prepare", {"filename": "a.jpg", "file_size": 1} | field), 400, "invalid_field")
    assert next(iter(field)) in problem["detail"]


@pytest.mark.parametrize("asset_id", [
    "", "x", "../x", "0190A6D4-7C5E-7B3A-8F2D-1C2B3A4D5E6F", "0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f",
])
def test_an_asset_that_is_none(alice, asset_id):
    body = {"filename": "a.jpg", "file_size": 1, "asset_id": asset_id}
    assert_problem(post(alice, "/prepare", body), 404, "asset_not_found")


@pytest.mark.parametrize(("given", "kept"), [
    ("image/JPEG", "image/jpeg"), ("text/plain; charset=utf-8", "text/plain"), (" image/png ", "image/png"),
    ("application/vnd.api+json", "application/vnd.api+json"),
])
def test_types_are_brought_to_one_form(alice, given, kept):
    grant = alice.prepare("a", 1, content_type=given)
    assert grant["headers"]["content-type"] == kept


def test_a_digest_may_be_in_capitals(alice):
    assert alice.prepare("a", 1, sha256="AB" * 32)["mode"] == "direct"


# Windows

def test_a_window_without_a_count_is_a_whole_one(alice, multipart):
    body = {"upload_id": multipart["upload_id"], "object_key": multipart["object_key"], "start_part": 2}
    assert alice.call("POST", "/prepare", json=body)["batch"]["count"] == 2


@pytest.mark.parametrize("field", ["object_key", "start_part"])
def test_a_window_needs_its_fields(alice, multipart, field):
    body = {"upload_id": multipart["upload_id"], "object_key": multipart["object_key"], "start_part": 1, "batch_count": 1}
    del body[field]
    assert_problem(post(alice, "/prepare", body), 400, "invalid_field")


@pytest.mark.parametrize("upload_id", ["", "x", "../x", "a b", "x" * 2000, "ü", "\0"], ids=lambda text: ascii(text)[:20])
def test_a_window_of_an_upload_that_is_none(alice, multipart, upload_id):
    body = {"upload_id": upload_id, "object_key": multipart["object_key"], "start_part": 1, "batch_count": 1}
    assert_problem(post(alice, "/prepare", body), 404, "upload_not_found")


# Complete

@pytest.mark.parametrize("key", [
    "", "x", "/", "users", "../x", "a\0b", "users//x", "users/{owner}/photo.jpg", NOBODYS_KEY, "x" * 2000,
], ids=lambda text: ascii(text)[:30])
def test_completion_of_a_key_that_is_none(alice, key):
    answer = post(alice, "/complete", {"object_key": key.format(owner=alice.owner)})
    assert_problem(answer, 404, "asset_not_found")


@pytest.mark.parametrize("key", [7, None, [], {}], ids=str)
def test_completion_of_a_key_that_is_no_text(alice, key):
    assert_problem(post(alice, "/complete", {"object_key": key}), 400, "invalid_field")


@pytest.mark.parametrize("version", ["1", "", 0, -1, 1.5, 2**32, [], {}, True], ids=str)
def test_a_version_that_is_none(alice, direct, version):
    answer = post(alice, "/complete", {"object_key": direct["object_key"], "version": version})
    assert "version" in assert_problem(answer, 400, "invalid_field")["detail"]


def test_a_version_that_was_never_granted(alice, direct):
    answer = post(alice, "/complete", {"object_key": direct["object_key"], "version": 2})
    assert_problem(answer, 404, "upload_not_found")


@pytest.mark.parametrize("parts", [
    "x", 7, {}, [7], ["x"], [None], [[]], [{}], [{"PartNumber": 1}], [{"ETag": "x"}],
    [{"PartNumber": "1", "ETag": "x"}], [{"PartNumber": -1, "ETag": "x"}], [{"PartNumber": 1.5, "ETag": "x"}],
    [{"PartNumber": None, "ETag": "x"}], [{"PartNumber": 1, "ETag": 7}], [{"PartNumber": 1, "ETag": None}],
], ids=str)
def test_parts_that_are_none(alice, multipart, parts):
    body = {"object_key": multipart["object_key"], "upload_id": multipart["upload_id"], "parts": parts}
    problem = assert_problem(post(alice, "/complete", body), 400, "invalid_field")
    assert "parts" in problem["detail"]


@pytest.mark.parametrize("etag", ["", '""', "a\nb", "ü", "x" * 200, 'a"b'], ids=ascii)
def test_an_etag_that_is_none(alice, multipart, etag):
    parts = [{"PartNumber": 1, "ETag": etag}]
    body = {"object_key": multipart["object_key"], "upload_id": multipart["upload_id"], "parts": parts}
    assert_problem(post(alice, "/complete", body), 400, "invalid_etag")


def test_more_parts_than_there_can_be(alice, multipart):
    parts = [{"PartNumber": number, "ETag": '"x"'} for number in range(1, 10_002)]
    body = {"object_key": multipart["object_key"], "upload_id": multipart["upload_id"], "parts": parts}
    assert_problem(post(alice, "/complete", body), 400, "too_many_parts")


def test_ten_thousand_parts_are_read(alice):
    grant = alice.prepare("big.bin", 10_000 * PART)
    parts = [{"PartNumber": number, "ETag": f'"{number:032x}"'} for number in range(1, 10_001)]
    body = {"object_key": grant["object_key"], "upload_id": grant["upload_id"], "parts": parts}
    problem = assert_problem(post(alice, "/complete", body), 400, "parts_missing")
    assert "never uploaded" in problem["detail"]


def test_another_upload_id_than_the_grants(alice, multipart):
    parts = [{"PartNumber": number, "ETag": '"x"'} for number in (1, 2, 3)]
    body = {"object_key": multipart["object_key"], "upload_id": "bm9uZSBzdWNo", "parts": parts}
    assert_problem(post(alice, "/complete", body), 404, "upload_not_found")


def test_parts_for_a_direct_upload(alice, direct):
    body = {"object_key": direct["object_key"], "upload_id": "bm9uZQ", "parts": [{"PartNumber": 1, "ETag": '"x"'}]}
    assert_problem(post(alice, "/complete", body), 404, "upload_not_found")


# Uploads by their id

@pytest.mark.parametrize(("method", "suffix"), [("GET", "/parts"), ("DELETE", "")])
def test_an_upload_needs_its_key(alice, multipart, method, suffix):
    path = upload_path(multipart, suffix).split("?")[0]
    assert "object_key" in assert_problem(alice.request(method, path), 400, "invalid_field")["detail"]


@pytest.mark.parametrize(("method", "suffix"), [("GET", "/parts"), ("DELETE", "")])
@pytest.mark.parametrize("changes", [
    {"upload_id": "bm9uZSBzdWNo"}, {"upload_id": "a b"}, {"upload_id": "\u202e"}, {"object_key": "x"}, {"object_key": ""},
    {"object_key": NOBODYS_KEY},
], ids=lambda changes: ascii(changes)[:40])
def test_an_upload_that_is_none(alice, multipart, method, suffix, changes):
    changes = {name: text.format(owner=alice.owner) for name, text in changes.items()}
    answer = alice.request(method, upload_path(multipart | changes, suffix))
    assert_problem(answer, 404, {"upload_not_found", "asset_not_found"})


# Routes

@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/"), ("GET", "/nothing"), ("GET", "/assets/x/y/z"), ("POST", "/assets"), ("PUT", "/prepare"),
    ("GET", "/prepare"), ("PATCH", "/complete"), ("GET", "/uploads"), ("POST", "/assets/x/download"),
    ("GET", "/assets/x/update"), ("POST", "/assets/x/update"), ("DELETE", "/assets/x/download"),
])
def test_what_is_no_route(alice, method, path):
    assert alice.request(method, path).status_code in (404, 405)


def test_nothing_came_of_all_that(alice, multipart, direct):
    for grant in (multipart, direct):
        assert alice.asset(grant["asset_id"])["stage"] == "uploading"
    assert alice.parts(multipart) == []
