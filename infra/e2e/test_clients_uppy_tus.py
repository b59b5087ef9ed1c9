"""@uppy/tus 6 in a browser, on a page of another origin."""

from client import eventually
from clients.fixtures import arrived, cancelled, only_asset
from media import MIB


def started(open_page, file):
    page = open_page()
    page.start("uppytus")
    page.choose(file)
    page.call("add")
    return page


def assert_sent(outcome, file):
    assert [sent["name"] for sent in outcome["successful"]] == [file.name], outcome
    assert outcome["failed"] == []


def test_a_photo(open_page, alice, line, photo):
    with alice.live() as live:
        assert_sent(started(open_page, photo).call("upload"), photo)
        asset = arrived(live, photo)
    assert asset["folder"] == f"users/{alice.owner}/from-a-page"
    assert line.count("OPTIONS", "/files") > 0, "the browser asked first"


def test_several_chunks(open_page, alice, line, big_photo):
    with alice.live() as live:
        assert_sent(started(open_page, big_photo).call("upload"), big_photo)
        arrived(live, big_photo)
    assert line.count("PATCH") == 3


def test_pause_and_resume(open_page, alice, line, big_photo):
    page = started(open_page, big_photo)
    held = line.hold("PATCH", after_requests=1, after_bytes=MIB)
    with alice.live() as live:
        ended = page.begin("upload")
        held.wait()
        page.call("pause")
        held.drop()
        page.call("resume")
        assert_sent(ended.result(), big_photo)
        arrived(live, big_photo)
    assert line.count("POST", "/files") == 1
    only_asset(alice)


def test_reload_and_resume(open_page, alice, line, two_parts):
    page = started(open_page, two_parts)
    held = line.hold("PATCH", after_requests=1, after_bytes=MIB)
    with alice.live() as live:
        page.begin("upload")
        held.wait()
        page.call("kept")
        page.reload()
        held.drop()
        page.start("uppytus")
        assert_sent(page.call("restore"), two_parts)
        arrived(live, two_parts)
    assert line.count("POST", "/files") == 1
    assert line.count("PATCH") == 2, "the first chunk was kept"
    only_asset(alice)


def test_cancel(open_page, alice, line, big_photo):
    page = started(open_page, big_photo)
    held = line.hold("PATCH", after_requests=1, after_bytes=MIB)
    with alice.live() as live:
        ended = page.begin("upload")
        held.wait()
        page.call("cancel")
        held.drop()
        assert ended.result() == {"cancelled": True}
        cancelled(live, big_photo, alice.deployment)
    eventually(lambda: line.count("DELETE", "/files") == 1)
