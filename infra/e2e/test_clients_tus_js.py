"""tus-js-client 4.3.1 in Node, as its documentation uses it: over a line that breaks where a test says."""

import pytest
from client import eventually, fetch
from clients.fixtures import announced, arrived, cancelled, only_asset
from media import MIB, noise

CHUNK = 4 * MIB


@pytest.fixture
def upload(driver, alice, line, tmp_path, request):
    """Begins an upload of a file; keywords are options of the client."""
    storage = str(tmp_path / "uploads.json")

    def begin(file, name="upload", resume=False, metadata=None, **options):
        return driver.begin(
            "tus", name=f"{request.node.nodeid} {name}", file=str(file), storage=storage, resume=resume, options={
                "endpoint": line.through(f"{alice.deployment.http}/files"),
                "headers": {"Authorization": f"Bearer {alice.deployment.token(alice.owner)}"},
                "chunkSize": CHUNK,
                "retryDelays": [0, 100, 200, 400],
                "metadata": {"filename": file.name, "filetype": "image/jpeg", "folder": "tus"} | (metadata or {}),
            } | options,
        )

    def abort(name="upload", terminate=False):
        driver.call("tusAbort", name=f"{request.node.nodeid} {name}", terminate=terminate)

    begin.abort = abort
    return begin


def test_one_stream_in_chunks(upload, alice, line, big_photo):
    with alice.live() as live:
        upload(big_photo).result()
        asset = arrived(live, big_photo)
    assert line.count("PATCH") == 3
    assert asset["folder"] == f"users/{alice.owner}/tus"
    assert asset["content_type"] == "image/jpeg"


def test_a_small_photo_in_one_chunk(upload, alice, photo):
    with alice.live() as live:
        upload(photo).result()
        arrived(live, photo)


def test_an_abort_in_mid_chunk_is_resumed_later(upload, alice, line, big_photo):
    held = line.hold("PATCH", after_requests=1, after_bytes=MIB)
    with alice.live() as live:
        first = upload(big_photo)
        held.wait()
        upload.abort()
        assert first.result()["aborted"]
        held.drop()
        sent = line.count("PATCH")
        resumed = upload(big_photo, "again", resume=True).result()
        assert resumed["url"] == first.result()["url"]
        arrived(live, big_photo)
    assert line.count("POST") == 1
    assert line.count("PATCH") - sent == 2, "the first chunk was kept"
    only_asset(alice)


def test_a_line_cut_in_mid_chunk_is_retried(upload, alice, line, big_photo):
    line.cut("PATCH", after_requests=1, after_bytes=MIB)
    with alice.live() as live:
        upload(big_photo).result()
        arrived(live, big_photo)
    assert line.count("POST") == 1
    assert line.count("HEAD") == 1


def test_a_chunk_whose_answer_is_lost_counts(upload, alice, line, big_photo):
    lost = line.lose_answer("PATCH", after_requests=1)
    with alice.live() as live:
        upload(big_photo).result()
        arrived(live, big_photo)
    assert lost.reached.is_set()
    assert line.count("PATCH") == 2, "the chunk whose answer was lost isn't sent again"


def test_the_last_chunk_whose_answer_is_lost_counts(upload, alice, line, big_photo):
    line.lose_answer("PATCH", after_requests=2)
    with alice.live() as live:
        upload(big_photo).result()
        arrived(live, big_photo)
    only_asset(alice)


def test_three_parts_at_once(upload, alice, line, big_photo):
    with alice.live() as live:
        upload(big_photo, parallelUploads=3).result()
        asset = arrived(live, big_photo)
    assert line.count("POST") == 4
    assert asset["filename"] == big_photo.name
    only_asset(alice)


def test_small_parts_at_once(upload, alice, photo):
    """Each far below the smallest part that S3 takes."""
    with alice.live() as live:
        upload(photo, parallelUploads=3).result()
        arrived(live, photo)


def test_the_first_chunk_with_the_creation(upload, alice, line, big_photo):
    with alice.live() as live:
        upload(big_photo, uploadDataDuringCreation=True).result()
        arrived(live, big_photo)
    assert (line.count("POST"), line.count("PATCH")) == (1, 2)


def test_all_with_the_creation(upload, alice, line, photo):
    with alice.live() as live:
        upload(photo, uploadDataDuringCreation=True).result()
        arrived(live, photo)
    assert (line.count("POST"), line.count("PATCH")) == (1, 0)


def test_the_successor_of_the_protocol(upload, alice, line, big_photo):
    """As far as this client knows the draft."""
    with alice.live() as live:
        upload(big_photo, protocol="ietf-draft-05").result()
        asset = live.until(lambda message: message["type"] == "asset" and message["asset"]["stage"] == "done")["asset"]
    assert fetch(asset["media_url"]).content == big_photo.read_bytes()
    assert line.count("PATCH") == 3


def test_posts_in_place_of_patches(upload, alice, line, photo):
    with alice.live() as live:
        upload(photo, overridePatchMethod=True).result()
        arrived(live, photo)
    assert (line.count("POST"), line.count("PATCH")) == (2, 0)


def test_an_upload_that_is_terminated_leaves_nothing(upload, alice, line, big_photo):
    held = line.hold("PATCH", after_requests=1, after_bytes=MIB)
    with alice.live() as live:
        first = upload(big_photo)
        held.wait()
        upload.abort(terminate=True)
        held.drop()
        first.result()
        cancelled(live, big_photo, alice.deployment)
    eventually(lambda: line.count("DELETE") == 1)


def test_a_file_that_is_no_picture(upload, alice, tmp_path):
    file = tmp_path / "daten.bin"
    file.write_bytes(noise(5 * MIB + 1))
    with alice.live() as live:
        upload(file, metadata={"filetype": "application/octet-stream"}).result()
        asset = live.reach(announced(live, file), "done")
    assert asset["size"] == 5 * MIB + 1
    assert asset["derivatives"] == []


# Upload jobs: the job's token stands in the metadata, and no other is sent

def test_an_upload_job(upload, alice, line, big_photo):
    wish = {"id": "job-1", "filename": big_photo.name, "filesize": big_photo.stat().st_size, "filetype": "image/jpeg"}
    with alice.live() as live:
        job = alice.call("POST", "/uploadjobs", 201, json=wish)
        upload(
            big_photo, headers={}, endpoint=line.through(alice.deployment.http + job["location"]),
            metadata={"upload_request_id": job["request_id"], "token": job["upload_token"]},
        ).result()
        arrived(live, big_photo)
        ended = next(
            (message for message in live.messages if _ended(message, job)), None,
        ) or live.until(lambda message: _ended(message, job))
    assert ended["job"]["progress"] == 100
    asset = only_asset(alice)
    assert ended["job"]["asset_id"] == asset["asset_id"]
    [listed] = alice.call("GET", "/uploadjobs")["jobs"]
    assert listed["status"] == "completed"


def _ended(message: dict, job: dict) -> bool:
    return message["type"] == "upload_job" and message["job"]["request_id"] == job["request_id"] \
        and message["job"]["status"] == "completed"
