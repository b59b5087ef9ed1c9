"""@uppy/aws-s3 in a browser, on a page of another origin: 5.1.0, and 6.3.1 in both of its ways to be signed for."""

import pytest
from client import eventually
from clients.fixtures import arrived, cancelled, only_asset
from media import MIB

# Version 6 by the path that carries a token, and by a function that asks us to sign each request.
CLIENTS = ["uppy5", "uppy6", "uppy6sign"]
S3_PART = "partNumber="

pytestmark = pytest.mark.parametrize("client", CLIENTS)


def started(open_page, client, file):
    page = open_page()
    page.start(client)
    page.choose(file)
    page.call("add")
    return page


def assert_sent(outcome, file):
    assert outcome["failed"] == [], outcome
    [sent] = outcome["successful"]
    assert sent["name"] == file.name
    assert sent["url"].startswith("http")


def test_a_photo_in_one_request(open_page, alice, line, photo, client):
    with alice.live() as live:
        assert_sent(started(open_page, client, photo).call("upload"), photo)
        asset = arrived(live, photo)
    assert asset["content_type"] == "image/jpeg"
    only_asset(alice)


def test_several_parts(open_page, alice, line, big_photo, client):
    with alice.live() as live:
        assert_sent(started(open_page, client, big_photo).call("upload"), big_photo)
        arrived(live, big_photo)
    assert line.count("PUT", S3_PART) == 3
    assert line.count("OPTIONS", S3_PART) > 0, "the browser asked S3 first"
    only_asset(alice)


def test_pause_and_resume(open_page, alice, line, big_photo, client):
    page = started(open_page, client, big_photo)
    held = line.hold("PUT", S3_PART, after_bytes=MIB)
    with alice.live() as live:
        ended = page.begin("upload")
        held.wait()
        page.call("pause")
        held.drop()
        page.call("resume")
        assert_sent(ended.result(), big_photo)
        arrived(live, big_photo)
    only_asset(alice)


def test_a_line_cut_in_mid_part_is_retried(open_page, alice, line, big_photo, client):
    line.cut("PUT", S3_PART, after_requests=1, after_bytes=MIB)
    with alice.live() as live:
        assert_sent(started(open_page, client, big_photo).call("upload"), big_photo)
        arrived(live, big_photo)
    assert line.count("PUT", S3_PART) == 3


def test_reload_and_resume(open_page, alice, line, two_parts, client):
    page = started(open_page, client, two_parts)
    # The second of two: the first is with S3 already, or comes there while this one waits.
    held = line.hold("PUT", "partNumber=2", after_bytes=MIB)
    with alice.live() as live:
        page.begin("upload")
        held.wait()
        eventually(lambda: line.count("PUT", "partNumber=1") == 1)
        page.call("kept")
        page.reload()
        held.drop()
        page.start(client)
        assert_sent(page.call("restore"), two_parts)
        arrived(live, two_parts)
    assert line.count("PUT", "partNumber=1") == 1, "the first part was kept"
    only_asset(alice)


def test_cancel(open_page, alice, line, big_photo, client):
    page = started(open_page, client, big_photo)
    held = line.hold("PUT", S3_PART, after_bytes=MIB)
    with alice.live() as live:
        ended = page.begin("upload")
        held.wait()
        page.call("cancel")
        held.drop()
        assert ended.result() == {"cancelled": True}
        cancelled(live, big_photo, alice.deployment)
    eventually(lambda: line.count("DELETE") == 1)
