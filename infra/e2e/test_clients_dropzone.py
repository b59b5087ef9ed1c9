"""Dropzone in a browser: a form that S3 takes, with what POST /s3_signature signed."""

from clients.fixtures import arrived, only_asset


def dropped(open_page, file, **fields):
    page = open_page()
    page.start("dropzone", fields=fields)
    page.choose(file)
    return page.call("drop")


def test_a_photo(open_page, alice, line, photo):
    with alice.live() as live:
        sent = dropped(open_page, photo, folder="from-a-form", message_id="m-1")
        assert sent["status"] == "success", sent
        asset = arrived(live, photo)
    assert asset["asset_id"] == sent["asset_id"]
    assert asset["folder"] == f"users/{alice.owner}/from-a-form"
    assert asset["message_id"] == "m-1"
    assert sent["etag"], "S3 lets the page read it"
    assert asset["object_key"].rpartition("/")[2] in sent["location"]
    assert line.count("OPTIONS", "/s3_signature") == 1, "the browser asked first"
    only_asset(alice)


def test_a_big_photo(open_page, alice, big_photo):
    with alice.live() as live:
        assert dropped(open_page, big_photo)["status"] == "success"
        arrived(live, big_photo)


def test_a_new_version_of_an_asset(open_page, alice, photo, two_parts):
    with alice.live() as live:
        first = dropped(open_page, photo)
        arrived(live, photo)
        second = dropped(open_page, two_parts, asset_id=first["asset_id"])
        assert second["status"] == "success", second
        asset = live.until(
            lambda message: message["type"] == "asset" and message["asset"]["version"] == 2
            and message["asset"]["stage"] == "done",
        )["asset"]
    assert (asset["asset_id"], asset["size"]) == (first["asset_id"], two_parts.stat().st_size)
    assert {made["version"] for made in asset["derivatives"]} == {2}
