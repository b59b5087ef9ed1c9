"""Files over 10 MiB, in parts: all ways to finish, to go on, to get it wrong and to call it off."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from checks import ARRIVED, CANCELLED, DONE, RUNNING, UPLOADING, assert_problem, statuses, without_signatures
from client import eventually, fetch, part_of, put_part, put_parts, try_put_part, upload_path
from media import MIB, PART, big_photo, noise

SIZE = 2 * PART + MIB  # three parts


@pytest.fixture
def content() -> bytes:
    return noise(SIZE)


@pytest.fixture
def grant(alice) -> dict:
    return alice.prepare("film.bin", SIZE)


def test_the_grant_holds_every_part(alice, grant):
    assert grant["mode"] == "multipart"
    assert grant["version"] == 1
    assert (grant["part_size"], grant["num_parts"]) == (PART, 3)
    assert (grant["batch"]["start"], grant["batch"]["count"]) == (1, 3)
    assert [item["part_number"] for item in grant["batch"]["items"]] == [1, 2, 3]
    assert alice.asset(grant["asset_id"])["stage"] == "uploading"


def test_a_photo_in_parts_comes_out_whole_with_previews(alice):
    content = big_photo()
    with alice.live() as live:
        grant = alice.send("big.jpg", content, content_type="image/jpeg")
        told = live.follow(grant["asset_id"])
    asset = told[-1]["asset"]
    assert grant["mode"] == "multipart"
    assert statuses(told) == [UPLOADING, ARRIVED, RUNNING, DONE]
    assert asset["sha256"] == hashlib.sha256(content).hexdigest()
    assert {made["name"] for made in asset["derivatives"]} == {"thumb", "preview", "large"}
    assert fetch(asset["media_url"]).content == content


def test_parts_may_come_in_any_order_and_twice(alice, content):
    with alice.live() as live:
        grant = alice.prepare("film.bin", SIZE)
        items = {item["part_number"]: item for item in grant["batch"]["items"]}
        put_part(items[2], noise(PART))
        parts = {number: put_part(items[number], part_of(grant, content, number)) for number in (3, 1, 2)}
        alice.complete(grant, [parts[number] for number in (1, 2, 3)])
        asset = live.follow(grant["asset_id"])[-1]["asset"]
    assert asset["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("write", [lambda tag: tag.strip('"'), lambda tag: f'"{tag.strip(chr(34))}"'], ids=["bare", "quoted"])
def test_etags_are_taken_with_and_without_quotes(alice, grant, content, write):
    parts = [part | {"ETag": write(part["ETag"])} for part in put_parts(grant, content)]
    assert alice.complete(grant, parts)["asset_id"] == grant["asset_id"]


def test_an_upload_goes_on_after_a_reload(alice, grant, content):
    first = grant["batch"]["items"][0]
    sent = put_part(first, part_of(grant, content, 1))
    have = alice.parts(grant)
    assert have == [{"PartNumber": 1, "ETag": have[0]["ETag"], "Size": PART}]
    assert have[0]["ETag"].strip('"') == sent["ETag"].strip('"')
    # Only object key and upload id were remembered: the missing parts are signed again.
    rest = alice.window(grant, 2, 500)
    assert [item["part_number"] for item in rest["batch"]["items"]] == [2, 3]
    for item in rest["batch"]["items"]:
        put_part(item, part_of(grant, content, item["part_number"]))
    have = alice.parts(grant)
    assert [part["Size"] for part in have] == [PART, PART, MIB]
    done = alice.complete(grant, [{key: part[key] for key in ("PartNumber", "ETag")} for part in have])
    assert done["size"] == SIZE


def test_an_upload_without_parts_lists_none(alice, grant):
    assert alice.parts(grant) == []


def test_a_repeated_completion_gets_the_same_answer(alice, content):
    with alice.live() as live:
        grant = alice.prepare("film.bin", SIZE)
        parts = put_parts(grant, content)
        first = alice.complete(grant, parts)
        second = alice.complete(grant, parts)
        live.follow(grant["asset_id"])
    third = alice.complete(grant, parts)
    assert without_signatures(third) == without_signatures(alice.asset(grant["asset_id"]))
    assert first["asset_id"] == second["asset_id"] == third["asset_id"]
    assert third["stage"] == "done"
    assert len(alice.deployment.object_versions(grant["object_key"])) == 1


def test_two_completions_at_once_both_succeed(alice, content):
    with alice.live() as live:
        grant = alice.prepare("film.bin", SIZE)
        parts = put_parts(grant, content)
        together = threading.Barrier(4)

        def complete(_):
            together.wait()
            return alice.try_complete(grant, parts)

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(complete, range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4, [answer.text for answer in answers]
        told = live.follow(grant["asset_id"])
    assert {answer.json()["asset_id"] for answer in answers} == {grant["asset_id"]}
    assert told[-1]["asset"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert len(alice.deployment.object_versions(grant["object_key"])) == 1


def test_a_completion_whose_stitching_was_done_but_never_recorded_succeeds(alice, grant, content):
    parts = put_parts(grant, content)
    alice.deployment.s3.complete_multipart_upload(
        Bucket=alice.deployment.originals, Key=grant["object_key"], UploadId=grant["upload_id"],
        MultipartUpload={"Parts": parts},
    )
    assert alice.complete(grant, parts)["size"] == SIZE


def test_an_upload_that_s3_lost_is_gone(alice, grant, content):
    parts = put_parts(grant, content)
    alice.deployment.s3.abort_multipart_upload(
        Bucket=alice.deployment.originals, Key=grant["object_key"], UploadId=grant["upload_id"]
    )
    assert_problem(alice.try_complete(grant, parts), 409, "upload_gone")


# Lists that don't describe the upload. Each is refused, and afterwards the right list still works.

def missing(parts):
    return [parts[0], parts[2]]


def empty(_):
    return []


def repeated(parts):
    return [parts[0], parts[1], parts[1], parts[2]]


def out_of_order(parts):
    return [parts[1], parts[0], parts[2]]


def unknown(parts):
    return [*parts, {"PartNumber": 4, "ETag": parts[0]["ETag"]}]


def part_zero(parts):
    return [{"PartNumber": 0, "ETag": parts[0]["ETag"]}, *parts]


def wrong_etag(parts):
    return [parts[0], parts[1] | {"ETag": '"00000000000000000000000000000000"'}, parts[2]]


def swapped_etags(parts):
    return [parts[0] | {"ETag": parts[1]["ETag"]}, parts[1] | {"ETag": parts[0]["ETag"]}, parts[2]]


@pytest.mark.parametrize(("change", "code"), [
    (missing, "parts_missing"), (empty, "parts_missing"), (repeated, "parts_repeated"),
    (out_of_order, "parts_out_of_order"), (unknown, "parts_unknown"), (part_zero, "parts_unknown"),
    (wrong_etag, "part_etag_mismatch"), (swapped_etags, "part_etag_mismatch"),
])
def test_a_wrong_list_is_refused_and_nothing_is_lost(alice, grant, content, change, code):
    parts = put_parts(grant, content)
    assert_problem(alice.try_complete(grant, change(parts)), 400, code)
    assert alice.asset(grant["asset_id"])["stage"] == "uploading"
    assert alice.complete(grant, parts)["size"] == SIZE


def test_a_part_that_never_came_is_missing_until_it_comes(alice, grant, content):
    items = grant["batch"]["items"]
    parts = [put_part(item, part_of(grant, content, item["part_number"])) for item in items[:2]]
    promised = {"PartNumber": 3, "ETag": parts[0]["ETag"]}
    assert_problem(alice.try_complete(grant, [*parts, promised]), 400, "parts_missing")
    third = put_part(items[2], part_of(grant, content, 3))
    assert alice.complete(grant, [*parts, third])["size"] == SIZE


@pytest.mark.parametrize(("number", "size"), [(1, MIB), (2, PART - 1), (2, PART + 1), (3, MIB - 1), (3, MIB + 1)])
def test_a_part_of_another_size_is_refused_until_the_right_one_comes(alice, grant, content, number, size):
    items = grant["batch"]["items"]
    parts = put_parts(grant, content)
    answer = try_put_part(items[number - 1]["url"], noise(size))
    if answer.status_code == 200:  # where the URL doesn't bind the length
        wrong = parts.copy()
        wrong[number - 1] = {"PartNumber": number, "ETag": answer.headers["ETag"]}
        assert_problem(alice.try_complete(grant, wrong), 400, "part_size_mismatch")
        parts[number - 1] = put_part(items[number - 1], part_of(grant, content, number))
    else:
        assert answer.status_code == 403
    assert alice.complete(grant, parts)["size"] == SIZE


def test_completion_before_any_byte_is_refused(alice, grant):
    promised = [{"PartNumber": number, "ETag": f'"{number:032x}"'} for number in (1, 2, 3)]
    assert_problem(alice.try_complete(grant, promised), 400, "parts_missing")


def test_a_multipart_upload_is_completed_with_its_parts(alice, grant, content):
    put_parts(grant, content)
    assert "upload_id" in assert_problem(alice.try_complete(grant), 400, "invalid_field")["detail"]


# Cancel

def test_a_cancel_frees_the_parts_and_ends_the_asset(alice):
    deployment = alice.deployment
    with alice.live() as live:
        grant = alice.prepare("film.bin", SIZE)
        put_part(grant["batch"]["items"][0], noise(PART))
        assert deployment.open_uploads(grant["object_key"]) == [grant["upload_id"]]
        assert alice.cancel(grant).status_code == 204
        told = live.follow(grant["asset_id"])
    assert statuses(told) == [UPLOADING, CANCELLED]
    assert deployment.open_uploads(grant["object_key"]) == []


def test_the_id_of_the_upload_is_enough_to_complete_it(alice, grant, content):
    wish = {"upload_id": grant["upload_id"], "parts": put_parts(grant, content)}
    for _ in range(2):
        document = alice.call("POST", "/complete", json=wish)
        assert document["asset_id"] == grant["asset_id"]
    unknown = alice.request("POST", "/complete", json=wish | {"upload_id": "unknown"})
    assert_problem(unknown, 404, "upload_not_found")


def test_a_cancel_may_be_repeated(alice, grant):
    assert [alice.cancel(grant).status_code for _ in range(3)] == [204] * 3


def test_completion_after_a_cancel_is_refused(alice, grant, content):
    parts = put_parts(grant, content)
    assert alice.cancel(grant).status_code == 204
    assert_problem(alice.try_complete(grant, parts), 409, "upload_cancelled")
    assert alice.asset(grant["asset_id"])["stage"] == "cancelled"
    assert alice.deployment.object_versions(grant["object_key"]) == []


def test_a_part_after_a_cancel_finds_no_upload(alice, grant):
    assert alice.cancel(grant).status_code == 204
    assert try_put_part(grant["batch"]["items"][0]["url"], noise(PART)).status_code == 404


def test_a_cancel_after_completion_destroys_nothing(alice, content):
    with alice.live() as live:
        grant = alice.prepare("film.bin", SIZE)
        alice.complete(grant, put_parts(grant, content))
        assert_problem(alice.cancel(grant), 409, "already_uploaded")
        asset = live.follow(grant["asset_id"])[-1]["asset"]
    assert asset["stage"] == "done"
    assert_problem(alice.cancel(grant), 409, "already_uploaded")
    assert fetch(asset["media_url"]).content == content


def test_a_cancel_and_a_completion_at_once_leave_one_truth(alice, grant, content):
    parts = put_parts(grant, content)
    together = threading.Barrier(2)

    def complete():
        together.wait()
        return alice.try_complete(grant, parts)

    def cancel():
        together.wait()
        return alice.cancel(grant)

    with ThreadPoolExecutor(2) as pool:
        completing, cancelling = pool.submit(complete), pool.submit(cancel)
        completed, cancelled = completing.result(), cancelling.result()

    def ended():
        asset = alice.asset(grant["asset_id"])
        return asset["stage"] in ("done", "failed", "cancelled") and asset

    asset = eventually(ended)
    if asset["stage"] == "done":
        assert completed.status_code == 200
        assert_problem(cancelled, 409, "already_uploaded")
        assert fetch(asset["media_url"]).content == content
    else:
        assert cancelled.status_code == 204
        assert_problem(completed, 409, {"upload_cancelled", "upload_gone"})
        eventually(lambda: alice.deployment.object_versions(grant["object_key"]) == [])


def test_paths_with_a_trailing_slash_are_the_same(alice, grant):
    assert alice.call("GET", upload_path(grant, "/parts/"))["parts"] == []
    assert alice.request("DELETE", upload_path(grant, "/")).status_code == 204
