"""What S3 itself refuses because the signed URL says so."""

import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest

from checks import assert_problem
from client import bare_request, eventually, fetch, put, put_part, try_put, try_put_part
from media import PART, noise, sample

SIZE = 1000


@pytest.fixture
def grant(alice) -> dict:
    return alice.prepare("a.bin", SIZE, content_type="application/x-test")


def refused(grant: dict, content: bytes, status: int = 403, **headers) -> None:
    answer = try_put(grant, content, **headers)
    assert answer.status_code == status, answer.text[:500]


def still_takes_the_right_bytes(alice, grant: dict) -> None:
    assert alice.asset(grant["asset_id"])["stage"] == "uploading"
    put(grant, noise(SIZE))
    assert alice.complete(grant)["size"] == SIZE


@pytest.mark.parametrize("size", [0, 1, SIZE - 1, SIZE + 1, SIZE * 10])
def test_a_body_of_another_size_is_refused(alice, grant, size):
    refused(grant, noise(size))
    still_takes_the_right_bytes(alice, grant)


@pytest.mark.parametrize("name", ["content-type", "if-none-match", "x-amz-meta-version"])
def test_a_header_that_is_left_out_is_refused(alice, grant, name):
    headers = {key: value for key, value in grant["headers"].items() if key.lower() != name}
    assert headers != grant["headers"]
    refused(grant, noise(SIZE), headers=headers)
    still_takes_the_right_bytes(alice, grant)


@pytest.mark.parametrize(("name", "value"), [
    ("content-type", "text/html"), ("x-amz-meta-version", "2"), ("if-none-match", "x"),
])
def test_a_header_of_another_value_is_refused(alice, grant, name, value):
    headers = {key: value if key.lower() == name else old for key, old in grant["headers"].items()}
    assert headers != grant["headers"]
    refused(grant, noise(SIZE), headers=headers)
    still_takes_the_right_bytes(alice, grant)


def test_a_second_put_is_refused_and_the_first_stays(alice):
    content = sample("rocket.jpg")
    grant = alice.prepare("a.jpg", len(content), content_type="image/jpeg")
    with alice.live() as live:
        put(grant, content)
        refused(grant, noise(len(content)), status=412)
        live.send({"action": "subscribe", "asset_id": grant["asset_id"]})
        asset = live.reach(grant["asset_id"], "done")
    assert asset["sha256"] == hashlib.sha256(content).hexdigest()
    assert fetch(asset["media_url"]).content == content
    assert len(alice.deployment.object_versions(grant["object_key"])) == 1


def test_bytes_of_another_hash_are_refused(alice):
    promised, other = noise(SIZE), noise(SIZE)
    grant = alice.prepare("a.bin", SIZE, sha256=hashlib.sha256(promised).hexdigest())
    assert try_put(grant, other).status_code in (400, 403)
    assert alice.asset(grant["asset_id"])["stage"] == "uploading"
    put(grant, promised)
    assert alice.complete(grant)["size"] == SIZE


def test_a_url_is_good_for_its_own_key_only(alice, grant):
    other = alice.prepare("b.bin", SIZE)
    moved = grant | {"url": grant["url"].replace(grant["asset_id"], other["asset_id"])}
    refused(moved, noise(SIZE))


@pytest.mark.parametrize("back", [timedelta(hours=1, seconds=30), timedelta(days=1)])
def test_an_expired_url_is_refused(alice, grant, back):
    """As if it had been signed earlier: S3 looks at the date first, and says so in words that clients look for."""
    earlier = (datetime.now(UTC) - back).strftime("%Y%m%dT%H%M%SZ")
    old = grant | {"url": re.sub(r"X-Amz-Date=\w+", f"X-Amz-Date={earlier}", grant["url"])}
    assert old["url"] != grant["url"]
    refused(old, noise(SIZE))
    still_takes_the_right_bytes(alice, grant)


def test_an_expired_part_is_signed_again(alice):
    grant = alice.prepare("c.bin", 3 * PART)
    url = grant["batch"]["items"][0]["url"]
    old = re.sub(r"X-Amz-Date=\w+", "X-Amz-Date=20200101T000000Z", url)
    assert try_put_part(old, noise(PART)).status_code == 403
    again = alice.window(grant, 1, 1)["batch"]["items"][0]
    assert put_part(again, noise(PART))["PartNumber"] == 1


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST", "HEAD"])
def test_an_upload_url_is_good_for_nothing_else(alice, grant, method):
    put(grant, noise(SIZE))
    answer = bare_request(method, grant["url"])
    assert answer.status_code == 403
    assert len(alice.deployment.object_versions(grant["object_key"])) == 1


def test_the_buckets_are_not_public(alice, grant):
    put(grant, noise(SIZE))
    assert try_put(grant | {"url": grant["url"].split("?")[0]}, noise(SIZE)).status_code == 403


def test_completion_before_the_bytes_is_refused_and_works_after(alice, grant):
    assert_problem(alice.try_complete(grant), 409, "upload_incomplete")
    still_takes_the_right_bytes(alice, grant)


def test_bytes_after_a_cancel_are_not_kept(alice, grant):
    assert alice.cancel(grant).status_code == 204
    answer = try_put(grant, noise(SIZE))
    assert answer.status_code in (200, 403)
    eventually(lambda: not alice.deployment.object_versions(grant["object_key"]))
    assert_problem(alice.try_complete(grant), 409, "upload_cancelled")
    assert alice.asset(grant["asset_id"])["stage"] == "cancelled"
