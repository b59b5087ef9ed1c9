"""Uploads of thousands of parts: URLs come in windows. Nothing is sent but what proves that a URL works."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from checks import assert_problem
from client import put_part, try_put_part, window_request
from media import DIRECT_LIMIT, MIB, PART, noise

BATCH = 500
MAX_PARTS = 10_000
MAX_PART = 5 * 1024 * MIB
MAX_SIZE = MAX_PARTS * MAX_PART


@pytest.fixture(scope="module")
def alice(user):
    return user("alice")


@pytest.fixture(scope="module")
def grant(alice) -> dict:
    """Of 2,000 parts."""
    return alice.prepare("archive.bin", 2000 * PART)


def numbers(window: dict) -> list[int]:
    return [item["part_number"] for item in window["batch"]["items"]]


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_the_first_answer_holds_the_first_500(grant):
    assert (grant["part_size"], grant["num_parts"]) == (PART, 2000)
    assert (grant["batch"]["start"], grant["batch"]["count"]) == (1, BATCH)
    assert numbers(grant) == list(range(1, BATCH + 1))


def test_windows_cover_every_part_once(alice, grant):
    seen = {}
    start = 1
    while start <= grant["num_parts"]:
        window = alice.window(grant, start, BATCH)
        assert window["batch"]["start"] == start
        assert window["batch"]["count"] == len(window["batch"]["items"]) == BATCH
        seen |= {item["part_number"]: item["url"] for item in window["batch"]["items"]}
        start += window["batch"]["count"]
    assert list(seen) == list(range(1, 2001))
    assert len(set(seen.values())) == 2000
    for number, url in seen.items():
        query = query_of(url)
        assert (query["partNumber"], query["uploadId"]) == (str(number), grant["upload_id"])


def test_a_window_has_the_form_of_the_grant(alice, grant):
    window = alice.window(grant, 501, 10)
    for field in ("asset_id", "object_key", "version", "mode", "upload_id", "part_size", "num_parts"):
        assert window[field] == grant[field], field
    assert datetime.fromisoformat(window["expires_at"]) > datetime.now(UTC)


@pytest.mark.parametrize(("start", "count", "expected"), [
    (1, 1, range(1, 2)),
    (2000, 1, range(2000, 2001)),
    (1999, 500, range(1999, 2001)),
    (2000, 500, range(2000, 2001)),
    (700, 500, range(700, 1200)),
    (700, 501, range(700, 1200)),
    (1, 10_000, range(1, 501)),
])
def test_a_window_is_cut_to_the_batch_and_to_the_last_part(alice, grant, start, count, expected):
    window = alice.window(grant, start, count)
    assert numbers(window) == list(expected)
    assert (window["batch"]["start"], window["batch"]["count"]) == (start, len(expected))


@pytest.mark.parametrize(("start", "count"), [
    (0, 1), (-1, 1), (2001, 1), (10_001, 1), (2**64, 1), (1, 0), (1, -1), (1.5, 1), ("1", 1), (1, "1"), (None, 1),
])
def test_a_window_outside_is_refused(alice, grant, start, count):
    answer = alice.request("POST", "/prepare", json=window_request(grant, start, count))
    assert_problem(answer, 400, "invalid_field")


def test_a_part_is_signed_again_and_takes_bytes(alice, grant):
    window = alice.window(grant, 1234, 1)
    first = put_part(window["batch"]["items"][0], noise(PART))
    again = put_part(alice.window(grant, 1234, 1)["batch"]["items"][0], noise(PART))
    assert first["ETag"] != again["ETag"]
    have = alice.parts(grant)
    assert [(part["PartNumber"], part["Size"]) for part in have] == [(1234, PART)]
    assert have[0]["ETag"].strip('"') == again["ETag"].strip('"')


def test_a_url_is_good_for_its_own_part_only(alice, grant):
    url = alice.window(grant, 7, 1)["batch"]["items"][0]["url"]
    moved = url.replace("partNumber=7", "partNumber=8")
    assert moved != url
    assert try_put_part(moved, noise(MIB)).status_code == 403


def test_a_window_of_an_unknown_upload_is_not_found(alice, grant):
    unknown = window_request(grant, 1, 1) | {"upload_id": "bm9uZSBzdWNo"}
    assert_problem(alice.request("POST", "/prepare", json=unknown), 404, "upload_not_found")


def test_a_window_of_a_cancelled_upload_is_not_found(alice):
    grant = alice.prepare("archive.bin", 3 * PART)
    assert alice.cancel(grant).status_code == 204
    assert_problem(alice.request("POST", "/prepare", json=window_request(grant, 1, 1)), 404, "upload_not_found")


# Sizes at their limits ±1

@pytest.mark.parametrize(("size", "part_size", "num_parts"), [
    (DIRECT_LIMIT + 1, PART, 3),
    (MAX_PARTS * PART, PART, MAX_PARTS),
    (MAX_PARTS * PART + 1, 6 * MIB, 8334),
    (MAX_SIZE - 1, MAX_PART, MAX_PARTS),
    (MAX_SIZE, MAX_PART, MAX_PARTS),
])
def test_no_file_needs_more_than_10_000_parts(alice, size, part_size, num_parts):
    grant = alice.prepare("archive.bin", size)
    assert (grant["part_size"], grant["num_parts"]) == (part_size, num_parts)
    assert grant["batch"]["count"] == min(num_parts, BATCH)


@pytest.mark.parametrize("size", [MAX_SIZE + 1, 2**63, 2**64 - 1])
def test_more_than_s3_takes_is_too_large(alice, size):
    answer = alice.request("POST", "/prepare", json={"filename": "archive.bin", "file_size": size})
    assert_problem(answer, 413, "file_too_large")


@pytest.mark.parametrize(("fields", "part_size", "num_parts"), [
    ({"client_part_size": 8 * MIB}, 8 * MIB, 7),
    ({"client_part_size": 1}, PART, 10),
    ({"client_part_size": MAX_PART}, MAX_PART, 1),
    ({"client_num_parts": 5}, 10 * MIB, 5),
    ({"client_num_parts": 10_000}, PART, 10),
    ({"client_num_parts": 1}, 50 * MIB, 1),
    ({"client_part_size": 10 * MIB, "client_num_parts": 5}, 10 * MIB, 5),
])
def test_parts_are_as_the_client_chose_within_what_s3_takes(alice, fields, part_size, num_parts):
    grant = alice.prepare("film.bin", 50 * MIB, **fields)
    assert (grant["part_size"], grant["num_parts"]) == (part_size, num_parts)


@pytest.mark.parametrize("fields", [
    {"client_num_parts": 10_001}, {"client_num_parts": 0}, {"client_num_parts": -1}, {"client_num_parts": "3"},
    {"client_part_size": 0}, {"client_part_size": MAX_PART + 1}, {"client_part_size": -5}, {"client_part_size": 5.5},
    {"client_part_size": 5 * MIB, "client_num_parts": 9},
])
def test_a_choice_that_s3_would_not_take_is_refused(alice, fields):
    answer = alice.request("POST", "/prepare", json={"filename": "film.bin", "file_size": 50 * MIB} | fields)
    assert_problem(answer, 400, "invalid_field")
