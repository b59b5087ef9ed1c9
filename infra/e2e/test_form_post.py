"""`POST /s3_signature`: a form that S3 takes as it was signed, and in no other way."""

import pytest

from checks import DONE, apart_from_update, assert_problem, statuses
from client import bare_request, eventually
from media import noise


def signed(user, size: int | None = 1000, **fields) -> dict:
    wish = {"filename": "a.bin", "content_type": "application/x-thing", "file_size": size} | fields
    return user.call("POST", "/s3_signature", 201, json={key: value for key, value in wish.items() if value is not None})


def post(form: dict, content: bytes, **changes) -> int:
    """S3's status; a change to None leaves a field out."""
    fields = {key: value for key, value in (form["fields"] | changes).items() if value is not None}
    return bare_request("POST", form["url"], data=fields, files={"file": ("a.bin", content)}).status_code


def test_what_was_granted_is_taken_and_told_of(alice):
    form = signed(alice)
    assert form["fields"]["key"] == form["object_key"] == form["key"]
    assert (form["metadata"], form["fields"]["x-amz-meta-version"]) == ({"version": "1"}, "1")
    assert form["policy"] == form["fields"]["policy"]
    with alice.live() as live:
        assert post(form, noise(1000)) == 201
        told = live.follow(form["asset_id"])
    assert statuses(told)[-1] == DONE


@pytest.mark.parametrize(("size", "status"), [(999, 400), (1000, 201), (1001, 400)])
def test_the_size_is_the_one_that_was_said(alice, size, status):
    assert post(signed(alice), noise(size)) == status


def test_a_size_that_was_not_said_is_any(alice):
    form = signed(alice, size=None)
    with alice.live() as live:
        assert post(form, noise(777)) == 201
        assert live.follow(form["asset_id"])[-1]["asset"]["size"] == 777


@pytest.mark.parametrize("changes", [
    {"key": "users/somebody/else"},
    {"Content-Type": "text/html"},
    {"x-amz-meta-version": "2"},
    {"x-amz-meta-more": "than was signed"},
    {"policy": "e30="},
    {"x-amz-signature": "0" * 64},
    {"x-amz-meta-version": None},
    {"x-amz-signature": None},
])
def test_a_form_that_was_tampered_with_is_refused(alice, changes):
    form = signed(alice)
    assert post(form, noise(1000), **changes) in (400, 403)
    assert alice.asset(form["asset_id"])["stage"] == "uploading"


def test_a_form_that_is_posted_twice_keeps_what_came_first(alice):
    form = signed(alice)
    first = noise(1000)
    with alice.live() as live:
        assert post(form, first) == 201
        live.follow(form["asset_id"])
    document = alice.asset(form["asset_id"])
    assert post(form, noise(1000)) == 201, "S3 has no condition for forms"
    eventually(lambda: len(alice.deployment.object_versions(form["key"])) == 1)
    after = alice.asset(form["asset_id"])
    assert bare_request("GET", after["media_url"]).content == first
    assert apart_from_update(after) == apart_from_update(document)
    assert (after["update"], after["poll"]) == (None, None)


def test_an_update_keeps_its_key_and_a_late_writers_form_changes_nothing(alice):
    first = alice.send_and_wait("a.bin", noise(1000))
    late = signed(alice, asset_id=first["asset_id"])
    early = signed(alice, asset_id=first["asset_id"])
    assert early["object_key"] == first["object_key"]
    assert (late["version"], early["version"]) == (2, 3)
    winner = noise(1000)
    with alice.live() as live:
        assert post(early, winner) == 201
        assert live.follow(first["asset_id"])[-1]["asset"]["version"] == 3
    assert post(late, noise(1000)) == 201, "S3 has no condition for forms"
    eventually(lambda: len(alice.deployment.object_versions(first["object_key"])) == 2)
    assert alice.asset(first["asset_id"])["version"] == 3
    assert bare_request("GET", alice.asset(first["asset_id"])["media_url"]).content == winner


def test_bad_wishes_and_other_peoples_assets(alice, bob):
    hers = alice.send_and_wait("a.bin", noise(10))["asset_id"]
    body = {"filename": "a.bin", "file_size": 1, "asset_id": hers}
    assert_problem(bob.request("POST", "/s3_signature", json=body), 404, "asset_not_found")
    assert_problem(alice.request("POST", "/s3_signature", json={}), 400, "invalid_field")
    assert_problem(
        alice.request("POST", "/s3_signature", json={"filename": "a", "folder": "a/${filename}"}), 400, "invalid_field"
    )


def test_content_that_is_there_already_is_not_sent_again(alice):
    content = noise(2000)
    first = alice.send_and_wait("a.bin", content)
    answer = alice.call("POST", "/s3_signature", 201, json={"filename": "a.bin", "sha256": first["sha256"]})
    assert (answer["mode"], answer["asset"]["asset_id"]) == ("existing", first["asset_id"])
