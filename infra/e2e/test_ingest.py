"""What becomes of bytes that are there: by S3's event alone, twice, as a duplicate, and when they are broken."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from checks import ARRIVED, DONE, RUNNING, UPLOADING, statuses
from client import eventually, fetch, put, put_parts
from media import MIB, PART, difference, fitted, noise, opened, pdf, sample

NAMES = {"thumb", "preview", "large"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def codes(asset: dict) -> set[str]:
    return {warning["code"] for warning in asset["warnings"]}


def arrive(user, filename: str, content: bytes, **fields) -> list[dict]:
    """Grant and bytes, and nothing after: the client is gone. Answers all that was told."""
    with user.live() as live:
        grant = user.prepare(filename, len(content), **fields)
        put(grant, content)
        return live.follow(grant["asset_id"])


# Events

def test_the_event_alone_brings_it_to_done(alice):
    told = arrive(alice, "a.jpg", sample("astronaut.jpg"))
    assert statuses(told) == [UPLOADING, ARRIVED, RUNNING, DONE]
    assert {made["name"] for made in told[-1]["asset"]["derivatives"]} == NAMES


def test_the_event_alone_ends_a_stitched_multipart_upload(alice):
    """The client vanished right after S3 stitched, before anything was recorded."""
    content = noise(2 * PART + MIB)
    with alice.live() as live:
        grant = alice.prepare("film.bin", len(content))
        alice.deployment.s3.complete_multipart_upload(
            Bucket=alice.deployment.originals, Key=grant["object_key"], UploadId=grant["upload_id"],
            MultipartUpload={"Parts": put_parts(grant, content)},
        )
        asset = live.follow(grant["asset_id"])[-1]["asset"]
    assert (asset["stage"], asset["size"], asset["sha256"]) == ("done", len(content), sha256(content))


def test_completion_may_be_repeated_at_any_time(alice):
    content = sample("astronaut.jpg")
    with alice.live() as live:
        grant = alice.prepare("a.jpg", len(content))
        put(grant, content)
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda _: alice.try_complete(grant), range(3)))
        told = live.follow(grant["asset_id"])
    assert [answer.status_code for answer in answers] == [200] * 3, [answer.text for answer in answers]
    assert statuses(told) == [UPLOADING, ARRIVED, RUNNING, DONE]
    after = alice.complete(grant)
    assert (after["stage"], after["revision"]) == ("done", told[-1]["seq"]), "nothing new was said, so nothing changed"


# Duplicates and instant uploads

def test_a_second_copy_is_done_at_once_and_its_bytes_are_not_kept_twice(alice):
    content = sample("rocket.jpg")
    first = alice.send_and_wait("one.jpg", content)
    told = arrive(alice, "two.jpg", content, message_id="m-2")
    copy = told[-1]["asset"]
    assert copy["stage"] == "done"
    assert copy["duplicate_of"] == first["asset_id"]
    assert (copy["filename"], copy["message_id"]) == ("two.jpg", "m-2")
    assert (copy["sha256"], copy["placeholder"]) == (first["sha256"], first["placeholder"])
    for made, original in zip(copy["derivatives"], first["derivatives"], strict=True):
        assert fetch(made["url"]).content == fetch(original["url"]).content
    assert fetch(copy["media_url"]).content == content
    eventually(lambda: alice.deployment.object_versions(copy["object_key"]) == [])
    assert len(alice.deployment.object_versions(first["object_key"])) == 1


def test_a_completed_second_copy_is_the_same(alice):
    content = sample("chelsea.webp")
    first = alice.send_and_wait("one.webp", content)
    copy = alice.send_and_wait("two.webp", content)
    assert (copy["stage"], copy["duplicate_of"]) == ("done", first["asset_id"])
    assert len(copy["derivatives"]) == 3


def test_copies_sent_at_once_all_end_with_previews(alice):
    """Whoever comes while the first is still on its way waits for it a little, and leans on it then."""
    content = sample("astronaut-grey.jpg")
    with alice.live() as live:
        grants = [alice.prepare(f"{number}.jpg", len(content)) for number in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda grant: put(grant, content), grants))
        assets = [live.follow(grant["asset_id"])[-1]["asset"] for grant in grants]
    assert {asset["stage"] for asset in assets} == {"done"}
    for asset in assets:
        assert {made["name"] for made in asset["derivatives"]} == NAMES
        assert fetch(asset["media_url"]).content == content
    [keeper] = [asset["asset_id"] for asset in assets if asset["duplicate_of"] is None]
    assert {asset["duplicate_of"] for asset in assets} == {keeper, None}
    for asset in assets:
        kept = asset["asset_id"] == keeper
        eventually(lambda key=asset["object_key"], kept=kept: len(alice.deployment.object_versions(key)) == kept)
    again = alice.send_and_wait("again.jpg", content)
    assert again["duplicate_of"] == keeper


def test_the_same_bytes_of_two_users_are_two_files(alice, bob):
    content = sample("rocket.jpg")
    assets = [user.send_and_wait("a.jpg", content) for user in (alice, bob)]
    assert [asset["duplicate_of"] for asset in assets] == [None, None]
    for user, asset in zip((alice, bob), assets, strict=True):
        assert len(user.deployment.object_versions(asset["object_key"])) == 1


def test_what_is_there_already_needs_no_upload(alice):
    content = sample("astronaut.jpg")
    first = alice.send_and_wait("a.jpg", content)
    answer = alice.prepare("a.jpg", len(content), sha256=sha256(content))
    assert answer["mode"] == "existing"
    assert answer["asset"]["asset_id"] == first["asset_id"]
    assert answer["asset"]["stage"] == "done"
    assert len(answer["asset"]["derivatives"]) == 3


def test_what_is_not_there_is_uploaded_even_with_its_hash(alice):
    content = sample("astronaut.jpg")
    assert alice.prepare("a.jpg", len(content), sha256=sha256(content))["mode"] == "direct"
    assert alice.prepare("a.jpg", len(content), sha256=sha256(content))["mode"] == "direct", "a grant is no file"


def test_an_instant_upload_of_another_size_is_none(alice):
    content = sample("astronaut.jpg")
    alice.send_and_wait("a.jpg", content)
    assert alice.prepare("a.jpg", len(content) + 1, sha256=sha256(content))["mode"] == "direct"


# Kinds of files

@pytest.mark.parametrize(("name", "content_type", "size", "moves"), [
    ("astronaut-progressive.jpg", "image/jpeg", (512, 512), False),
    ("astronaut-cmyk.jpg", "image/jpeg", (512, 512), False),
    ("chelsea.png", "image/png", (451, 300), False),
    ("chelsea-alpha.png", "image/png", (451, 300), False),
    ("chelsea-palette.png", "image/png", (451, 300), False),
    ("moon-16bit-grey.png", "image/png", (512, 512), False),
    ("chelsea.webp", "image/webp", (451, 300), False),
    ("pan.gif", "image/gif", (240, 240), True),
    ("pan.webp", "image/webp", (240, 240), True),
    ("chelsea.tif", "image/tiff", (451, 300), False),
    ("chelsea.bmp", "image/bmp", (451, 300), False),
    ("rocket.heic", "image/heic", (640, 427), False),
    ("rocket.avif", "image/avif", (640, 427), False),
])
def test_images_of_every_kind_get_derivatives(alice, name, content_type, size, moves):
    asset = alice.send_and_wait(name, sample(name), content_type="application/octet-stream")
    assert (asset["stage"], asset["failure"]) == ("done", None)
    assert (asset["kind"], asset["content_type"]) == ("image", content_type)
    assert (asset["width"], asset["height"], asset["cover"]) == (*size, "available")
    assert asset["placeholder"]["thumbhash"]
    made = {made["name"]: opened(fetch(made["url"]).content) for made in asset["derivatives"]}
    assert {name: image.size for name, image in made.items()} == {
        "thumb": fitted(*size, 256), "preview": fitted(*size, 1024), "large": fitted(*size, 2048)
    }
    assert (getattr(made["thumb"], "n_frames", 1) > 1) == moves


@pytest.mark.parametrize(("name", "same"), [
    ("chelsea.tif", "chelsea.png"), ("chelsea.bmp", "chelsea.png"), ("chelsea.webp", "chelsea.png"),
    ("chelsea-palette.png", "chelsea.png"), ("rocket.heic", "rocket.avif"), ("rocket.avif", "rocket.avif"),
    ("astronaut-progressive.jpg", "astronaut.jpg"), ("astronaut-cmyk.jpg", "astronaut.jpg"),
])
def test_a_picture_looks_the_same_from_every_format(alice, name, same):
    asset = alice.send_and_wait(name, sample(name))
    large = next(made for made in asset["derivatives"] if made["name"] == "large")
    assert difference(fetch(large["url"]).content, sample(same)) < 6


def test_a_drawing_is_drawn_and_nothing_in_it_is_run_or_fetched(alice):
    drawing = alice.send_and_wait("drawing.svg", sample("drawing.svg"))
    assert (drawing["stage"], drawing["content_type"]) == ("done", "image/svg+xml")
    made = {made["name"]: opened(fetch(made["url"]).content).convert("RGB") for made in drawing["derivatives"]}
    assert made["thumb"].size == (256, 128)
    red, green, blue = made["thumb"].getpixel((64, 64))
    assert red > 180 and green < 80 and blue < 80, "the circle"
    hostile = alice.send_and_wait("hostile.svg", sample("hostile-script.svg"))
    assert hostile["stage"] == "done"
    entities = alice.send_and_wait("laughs.svg", sample("hostile-billion-laughs.svg"))
    assert (entities["stage"], entities["derivatives"]) == ("done", []), "shown by the original, with a warning"
    assert codes(entities) & {"corrupt_image", "unsupported_image"}


def test_a_transparent_image_stays_so_where_the_format_can(alice):
    asset = alice.send_and_wait("a.png", sample("chelsea-alpha.png"))
    thumb = next(made for made in asset["derivatives"] if made["name"] == "thumb")
    assert opened(fetch(thumb["url"]).content).convert("RGBA").getextrema()[3][0] < 255


def test_an_empty_file_is_a_finished_asset(alice):
    told = arrive(alice, "empty.txt", b"")
    asset = told[-1]["asset"]
    assert (asset["stage"], asset["size"], asset["failure"]) == ("done", 0, None)
    assert asset["sha256"] == sha256(b"")
    assert asset["derivatives"] == []
    assert fetch(asset["media_url"]).content == b""


def test_an_empty_file_can_be_completed(alice):
    assert alice.send_and_wait("empty", b"")["stage"] == "done"


def test_a_file_of_no_known_kind_is_kept_as_it_is(alice):
    content = noise(3000)
    asset = alice.send_and_wait("thing.xyz", content)
    assert (asset["stage"], asset["kind"], asset["derivatives"]) == ("done", "other", [])
    assert fetch(asset["media_url"]).content == content


def test_a_pdf_named_jpg_is_a_pdf(alice):
    content = pdf()
    asset = alice.send_and_wait("holiday.jpg", content, content_type="image/jpeg")
    assert (asset["stage"], asset["failure"]) == ("done", None)
    assert (asset["kind"], asset["content_type"]) == ("document", "application/pdf")
    assert (asset["filename"], asset["derivatives"]) == ("holiday.jpg", [])
    assert codes(asset) == {"type_mismatch"}
    answer = fetch(asset["media_url"])
    assert answer.content == content
    assert answer.headers["content-type"] == "application/pdf"


def test_a_page_with_script_is_never_served_as_a_page(alice):
    content = b"<!doctype html><script>alert(1)</script>"
    for declared in ("image/jpeg", "text/html"):
        asset = alice.send_and_wait("photo.jpg", content, content_type=declared)
        answer = fetch(asset["media_url"])
        assert asset["content_type"] == "text/html"
        assert answer.headers["content-disposition"].startswith("attachment")


# Broken files: previews are best effort. The original is kept and shown, the reason is told as a warning.

def assert_shown_by_its_original(asset: dict, content: bytes, *reasons: str) -> str:
    """A file of which no preview can be made is done without one; answers what its user is told."""
    assert (asset["stage"], asset["message_status"], asset["processing_status"]) == DONE
    assert (asset["failure"], asset["poll"], asset["progress"]) == (None, None, 100)
    assert asset["derivatives"] == []
    [warning] = asset["warnings"]
    assert warning["code"] in reasons
    assert fetch(asset["media_url"]).content == content
    return warning["message"]


def test_a_truncated_photo_shows_what_is_left(alice):
    content = sample("truncated.jpg")
    asset = alice.send_and_wait("a.jpg", content, content_type="image/jpeg")
    assert asset["stage"] == "done"
    assert "truncated" in codes(asset)
    assert {made["name"] for made in asset["derivatives"]} == NAMES
    assert fetch(asset["media_url"]).content == content


def test_a_damaged_photo_says_so(alice):
    content = sample("corrupt-middle.jpg")
    asset = alice.send_and_wait("a.jpg", content, content_type="image/jpeg")
    assert asset["stage"] == "done"
    assert "corrupt_data" in codes(asset)
    assert fetch(asset["media_url"]).content == content


def test_a_photo_of_which_only_the_first_bytes_are_there_is_shown_by_its_original(alice):
    content = sample("astronaut.jpg")[:100]
    told = arrive(alice, "a.jpg", content, content_type="image/jpeg", message_id="m-1")
    assert statuses(told) == [UPLOADING, ARRIVED, RUNNING, DONE]
    assert assert_shown_by_its_original(told[-1]["asset"], content, "corrupt_image")


@pytest.mark.parametrize(("content_type", "content"), [
    ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(100)), ("image/gif", b"GIF89a"),
    ("image/webp", b"RIFF\x70\0\0\0WEBPVP8 " + bytes(100)),
], ids=["png", "gif", "webp"])
def test_a_picture_that_is_nothing_but_its_signature_is_shown_by_its_original(alice, content_type, content):
    asset = alice.send_and_wait("a", content, content_type=content_type)
    assert (asset["kind"], asset["content_type"]) == ("image", content_type)
    assert assert_shown_by_its_original(asset, content, "corrupt_image", "unsupported_image")


def test_a_good_version_is_followed_by_one_without_previews(alice):
    """What can't be converted was taken all the same: it is what the asset shows, with none of the old previews."""
    first = alice.send_and_wait("a.jpg", sample("astronaut.jpg"))
    content = sample("rocket.jpg")[:100]
    asset = alice.send_and_wait("b.jpg", content, content_type="image/jpeg", asset_id=first["asset_id"])
    assert (asset["version"], asset["update"], asset["filename"]) == (2, None, "b.jpg")
    assert_shown_by_its_original(asset, content, "corrupt_image")


def test_a_bomb_is_kept_with_the_reason_why_it_has_no_previews(alice):
    content = sample("bomb-900mp.png")
    told = arrive(alice, "bomb.png", content, content_type="image/png")
    asset = told[-1]["asset"]
    assert statuses(told) == [UPLOADING, ARRIVED, RUNNING, DONE]
    reason = assert_shown_by_its_original(asset, content, "too_many_pixels")
    assert "900000000" in reason.replace(",", "").replace(".", "")
    # The worker lives: the next picture is made as if nothing had been.
    assert alice.send_and_wait("a.jpg", sample("astronaut.jpg"))["stage"] == "done"
