"""A photo of 12 megapixels by one PUT: what the client is told, and what becomes of the photo."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from checks import ARRIVED, DONE, RUNNING, UPLOADING, statuses, without_signatures
from client import fetch, put
from media import DIRECT_LIMIT, PHOTO, fitted, opened, sample

# As it is shown: the file holds 3000 × 4000 and an orientation that turns it.
WIDTH, HEIGHT = 4000, 3000
SERIAL = "012345678"
DERIVATIVES = {"thumb": (256, "image/webp"), "preview": (1024, "image/jpeg"), "large": (2048, "image/jpeg")}


@pytest.fixture(scope="module")
def run(user):
    """The photo sent once; the tests look at what came back."""
    alice, content = user("alice"), sample(PHOTO)
    with alice.live() as live:
        grant = alice.prepare(
            "Ferien in Köln ☀.JPG", len(content), content_type="image/jpeg",
            sha256=hashlib.sha256(content).hexdigest(), folder="trips/2026", message_id="m-1",
        )
        put(grant, content)
        completed = alice.complete(grant)
        told = live.follow(grant["asset_id"])
    return SimpleNamespace(
        alice=alice, content=content, grant=grant, completed=completed, told=told, asset=told[-1]["asset"],
        derivatives={made["name"]: made for made in told[-1]["asset"]["derivatives"]},
    )


def test_the_grant_is_one_put_and_all_its_headers(run):
    grant = run.grant
    assert grant["mode"] == "direct"
    assert grant["method"] == "PUT"
    assert grant["version"] == 1
    assert grant["object_key"] == f"users/{run.alice.owner}/trips/2026/{grant['asset_id']}.jpg"
    headers = {name.lower(): value for name, value in grant["headers"].items()}
    assert headers["content-type"] == "image/jpeg"
    assert headers["if-none-match"] == "*"
    assert headers["x-amz-meta-version"] == "1"
    assert headers["x-amz-checksum-sha256"] == base64.b64encode(hashlib.sha256(run.content).digest()).decode()
    assert not {"host", "content-length"} & headers.keys(), "browsers can't set these"


def test_the_url_binds_what_was_granted_and_lives_an_hour(run):
    query = parse_qs(urlsplit(run.grant["url"]).query)
    signed = set(query["X-Amz-SignedHeaders"][0].split(";"))
    assert {"host", "content-length", "content-type", "if-none-match", "x-amz-meta-version"} <= signed
    began = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    lives = timedelta(seconds=int(query["X-Amz-Expires"][0]))
    assert timedelta() < lives <= timedelta(hours=1)
    promised = datetime.fromisoformat(run.grant["expires_at"])
    assert abs(promised - (began + lives)) <= timedelta(seconds=2)


def test_every_stage_is_told_once_and_in_order(run):
    assert statuses(run.told) == [UPLOADING, ARRIVED, RUNNING, DONE]
    assert [message["seq"] for message in run.told] == list(range(1, len(run.told) + 1))
    assert all(message["seq"] == message["asset"]["revision"] for message in run.told)


def test_progress_never_goes_back(run):
    progress = [message["asset"]["progress"] for message in run.told]
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0, 100)


def test_times_never_go_back(run):
    times = [datetime.fromisoformat(message["asset"]["updated_at"]) for message in run.told]
    assert times == sorted(times)
    assert {message["asset"]["created_at"] for message in run.told} == {run.asset["created_at"]}


def test_complete_answers_the_asset_as_it_stands(run):
    assert run.completed["asset_id"] == run.grant["asset_id"]
    assert run.completed["stage"] in ("processing", "done")
    assert run.completed["size"] == len(run.content)


def test_a_waiting_client_is_told_when_to_ask_again_and_at_the_end_never(run):
    for message in run.told[:-1]:
        assert message["asset"]["poll"] == {"after_seconds": 2}
    assert run.asset["poll"] is None


def test_polling_and_pushing_give_the_same_document(run):
    assert without_signatures(run.alice.asset(run.grant["asset_id"])) == without_signatures(run.asset)


def test_the_document_says_what_the_file_is(run):
    asset = run.asset
    assert asset["filename"] == "Ferien in Köln ☀.JPG"
    assert asset["folder"] == f"users/{run.alice.owner}/trips/2026"
    assert (asset["kind"], asset["content_type"]) == ("image", "image/jpeg")
    assert asset["sha256"] == hashlib.sha256(run.content).hexdigest()
    assert asset["message_id"] == "m-1"
    assert (asset["failure"], asset["warnings"], asset["duplicate_of"]) == (None, [], None)


def test_three_derivatives_are_made(run):
    assert run.derivatives.keys() == DERIVATIVES.keys()


@pytest.mark.parametrize("name", DERIVATIVES)
def test_a_derivative_is_what_the_document_says(run, name):
    edge, content_type = DERIVATIVES[name]
    made, answer = run.derivatives[name], fetch(run.derivatives[name]["url"])
    assert made["content_type"] == answer.headers["content-type"] == content_type
    assert made["bytes"] == len(answer.content)
    assert made["version"] == 1
    image = opened(answer.content)
    assert image.get_format_mimetype() == content_type
    assert image.size == (made["width"], made["height"]) == fitted(WIDTH, HEIGHT, edge)


@pytest.mark.parametrize("name", DERIVATIVES)
def test_a_derivative_is_upright(run, name):
    image = opened(fetch(run.derivatives[name]["url"]).content).convert("RGB")
    upright = ImageOps.exif_transpose(opened(run.content)).convert("RGB")
    expected = upright.resize(image.size, Image.Resampling.LANCZOS)
    assert mean_difference(image, expected) < 6
    assert mean_difference(image, expected.rotate(180)) > 12, "the picture tells up from down"


@pytest.mark.parametrize("name", DERIVATIVES)
def test_a_derivative_tells_nothing_of_its_maker(run, name):
    content = fetch(run.derivatives[name]["url"]).content
    assert not opened(content).getexif()
    for trace in (b"Exif", b"EXIF", b"XMP", b"ns.adobe.com", b"Canon", SERIAL.encode()):
        assert trace not in content


def test_a_placeholder_is_there_before_any_derivative(run):
    early = [message["asset"] for message in run.told if not message["asset"]["derivatives"]]
    placeholder = early[-1]["placeholder"]
    assert placeholder == run.asset["placeholder"]
    assert early[-1]["stage"] == "processing"
    assert (early[-1]["width"], early[-1]["height"], early[-1]["cover"]) == (WIDTH, HEIGHT, "pending")


def test_the_placeholder_is_a_thumbhash_of_the_upright_photo(run):
    digest = base64.b64decode(run.asset["placeholder"]["thumbhash"], validate=True)
    assert 5 <= len(digest) <= 25
    header = digest[0] | digest[1] << 8 | digest[2] << 16
    assert digest[4] & 0x80, "landscape"
    # The format's own formulas of the mean colour (https://evanw.github.io/thumbhash/).
    light, yellow, red = (header & 63) / 63, (header >> 6 & 63) / 31.5 - 1, (header >> 12 & 63) / 31.5 - 1
    blue = light - 2 / 3 * yellow
    r = (3 * light - blue + red) / 2
    mean = [max(0, min(1, channel)) * 255 for channel in (r, r - red, blue)]
    expected = ImageStat.Stat(opened(run.content).convert("RGB").resize((100, 75))).mean
    assert all(abs(a - b) < 16 for a, b in zip(mean, expected, strict=True)), (mean, expected)


def test_the_record_keeps_what_the_camera_wrote(run):
    metadata = run.asset["metadata"]
    assert (run.asset["width"], run.asset["height"], run.asset["cover"]) == (WIDTH, HEIGHT, "available")
    assert metadata["original_orientation"] == 6
    assert not metadata.keys() & {"width", "height", "orientation"}, "said once"
    assert "Canon" in metadata["camera_make"]
    assert "EOS R5" in metadata["camera_model"]
    assert (metadata["iso"], metadata["f_number"], metadata["focal_length"]) == (400, 4.0, 50.0)
    assert metadata["taken_at"] == "2025-07-04T10:11:12+02:00"
    assert metadata["description"].startswith("Tasse de café")
    assert metadata["gps"]["latitude"] == pytest.approx(48 + 51 / 60 + 30.24 / 3600, abs=1e-6)
    assert metadata["gps"]["longitude"] == pytest.approx(2 + 17 / 60 + 40.2 / 3600, abs=1e-6)
    assert SERIAL not in str(metadata)


def test_the_original_is_kept_to_the_byte(run):
    answer = fetch(run.asset["media_url"])
    assert answer.content == run.content
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers.get("content-disposition", "inline").startswith("inline")


def test_no_link_is_given_before_the_bytes_are_there(run):
    assert run.told[0]["asset"]["media_url"] is None


def test_ten_mebibytes_are_the_last_that_come_by_one_put(alice):
    assert alice.prepare("a.bin", DIRECT_LIMIT)["mode"] == "direct"
    assert alice.prepare("a.bin", DIRECT_LIMIT + 1)["mode"] == "multipart"


def test_a_trailing_slash_is_the_same_route(alice):
    content = sample("astronaut.jpg")
    grant = alice.call("POST", "/prepare/", 201, json={"filename": "a.jpg", "file_size": len(content)})
    put(grant, content)
    with alice.live() as live:
        alice.call("POST", "/complete/", json={"object_key": grant["object_key"]})
        live.send({"action": "subscribe", "asset_id": grant["asset_id"]})
        live.reach(grant["asset_id"], "done")
    assert alice.call("GET", f"/assets/{grant['asset_id']}/")["stage"] == "done"


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3
