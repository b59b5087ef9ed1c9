"""Requests that come again with their `Idempotency-Key`: what they make, they make once."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from client import put
from media import noise

PHOTO = {"filename": "photo.bin", "file_size": 1000, "content_type": "application/octet-stream"}


def test_a_grant_is_given_once_at_every_door(alice):
    doors = [
        ("/prepare", PHOTO, 201, "asset_id"),
        ("/prepare", PHOTO | {"file_size": 30 << 20}, 201, "upload_id"),
        ("/s3_signature", PHOTO, 201, "asset_id"),
        ("/uploadjobs", {"id": f"job-{uuid4()}", "filename": "photo.bin", "filesize": 1000}, 201, "upload_token"),
        ("/s3/multipart", {"filename": "photo.bin", "type": "application/octet-stream"}, 200, "uploadId"),
        ("/uppy/endpoints", {}, 201, "path"),
    ]
    for path, body, status, name in doors:
        headers = {"Idempotency-Key": str(uuid4())}
        first, again = (alice.call("POST", path, status, json=body, headers=headers) for _ in range(2))
        assert first[name] == again[name], path
        other = alice.call("POST", path, 422, json=body | {"more": 1}, headers=headers)
        # a Companion's clients read `message`
        assert "idempotency_mismatch" in str(other), path


def test_a_tus_upload_is_opened_once(alice):
    headers = {"Idempotency-Key": str(uuid4()), "Tus-Resumable": "1.0.0", "Upload-Length": "10"}
    urls = [alice.request("POST", "/files", headers=headers).headers["Location"] for _ in range(2)]
    assert urls[0] == urls[1]
    other = alice.request("POST", "/files", headers=headers | {"Upload-Length": "11"})
    assert other.status_code == 422


def test_of_many_at_once_with_one_key_one_makes_the_asset(alice):
    headers = {"Idempotency-Key": str(uuid4())}

    def ask(_):
        return alice.request("POST", "/prepare", json=PHOTO, headers=headers)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert all(answer.json()["code"] == "request_in_flight" for answer in answers if answer.status_code == 409)
    granted = {answer.json()["asset_id"] for answer in answers if answer.status_code == 201}
    granted.add(ask(0).json()["asset_id"])
    assert len(granted) == 1


def test_a_repeat_after_the_bytes_came_tells_of_the_asset(alice):
    content = noise(1000)
    headers = {"Idempotency-Key": str(uuid4())}
    grant = alice.call("POST", "/prepare", 201, json=PHOTO, headers=headers)
    with alice.live() as live:
        put(grant, content)
        done = live.follow(grant["asset_id"])[-1]["asset"]
    again = alice.call("POST", "/prepare", 201, json=PHOTO, headers=headers)
    assert (again["mode"], again["asset"]["asset_id"]) == ("existing", done["asset_id"])


def test_a_form_that_is_sent_again_is_taken_once(alice):
    headers = {"Idempotency-Key": str(uuid4())}
    file = ("a.bin", noise(500))
    # the boundary is another each time
    first, again = (
        alice.call("POST", "/api/v1/assets", 200, files={"file": file}, headers=headers) for _ in range(2)
    )
    # of a file that is done meanwhile the document is told as well
    assets = [[asset["asset_id"] for asset in answer["assets"]] for answer in (first, again)]
    assert (first["task_id"], assets[0]) == (again["task_id"], assets[1])


def test_a_key_is_its_owners(alice, bob):
    headers = {"Idempotency-Key": "same"}
    grants = [user.call("POST", "/prepare", 201, json=PHOTO, headers=headers) for user in (alice, bob)]
    assert grants[0]["asset_id"] != grants[1]["asset_id"]
