"""The same bytes again: one copy is kept, and each asset has a name, a folder and a message of its own."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from checks import DONE, statuses, without_signatures
from client import bare_request, eventually, fetch, put
from media import noise, pdf, sample

PAIRS = 8
# A copy that came while the first was on its way looks again 2 s later. The queue's own delay would be 15.
SECOND_LOOK_WITHIN = 14


# At the same time

def test_of_two_that_are_sent_at_once_one_keeps_the_bytes_and_none_waits_long(alice):
    waits = []
    with alice.live() as live, ThreadPoolExecutor(2) as pool:
        for pair in range(PAIRS):
            content = noise(4000 + pair)
            grants = [alice.prepare(f"{pair}-{which}.bin", len(content)) for which in "ab"]
            began = [datetime.fromisoformat(alice.asset(grant["asset_id"])["created_at"]) for grant in grants]
            list(pool.map(lambda grant: put(grant, content), grants))
            assets = [live.follow(grant["asset_id"])[-1]["asset"] for grant in grants]
            assert [asset["stage"] for asset in assets] == ["done"] * 2
            keepers = [asset for asset in assets if asset["duplicate_of"] is None]
            assert len(keepers) == 1, pair
            [copy] = [asset for asset in assets if asset["duplicate_of"] is not None]
            assert copy["duplicate_of"] == keepers[0]["asset_id"]
            for asset in assets:
                assert fetch(asset["media_url"]).content == content
            eventually(lambda: alice.deployment.object_versions(copy["object_key"]) == [])
            assert len(alice.deployment.object_versions(keepers[0]["object_key"])) == 1
            ended = [datetime.fromisoformat(asset["updated_at"]) for asset in assets]
            waits.append((max(ended) - min(began)).total_seconds())
    assert max(waits) < SECOND_LOOK_WITHIN, waits


# Sent again, by its hash

@pytest.fixture
def first(alice) -> dict:
    """A photo that is done, with a warning of its own: it was announced as another thing."""
    document = alice.send_and_wait(
        "photo.jpg", sample("rocket.jpg"), content_type="application/pdf", folder="trips", message_id="m-1",
    )
    assert (document["stage"], [warning["code"] for warning in document["warnings"]]) == ("done", ["type_mismatch"])
    return document


def hinted(user, first: dict, door: str = "/prepare", **fields) -> dict:
    """What a door answers that is told the hash of the file."""
    wish = {
        "filename": "photo.jpg", "file_size": first["size"], "sha256": first["sha256"], "folder": "trips",
        "message_id": "m-1",
    } | fields
    answer = user.call("POST", door, 201, json={name: value for name, value in wish.items() if value is not None})
    assert answer.keys() == {"mode", "asset"}
    assert answer["mode"] == "existing"
    return answer["asset"]


DOORS = pytest.mark.parametrize("door", ["/prepare", "/s3_signature"])


@DOORS
def test_the_same_file_at_the_same_place_is_the_asset_that_is_there(alice, first, door):
    again = hinted(alice, first, door)
    assert without_signatures(again) == without_signatures(first)
    assert len(alice.call("GET", "/assets")["assets"]) == 1


@DOORS
@pytest.mark.parametrize("fields", [
    {"filename": "Bild.jpg"}, {"folder": "trips/2026"}, {"folder": None}, {"message_id": "m-2"}, {"message_id": None},
    {"filename": "Bild.jpg", "folder": "else", "message_id": "m-3"},
], ids=lambda fields: " ".join(f"{name}={value}" for name, value in fields.items()))
def test_another_name_folder_or_message_is_another_asset_done_at_once(alice, first, door, fields):
    with alice.live() as live:
        copy = hinted(alice, first, door, **fields)
        told = live.follow(copy["asset_id"])
    assert statuses(told) == [DONE], "the message gets its media though not a byte was sent"
    assert copy["asset_id"] != first["asset_id"]
    assert (copy["duplicate_of"], copy["version"]) == (first["asset_id"], 1)
    assert copy["filename"] == fields.get("filename", "photo.jpg")
    folder = fields.get("folder", "trips")
    assert copy["folder"] == "/".join(["users", alice.owner, *([folder] if folder else [])])
    assert copy["message_id"] == fields.get("message_id", "m-1")
    assert (copy["stage"], copy["message_status"], copy["processing_status"]) == DONE
    assert (copy["progress"], copy["failure"], copy["poll"], copy["update"]) == (100, None, None, None)
    assert copy["warnings"] == [], "the other's are of how the other was sent"
    for field in ("kind", "content_type", "size", "sha256", "width", "height", "cover", "placeholder", "metadata"):
        assert copy[field] == first[field], field
    assert [made["name"] for made in copy["derivatives"]] == [made["name"] for made in first["derivatives"]]
    for made, original in zip(copy["derivatives"], first["derivatives"], strict=True):
        assert fetch(made["url"]).content == fetch(original["url"]).content
    assert fetch(copy["media_url"]).content == sample("rocket.jpg")
    assert alice.deployment.object_versions(copy["object_key"]) == []
    again = hinted(alice, first, door, **fields)
    assert without_signatures(again) == without_signatures(alice.asset(copy["asset_id"])), "asked twice, made once"
    assert without_signatures(alice.asset(first["asset_id"])) == without_signatures(first)
    assert len(alice.call("GET", "/assets")["assets"]) == 2


def test_many_that_ask_for_one_place_at_once_get_assets_that_are_all_there(alice, first):
    with ThreadPoolExecutor(4) as pool:
        copies = list(pool.map(lambda _: hinted(alice, first, filename="Bild.jpg"), range(4)))
    for copy in copies:
        assert (copy["stage"], copy["duplicate_of"]) == ("done", first["asset_id"])
        assert alice.asset(copy["asset_id"])["filename"] == "Bild.jpg"
    again = hinted(alice, first, filename="Bild.jpg")
    assert again["asset_id"] in {copy["asset_id"] for copy in copies}


def test_an_asset_made_of_anothers_bytes_is_updated_like_any(alice, first):
    copy = hinted(alice, first, filename="Bild.jpg")
    content = noise(2000)
    with alice.live() as live:
        grant = alice.send("own.bin", content, asset_id=copy["asset_id"])
        asset = live.follow(copy["asset_id"])[-1]["asset"]
    assert (grant["version"], grant["object_key"]) == (2, copy["object_key"])
    assert (asset["stage"], asset["version"], asset["duplicate_of"]) == ("done", 2, None)
    assert fetch(asset["media_url"]).content == content
    other = hinted(alice, first, filename="Bild.jpg")
    assert other["asset_id"] not in (copy["asset_id"], first["asset_id"]), "nothing at this place shows the bytes any more"
    assert fetch(alice.asset(first["asset_id"])["media_url"]).content == sample("rocket.jpg")


def test_anothers_file_is_never_the_original(alice, bob, first):
    grant = bob.prepare("photo.jpg", first["size"], sha256=first["sha256"], folder="trips", message_id="m-1")
    assert grant["mode"] == "direct"


# Sent again, as form data

def sent(user, *files: tuple[str, bytes], **fields) -> list[dict]:
    """The documents of a form's files once the task is over."""
    task = user.call("POST", "/api/v1/assets", files=[("file", file) for file in files], data=fields)

    def over() -> dict | None:
        """the task to end"""
        state = user.call("GET", f"/api/v1/tasks/{task['task_id']}")
        return state if state["poll"] is None else None

    state = eventually(over)
    assert (state["status"], state["refused"]) == ("complete", [])
    return state["assets"]


def test_a_form_follows_the_same_rules(alice):
    content = noise(5000)
    [first] = sent(alice, ("a.bin", content), folder="trips", message_id="m-1")
    [again] = sent(alice, ("a.bin", content), folder="trips", message_id="m-1")
    assert without_signatures(again) == without_signatures(first)
    for name, fields in (
        ("b.bin", {"folder": "trips", "message_id": "m-1"}),
        ("a.bin", {"folder": "else", "message_id": "m-1"}),
        ("a.bin", {"folder": "trips", "message_id": "m-2"}),
        ("a.bin", {"folder": "trips"}),
        ("a.bin", {}),
    ):
        [copy] = sent(alice, (name, content), **fields)
        assert copy["duplicate_of"] == first["asset_id"], fields
        assert (copy["filename"], copy["message_id"]) == (name, fields.get("message_id"))
        assert copy["folder"] == "/".join(["users", alice.owner, *filter(None, [fields.get("folder")])])
        assert (copy["stage"], copy["message_status"], copy["processing_status"]) == DONE
        assert fetch(copy["media_url"]).content == content
        [twice] = sent(alice, (name, content), **fields)
        assert twice["asset_id"] == copy["asset_id"]
    assert len(alice.call("GET", "/assets")["assets"]) == 6
    assert len(alice.deployment.object_versions(first["object_key"])) == 1


def test_a_form_leaves_the_others_warnings_where_they_are(alice):
    content = pdf()
    first = alice.send_and_wait("holiday.jpg", content, content_type="image/jpeg")
    assert [warning["code"] for warning in first["warnings"]] == ["type_mismatch"]
    [copy] = sent(alice, ("paper.pdf", content))
    assert (copy["duplicate_of"], copy["warnings"]) == (first["asset_id"], [])


def test_the_readmes_examples_one_after_the_other(alice):
    """The three calls, then the same photo by `curl -F file=@photo.jpg -F folder=trips`."""
    content = sample("astronaut.jpg")
    with alice.live() as live:
        grant = alice.prepare("photo.jpg", len(content), content_type="image/jpeg")
        answer = bare_request("PUT", grant["url"], data=content, headers=grant["headers"])
        assert answer.status_code == 200
        alice.call("POST", "/complete", json={"object_key": grant["object_key"]})
        first = live.follow(grant["asset_id"])[-1]["asset"]
    [copy] = sent(alice, ("photo.jpg", content), folder="trips")
    assert (copy["duplicate_of"], copy["stage"]) == (first["asset_id"], "done")
    assert (copy["filename"], copy["folder"]) == ("photo.jpg", f"users/{alice.owner}/trips")
    [same] = sent(alice, ("photo.jpg", content), folder="trips")
    assert same["asset_id"] == copy["asset_id"]
    [there] = sent(alice, ("photo.jpg", content))
    assert there["asset_id"] == first["asset_id"]
