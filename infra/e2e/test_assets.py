"""Reading, listing, downloading, and calling off."""

import pytest

from checks import CANCELLED, UPLOADING, assert_problem, statuses, without_signatures
from client import eventually, fetch, put, put_part
from media import PART, noise, sample

NAME = "Ferien in Köln \u201c☀\u201d; 100 %.jpg"
NOBODYS = "0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f"


def test_an_asset_under_way_is_read_as_it_stands(alice):
    grant = alice.prepare(NAME, 10, content_type="image/jpeg", message_id="m-1")
    asset = alice.asset(grant["asset_id"])
    assert (asset["stage"], asset["message_status"], asset["processing_status"]) == ("uploading", "pending", "queued")
    assert (asset["filename"], asset["size"], asset["message_id"]) == (NAME, 10, "m-1")
    assert (asset["revision"], asset["progress"], asset["poll"]) == (1, 0, {"after_seconds": 2})
    assert (asset["media_url"], asset["derivatives"], asset["failure"]) == (None, [], None)


# List

def test_a_new_user_has_no_assets(alice):
    assert alice.call("GET", "/assets") == {"assets": [], "next": None}


def test_the_newest_come_first_page_by_page(alice):
    made = [alice.prepare(f"{number}.jpg", 10)["asset_id"] for number in range(5)]
    listed, cursor, pages = [], "", 0
    while True:
        page = alice.call("GET", "/assets", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        assert len(page["assets"]) <= 2
        listed += [asset["asset_id"] for asset in page["assets"]]
        pages += 1
        if not (cursor := page["next"]):
            break
    assert listed == made[::-1]
    assert pages == 3


def test_listing_and_reading_give_the_same_document(alice):
    asset = alice.send_and_wait("a.jpg", sample("astronaut.jpg"))
    [listed] = alice.call("GET", "/assets/")["assets"]
    assert without_signatures(listed) == without_signatures(asset)


def test_two_lists_give_the_same_links(alice):
    """A browser finds in its cache what it loaded by them. One pair of lists may lie on both sides of a new window."""
    alice.send_and_wait("a.jpg", sample("astronaut.jpg"))

    def links() -> list[str]:
        [asset] = alice.call("GET", "/assets")["assets"]
        return [asset["media_url"], *(made["url"] for made in asset["derivatives"])]

    first, second, third = (links() for _ in range(3))
    assert len(first) == 4
    assert first == second or second == third
    fetch(third[1])


@pytest.mark.parametrize("query", [
    {"limit": "0"}, {"limit": "-1"}, {"limit": "many"}, {"limit": "1.5"}, {"limit": ""}, {"limit": "100000"},
    {"cursor": "x"}, {"cursor": "%00"}, {"cursor": "eyJ4IjoxfQ"}, {"cursor": "x" * 3000},
], ids=lambda query: str(query)[:40])
def test_a_page_that_can_not_be_is_refused(alice, query):
    assert_problem(alice.request("GET", "/assets", params=query), 400, "invalid_field")


def test_another_users_cursor_shows_nothing_of_theirs(alice, bob):
    for _ in range(2):
        alice.prepare("a.jpg", 10)
    cursor = alice.call("GET", "/assets", params={"limit": 1})["next"]
    assert_problem(bob.request("GET", "/assets", params={"cursor": cursor}), 400, "invalid_field")


# Download

def test_a_download_saves_the_original_under_its_name(alice):
    content = sample("astronaut.jpg")
    asset = alice.send_and_wait(NAME, content)
    answer = alice.request("GET", f"/assets/{asset['asset_id']}/download")
    assert answer.status_code == 302
    assert answer.headers.get("cache-control") == "no-store"
    saved = fetch(answer.headers["location"])
    assert saved.content == content
    disposition = saved.headers["content-disposition"]
    assert disposition.startswith("attachment;")
    # RFC 6266: any name, percent-encoded as UTF-8.
    assert "filename*=UTF-8''Ferien%20in%20K%C3%B6ln" in disposition


def test_there_is_no_download_before_the_bytes(alice):
    grant = alice.prepare("a.jpg", 10)
    answer = alice.request("GET", f"/assets/{grant['asset_id']}/download")
    assert_problem(answer, 409, "upload_incomplete")


def test_a_copys_download_has_its_own_name(alice):
    content = sample("rocket.jpg")
    alice.send_and_wait("one.jpg", content)
    copy = alice.send_and_wait("two.jpg", content)
    saved = fetch(alice.request("GET", f"/assets/{copy['asset_id']}/download").headers["location"])
    assert saved.content == content
    assert "two.jpg" in saved.headers["content-disposition"]


# Asking again

def test_what_is_known_already_is_not_sent_again(alice):
    done = alice.send_and_wait("photo.jpg", sample("astronaut.jpg"))
    for path in (f"/assets/{done['asset_id']}", "/assets"):
        first = alice.request("GET", path)
        assert "retry-after" not in first.headers
        again = alice.request("GET", path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = alice.request("GET", f"/assets/{done['asset_id']}", headers={"If-None-Match": '"another"'})
    assert (other.status_code, other.json()["asset_id"]) == (200, done["asset_id"])


def test_who_asks_too_early_is_told_when_to_ask_again(alice):
    grant = alice.prepare("a.jpg", 10)
    answer = alice.request("GET", f"/assets/{grant['asset_id']}")
    assert answer.headers["retry-after"] == str(answer.json()["poll"]["after_seconds"])


# Cancel

def test_a_direct_upload_is_called_off(alice):
    with alice.live() as live:
        grant = alice.prepare("a.jpg", 10)
        assert alice.cancel(grant).status_code == 204
        told = live.follow(grant["asset_id"])
    assert statuses(told) == [UPLOADING, CANCELLED]
    assert (told[-1]["asset"]["failure"], told[-1]["asset"]["poll"]) == (None, None), "nobody's fault"
    listed = lambda query: [asset["asset_id"] for asset in alice.call("GET", f"/assets{query}")["assets"]]
    eventually(lambda: grant["asset_id"] in listed("?stage=cancelled") and grant["asset_id"] not in listed(""))
    assert alice.cancel(grant).status_code == 204
    assert_problem(alice.try_complete(grant), 409, "upload_cancelled")


def test_a_multipart_upload_is_called_off_by_its_asset(alice):
    grant = alice.prepare("film.bin", 3 * PART)
    put_part(grant["batch"]["items"][0], noise(PART))
    assert alice.request("DELETE", f"/assets/{grant['asset_id']}").status_code == 204
    assert alice.deployment.open_uploads(grant["object_key"]) == []
    assert alice.asset(grant["asset_id"])["stage"] == "cancelled"


def test_a_cancel_takes_nothing_back_once_the_bytes_are_there(alice):
    content = sample("astronaut.jpg")
    with alice.live() as live:
        grant = alice.prepare("a.jpg", len(content))
        put(grant, content)
        # S3 has it, whether or not anybody has noticed yet.
        assert_problem(alice.cancel(grant), 409, "already_uploaded")
        asset = live.follow(grant["asset_id"])[-1]["asset"]
    assert asset["stage"] == "done"
    assert_problem(alice.cancel(grant), 409, "already_uploaded")
    assert fetch(alice.asset(grant["asset_id"])["media_url"]).content == content


def test_cancelling_what_is_not_there_is_not_found(alice):
    assert_problem(alice.request("DELETE", f"/assets/{NOBODYS}"), 404, "asset_not_found")


# Ids

@pytest.mark.parametrize("suffix", ["", "/download"])
@pytest.mark.parametrize("asset_id", [
    NOBODYS, NOBODYS.upper(), "x", "..%2f..", "%00", "%ff", "users%2Falice", "0" * 300, "{asset_id}", "' OR 1=1",
], ids=lambda text: text[:20])
def test_an_id_that_is_none_is_not_found(alice, asset_id, suffix):
    assert_problem(alice.request("GET", f"/assets/{asset_id}{suffix}"), 404, {"asset_not_found", "no_such_route"})
