"""Further versions of an asset: one stands beside what is shown until it was read and taken, the later grant counts, and
whatever becomes of it, what was good stays."""

import hashlib
from types import SimpleNamespace

import pytest

from checks import apart_from_update, assert_problem, update_steps
from client import eventually, fetch, put, put_part, put_parts, try_put_part, upload_path
from media import MIB, PART, noise, sample

SIZE = 2 * PART + MIB  # three parts
DIRECT = 1000
NOBODYS = "0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f"
POLL = {"after_seconds": 2}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def update(user, asset_id: str, filename: str, content: bytes, **fields) -> dict:
    """Sends a further version: the document once nothing more comes of it."""
    with user.live() as live:
        # what happened before may be told still
        known = user.asset(asset_id)["revision"]
        user.send(filename, content, asset_id=asset_id, **fields)
        return live.until(
            lambda message: message["type"] == "asset" and message["asset"]["asset_id"] == asset_id
            and message["seq"] > known and message["asset"]["poll"] is None,
        )["asset"]


def assert_shown(user, first, version: int = 1) -> dict:
    """The first version is still what is shown, to the byte; answers the document."""
    document = user.asset(first.id)
    assert document["version"] == version == first.document["version"]
    assert apart_from_update(document) == apart_from_update(first.document)
    assert fetch(document["media_url"]).content == first.content
    return document


def assert_updated(user, first, version: int) -> dict:
    """A good version comes after whatever there was."""
    content = noise(2000)
    document = update(user, first.id, "good.bin", content)
    assert (document["version"], document["stage"], document["update"]) == (version, "done", None)
    assert document["filename"] == "good.bin"
    assert fetch(document["media_url"]).content == content
    return document


def assert_kept(user, key: str, *contents: bytes) -> None:
    """Just these bytes lie at a key, once what was let go is gone."""
    deployment = user.deployment
    eventually(lambda: len(deployment.object_versions(key)) == len(contents))
    assert sorted(map(sha256, deployment.contents(key))) == sorted(map(sha256, contents))


@pytest.fixture
def first(alice) -> SimpleNamespace:
    """An asset whose first version is done."""
    content = noise(3000)
    document = alice.send_and_wait("first.bin", content, message_id="m-1", folder="here")
    assert (document["stage"], document["version"], document["update"]) == ("done", 1, None)
    return SimpleNamespace(id=document["asset_id"], key=document["object_key"], content=content, document=document)


# On its way

def test_what_was_good_is_shown_until_the_next_version_was_taken(alice, first):
    content = sample("astronaut.jpg")
    with alice.live() as live:
        grant = alice.prepare("Zweite.jpg", len(content), asset_id=first.id, content_type="image/jpeg")
        assert (grant["asset_id"], grant["object_key"], grant["version"]) == (first.id, first.key, 2)
        waiting = assert_shown(alice, first)
        assert waiting["update"] == {"version": 2, "stage": "uploading", "progress": 0, "failure": None}
        assert waiting["poll"] == POLL
        put(grant, content)
        assert alice.complete(grant, version=2)["asset_id"] == first.id
        told = live.follow(first.id)
    assert update_steps(told) == [(1, "uploading"), (1, "processing"), (2, None)]
    for message in told:
        if message["asset"]["version"] == 1:
            assert apart_from_update(message["asset"]) == apart_from_update(first.document)
    assert all(message["asset"]["poll"] == POLL for message in told[:-1])
    asset = told[-1]["asset"]
    assert (asset["stage"], asset["message_status"], asset["poll"]) == ("done", "sent", None)
    assert (asset["filename"], asset["content_type"], asset["sha256"]) == ("Zweite.jpg", "image/jpeg", sha256(content))
    assert (asset["message_id"], asset["folder"]) == ("m-1", first.document["folder"])
    assert {made["version"] for made in asset["derivatives"]} == {2}
    assert fetch(asset["media_url"]).content == content
    assert_kept(alice, first.key, first.content, content)


def test_what_is_shown_stays_readable_in_lists_and_downloads(alice, first):
    alice.prepare("second.bin", DIRECT, asset_id=first.id)
    [listed] = alice.call("GET", "/assets")["assets"]
    assert (listed["version"], listed["update"]["version"], listed["poll"]) == (1, 2, POLL)
    saved = alice.request("GET", f"/assets/{first.id}/download")
    assert saved.status_code == 302
    assert fetch(saved.headers["location"]).content == first.content


# Two grants of one asset

@pytest.mark.parametrize("more", [0, 1000], ids=["the same size", "another size"])
def test_of_two_grants_the_second_counts_whatever_came_by_the_first(alice, first, more):
    content = sample("astronaut.jpg")
    stray = noise(len(content) + more)
    replaced = alice.prepare("stray.bin", len(stray), asset_id=first.id, content_type="application/x-stray")
    grant = alice.prepare("Zweite.jpg", len(content), asset_id=first.id, content_type="image/jpeg")
    assert (replaced["version"], grant["version"]) == (2, 3), "no number is granted twice"
    put(replaced, stray)
    for named in ({"version": 2}, {}):
        assert_problem(alice.try_complete(replaced, **named), 409, "version_superseded")
    waiting = assert_shown(alice, first)
    assert waiting["update"] == {"version": 3, "stage": "uploading", "progress": 0, "failure": None}
    with alice.live() as live:
        assert alice.deliver(grant, content)["asset_id"] == first.id
        asset = live.follow(first.id)[-1]["asset"]
    assert (asset["stage"], asset["version"], asset["failure"], asset["update"]) == ("done", 3, None, None)
    assert (asset["filename"], asset["content_type"]) == ("Zweite.jpg", "image/jpeg")
    assert (asset["size"], asset["sha256"]) == (len(content), sha256(content))
    assert fetch(asset["media_url"]).content == content
    assert_kept(alice, first.key, first.content, content)


def test_a_replaced_upload_stays_so_when_the_later_one_is_done(alice, first):
    replaced = alice.prepare("stray.bin", DIRECT, asset_id=first.id)
    content = noise(DIRECT)
    with alice.live() as live:
        alice.send("second.bin", content, asset_id=first.id)
        live.follow(first.id)
    assert_problem(alice.try_complete(replaced, version=2), 409, "version_superseded")


@pytest.mark.parametrize("more", [0, 1000], ids=["the same size", "another size"])
def test_before_any_version_is_there_the_second_grant_counts_as_well(alice, more):
    content = noise(DIRECT)
    stray = noise(DIRECT + more)
    replaced = alice.prepare("stray.bin", len(stray))
    grant = alice.prepare("second.bin", len(content), asset_id=replaced["asset_id"])
    assert (replaced["version"], grant["version"]) == (1, 2)
    assert grant["object_key"] == replaced["object_key"]
    put(replaced, stray)
    with alice.live() as live:
        alice.deliver(grant, content)
        asset = live.follow(grant["asset_id"])[-1]["asset"]
    assert (asset["stage"], asset["version"], asset["failure"]) == ("done", 2, None)
    assert (asset["filename"], asset["sha256"]) == ("second.bin", sha256(content))
    assert_kept(alice, grant["object_key"], content)


def test_before_any_version_is_there_the_firsts_completion_is_told_that_it_was_replaced(alice):
    replaced = alice.prepare("stray.bin", DIRECT)
    alice.prepare("second.bin", DIRECT, asset_id=replaced["asset_id"])
    put(replaced, noise(DIRECT))
    assert_problem(alice.try_complete(replaced, version=1), 409, "version_superseded")
    assert alice.asset(replaced["asset_id"])["stage"] == "uploading"


@pytest.mark.parametrize("size", [SIZE, DIRECT], ids=["by parts", "by one PUT"])
def test_the_parts_of_a_replaced_upload_are_freed(alice, first, size):
    deployment = alice.deployment
    replaced = alice.prepare("film.bin", SIZE, asset_id=first.id)
    parts = put_parts(replaced, noise(SIZE))
    assert deployment.open_uploads(first.key) == [replaced["upload_id"]]
    grant = alice.prepare("second.bin", size, asset_id=first.id)
    left = [grant["upload_id"]] if grant["mode"] == "multipart" else []
    eventually(lambda: deployment.open_uploads(first.key) == left)
    assert_problem(alice.request("GET", upload_path(replaced, "/parts")), 404, "upload_not_found")
    assert try_put_part(replaced["batch"]["items"][0]["url"], noise(PART)).status_code == 404
    assert_problem(alice.try_complete(replaced, parts, version=2), 409, "version_superseded")
    content = noise(size)
    with alice.live() as live:
        alice.deliver(grant, content)
        asset = live.follow(first.id)[-1]["asset"]
    assert (asset["stage"], asset["version"], asset["sha256"]) == ("done", 3, sha256(content))
    for named in ({"version": 2}, {}):
        assert_problem(alice.try_complete(replaced, parts, **named), 409, "version_superseded")
    assert deployment.open_uploads(first.key) == []
    assert_kept(alice, first.key, first.content, content)


@pytest.mark.parametrize("size", [SIZE, DIRECT], ids=["by parts", "by one PUT"])
def test_an_upload_in_parts_is_known_as_replaced_by_its_id_alone(alice, first, size):
    replaced = alice.prepare("film.bin", SIZE, asset_id=first.id)
    alice.prepare("second.bin", size, asset_id=first.id)
    promised = [{"PartNumber": number, "ETag": f'"{number:032x}"'} for number in (1, 2, 3)]
    assert_problem(alice.try_complete(replaced, promised), 409, "version_superseded")


def test_parts_are_stitched_though_bytes_of_a_replaced_grant_lie_in_the_way(alice, first):
    """S3 refuses until they are gone, and whoever holds the later grant is never told that it was replaced."""
    content = noise(SIZE)
    replaced = alice.prepare("stray.bin", DIRECT, asset_id=first.id)
    grant = alice.prepare("film.bin", SIZE, asset_id=first.id)
    parts = put_parts(grant, content)

    def stitched() -> bool:
        """the bytes in the way to be gone"""
        answer = alice.try_complete(grant, parts, version=3)
        # 503 while the key is being cleared
        if answer.status_code not in (200, 503):
            assert_problem(answer, 409, {"stale_version", "upload_incomplete"})
        return answer.status_code == 200

    with alice.live() as live:
        put(replaced, noise(DIRECT))
        eventually(stitched)
        asset = live.follow(first.id)[-1]["asset"]
    assert (asset["stage"], asset["version"], asset["sha256"]) == ("done", 3, sha256(content))
    assert_kept(alice, first.key, first.content, content)


# Updates that are refused

def by_its_hash(user, asset_id: str) -> tuple[dict, list[dict]]:
    """Other bytes than were announced: S3 can't tell of an upload in parts, ingest can."""
    grant = user.prepare("bad.bin", SIZE, asset_id=asset_id, sha256=sha256(b"something else"))
    parts = put_parts(grant, noise(SIZE))
    assert user.complete(grant, parts, version=2)["version"] == 1
    return grant, parts


def by_its_size(user, asset_id: str) -> tuple[dict, list[dict]]:
    """More bytes than were granted, stitched without asking `/complete`, which would have refused the part."""
    grant = user.prepare("bad.bin", SIZE, asset_id=asset_id)
    parts = put_parts(grant, noise(SIZE))
    parts[2] = put_part(grant["batch"]["items"][2], noise(2 * MIB))
    user.deployment.s3.complete_multipart_upload(
        Bucket=user.deployment.originals, Key=grant["object_key"], UploadId=grant["upload_id"],
        MultipartUpload={"Parts": parts},
    )
    return grant, parts


@pytest.mark.parametrize(("refused", "code", "steps"), [
    (by_its_hash, "checksum_mismatch", [(1, "uploading"), (1, "processing"), (1, "failed")]),
    (by_its_size, "size_mismatch", [(1, "uploading"), (1, "failed")]),
])
def test_an_update_that_is_refused_leaves_what_was_good(alice, first, refused, code, steps):
    with alice.live() as live:
        grant, parts = refused(alice, first.id)
        told = live.follow(first.id)
    assert update_steps(told) == steps
    for message in told:
        assert apart_from_update(message["asset"]) == apart_from_update(first.document)
    assert all(message["asset"]["poll"] == POLL for message in told[:-1])
    document = assert_shown(alice, first)
    assert (document["update"]["version"], document["update"]["stage"]) == (2, "failed")
    failure = document["update"]["failure"]
    assert (failure["code"], failure["retryable"]) == (code, False)
    assert failure["message"]
    assert (document["failure"], document["poll"]) == (None, None)
    assert_kept(alice, first.key, first.content)
    # Its bytes came: the completion is no error, and says by the document what became of them.
    again = alice.complete(grant, parts, version=2)
    assert (again["version"], again["update"]["failure"]["code"]) == (1, code)
    good = assert_updated(alice, first, 3)
    assert good["failure"] is None


def test_what_an_update_failed_of_is_cleared_away(alice, first):
    with alice.live() as live:
        by_its_hash(alice, first.id)
        live.follow(first.id)
    assert [alice.cancel_update(first.id).status_code for _ in range(2)] == [204] * 2
    document = assert_shown(alice, first)
    assert (document["update"], document["poll"]) == (None, None)
    assert_updated(alice, first, 3)


def test_a_first_version_that_is_refused_is_neither_kept_nor_linked_to(alice):
    with alice.live() as live:
        grant = alice.prepare("bad.bin", SIZE, sha256=sha256(b"something else"))
        alice.complete(grant, put_parts(grant, noise(SIZE)), version=1)
        asset = live.follow(grant["asset_id"])[-1]["asset"]
    assert (asset["stage"], asset["message_status"], asset["failure"]["code"]) == ("failed", "pending", "checksum_mismatch")
    assert (asset["media_url"], asset["update"], asset["poll"]) == (None, None, None)
    eventually(lambda: alice.deployment.object_versions(grant["object_key"]) == [])
    document = update(alice, grant["asset_id"], "good.bin", content := noise(DIRECT))
    assert (document["stage"], document["version"], document["failure"]) == ("done", 2, None)
    assert (document["filename"], document["message_status"]) == ("good.bin", "sent")
    assert_kept(alice, grant["object_key"], content)


# Updates that are called off

def cancelled(user, first, size: int) -> tuple[dict, list[dict] | None]:
    """An update whose parts, if it has some, were sent and which was then called off."""
    grant = user.prepare("second.bin", size, asset_id=first.id)
    parts = put_parts(grant, noise(size)) if grant["mode"] == "multipart" else None
    assert user.asset(first.id)["poll"] == POLL
    assert user.cancel_update(first.id).status_code == 204
    return grant, parts


@pytest.mark.parametrize("size", [SIZE, DIRECT], ids=["by parts", "by one PUT"])
def test_an_update_that_is_called_off_leaves_the_asset_as_it_was(alice, first, size):
    with alice.live() as live:
        grant, parts = cancelled(alice, first, size)
        told = live.follow(first.id)
    assert update_steps(told) == [(1, "uploading"), (1, None)]
    assert alice.cancel_update(first.id).status_code == 204, "a repeat gives the same"
    document = assert_shown(alice, first)
    assert (document["update"], document["poll"]) == (None, None)
    assert alice.deployment.open_uploads(first.key) == []
    for named in ({"version": 2}, {}):
        assert_problem(alice.try_complete(grant, parts, **named), 409, "upload_cancelled")
    assert_shown(alice, first)
    assert_updated(alice, first, 3)
    assert_problem(alice.cancel_update(first.id), 409, "no_update")


def test_bytes_of_an_update_that_was_called_off_are_not_kept(alice, first):
    grant, _ = cancelled(alice, first, DIRECT)
    put(grant, noise(DIRECT))
    assert_kept(alice, first.key, first.content)
    assert_problem(alice.try_complete(grant, version=2), 409, "upload_cancelled")
    assert_shown(alice, first)
    assert_updated(alice, first, 3)


def test_an_update_in_parts_is_called_off_by_its_upload_too(alice, first):
    grant = alice.prepare("film.bin", SIZE, asset_id=first.id)
    assert [alice.cancel(grant).status_code for _ in range(2)] == [204] * 2
    assert alice.deployment.open_uploads(first.key) == []
    assert assert_shown(alice, first)["update"] is None
    assert_updated(alice, first, 3)


def test_an_update_whose_bytes_are_there_is_not_called_off(alice, first):
    content = noise(DIRECT)
    with alice.live() as live:
        grant = alice.prepare("second.bin", len(content), asset_id=first.id)
        put(grant, content)
        # until it was read, whether or not anybody has noticed yet; and then it is none any more
        assert_problem(alice.cancel_update(first.id), 409, {"already_uploaded", "no_update"})
        asset = live.follow(first.id)[-1]["asset"]
    assert (asset["stage"], asset["version"], asset["sha256"]) == ("done", 2, sha256(content))
    assert_problem(alice.cancel_update(first.id), 409, "no_update")
    assert fetch(alice.asset(first.id)["media_url"]).content == content


def test_where_no_update_is_none_is_called_off(alice, first):
    assert_problem(alice.cancel_update(first.id), 409, "no_update")
    under_way = alice.prepare("a.bin", DIRECT)["asset_id"]
    assert_problem(alice.cancel_update(under_way), 409, "no_update")
    assert alice.asset(under_way)["stage"] == "uploading"
    assert_problem(alice.cancel_update(NOBODYS), 404, "asset_not_found")


def test_an_asset_that_has_bytes_is_not_deleted_by_a_cancel(alice, first):
    path = f"/assets/{first.id}"
    assert_problem(alice.request("DELETE", path), 409, "already_uploaded")
    alice.prepare("second.bin", DIRECT, asset_id=first.id)
    assert_problem(alice.request("DELETE", path), 409, "already_uploaded")
    assert assert_shown(alice, first)["update"]["stage"] == "uploading", "nor its update"
    assert alice.cancel_update(first.id).status_code == 204
    assert_problem(alice.request("DELETE", path), 409, "already_uploaded")
    assert_shown(alice, first)


def test_another_users_update_does_not_exist(alice, bob, first):
    def not_found() -> None:
        body = {"filename": "a.bin", "file_size": DIRECT, "asset_id": first.id}
        assert_problem(bob.request("POST", "/prepare", json=body), 404, "asset_not_found")
        assert_problem(bob.cancel_update(first.id), 404, "asset_not_found")
        assert_problem(bob.request("DELETE", f"/assets/{first.id}"), 404, "asset_not_found")

    not_found()
    grant = alice.prepare("film.bin", SIZE, asset_id=first.id)
    not_found()
    parts = put_parts(grant, content := noise(SIZE))
    for named in ({"version": 2}, {}):
        assert_problem(bob.try_complete(grant, parts, **named), 404, "asset_not_found")
    assert_problem(bob.request("GET", upload_path(grant, "/parts")), 404, "upload_not_found")
    assert_problem(bob.cancel(grant), 404, "upload_not_found")
    assert assert_shown(alice, first)["update"]["stage"] == "uploading"
    with alice.live() as live:
        alice.complete(grant, parts, version=2)
        asset = live.follow(first.id)[-1]["asset"]
    assert (asset["version"], asset["sha256"]) == (2, sha256(content))


# Updates to what is there already

def test_an_asset_that_an_update_made_a_copy_is_updated_again_and_again(alice, first):
    content = noise(5000)
    original = alice.send_and_wait("original.bin", content)
    kept = [first.content]
    for version in (2, 5):
        copy = update(alice, first.id, f"copy-{version}.bin", content)
        assert (copy["stage"], copy["version"], copy["failure"]) == ("done", version, None)
        assert (copy["duplicate_of"], copy["filename"]) == (original["asset_id"], f"copy-{version}.bin")
        assert fetch(copy["media_url"]).content == content
        for later in (version + 1, version + 2):
            kept.append(noise(2000 + later))
            asset = update(alice, first.id, f"own-{later}.bin", kept[-1])
            assert (asset["stage"], asset["version"], asset["duplicate_of"]) == ("done", later, None)
            assert fetch(asset["media_url"]).content == kept[-1]
    assert_kept(alice, first.key, *kept)
    assert_kept(alice, original["object_key"], content)


def test_a_copy_keeps_what_it_shows_when_its_original_is_updated(alice, first):
    copy = alice.send_and_wait("copy.bin", first.content)
    assert copy["duplicate_of"] == first.id
    assert_updated(alice, first, 2)
    assert fetch(alice.asset(copy["asset_id"])["media_url"]).content == first.content
    document = update(alice, copy["asset_id"], "own.bin", content := noise(DIRECT))
    assert (document["stage"], document["version"], document["duplicate_of"]) == ("done", 2, None)
    assert fetch(document["media_url"]).content == content
