"""Upload jobs: announced, followed by tus to their end, called off once, and told at every step."""

import base64
from urllib.parse import quote, urljoin

import pytest
import requests

from checks import assert_problem
from media import MIB, noise

TUS = {"Tus-Resumable": "1.0.0"}


def announced(user, size: int = 10 * MIB, job_id: str = "job 1", **fields) -> dict:
    wish = {"id": job_id, "filename": "film.bin", "filesize": size, "filetype": "application/x-thing"}
    return user.call("POST", "/uploadjobs", 201, json=wish | fields)


def metadata(job: dict) -> str:
    fields = {"upload_request_id": job["request_id"], "token": job["upload_token"], "filename": job["filename"]}
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in fields.items())


def begun(user, job: dict, size: int) -> str:
    """The URL of the job's upload, opened by its token alone."""
    endpoint = user.deployment.http + job["location"]
    headers = TUS | {"Upload-Length": str(size), "Upload-Metadata": metadata(job)}
    answer = requests.post(endpoint, headers=headers, timeout=60)
    assert answer.status_code == 201, answer.text
    return urljoin(endpoint, answer.headers["Location"])


def sent(url: str, offset: int, content: bytes) -> None:
    headers = TUS | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    answer = requests.patch(url, headers=headers, data=content, timeout=60)
    assert answer.status_code == 204, answer.text


def told(live, job_id: str) -> list[dict]:
    return [m["job"] for m in live.messages if m["type"] == "upload_job" and m["job"]["request_id"] == job_id]


def reached(live, status: str) -> dict:
    return live.until(lambda message: message["type"] == "upload_job" and message["job"]["status"] == status)["job"]


@pytest.mark.parametrize("job_id", ["a/b", "/", ".", ".."])
def test_an_id_that_no_path_can_name_is_refused(alice, job_id):
    wish = {"id": job_id, "filename": "film.bin", "filesize": 1}
    assert_problem(alice.request("POST", "/uploadjobs", json=wish), 400, "invalid_field")


def jobs(user) -> dict[str, dict]:
    return {job["request_id"]: job for job in user.call("GET", "/uploadjobs")["jobs"]}


def test_every_step_is_recorded_and_told(alice):
    content = noise(10 * MIB)
    with alice.live() as live:
        job = announced(alice, album="summer")
        assert job.keys() >= {"request_id", "upload_token", "filename", "size", "location", "expires_at"}
        assert "job 1" not in job["upload_token"], "the token tells nothing of the job"
        reached(live, "queued")
        url = begun(alice, job, len(content))
        for offset in range(0, len(content), 4 * MIB):
            sent(url, offset, content[offset:offset + 4 * MIB])
        done = reached(live, "completed")
        asset = live.reach(done["asset_id"], "done")
        steps = told(live, "job 1")
    assert (asset["upload_job"], asset["custom"]) == ("job 1", {"album": "summer"})
    assert (asset["size"], asset["filename"]) == (len(content), "film.bin")
    assert done["custom"] == done["metadata"] == {"album": "summer"}
    assert done["content_type"] == done["type"]
    assert [step["revision"] for step in steps] == sorted({step["revision"] for step in steps})
    progress = [step["progress"] for step in steps if step["status"] == "uploading"]
    assert progress == sorted(progress)
    assert progress[-1] >= 40, progress
    assert jobs(alice)["job 1"] == done, "HTTP and WebSocket tell the same"
    assert all("token" not in key for step in steps for key in step)


def test_an_empty_file_is_a_job_too(alice):
    with alice.live() as live:
        job = announced(alice, size=0)
        begun(alice, job, 0)
        assert reached(live, "completed")["progress"] == 100


def test_a_job_is_called_off_once(alice):
    with alice.live() as live:
        job = announced(alice)
        url = begun(alice, job, 10 * MIB)
        sent(url, 0, noise(MIB))
        for _ in range(2):
            assert alice.request("DELETE", f"/uploadjobs/{quote(job['request_id'])}").status_code == 204
        reached(live, "cancelled")
        other = announced(alice, job_id="job 2")
        live.until(lambda message: message["type"] == "upload_job" and message["job"]["request_id"] == "job 2")
        assert [step["status"] for step in told(live, "job 1")].count("cancelled") == 1
    headers = TUS | {"Upload-Offset": str(MIB), "Content-Type": "application/offset+octet-stream"}
    assert requests.patch(url, headers=headers, data=noise(10), timeout=60).status_code in (404, 410)
    assert other["upload_token"] != job["upload_token"]


def test_an_upload_that_its_client_terminates_is_a_job_called_off(alice):
    with alice.live() as live:
        job = announced(alice)
        url = begun(alice, job, 10 * MIB)
        sent(url, 0, noise(MIB))
        assert requests.delete(url, headers=TUS, timeout=60).status_code == 204
        assert reached(live, "cancelled")["request_id"] == "job 1"


def test_a_finished_job_stays(alice):
    with alice.live() as live:
        job = announced(alice, size=10)
        sent(begun(alice, job, 10), 0, noise(10))
        reached(live, "completed")
    assert_problem(alice.request("DELETE", "/uploadjobs/job%201"), 409, "already_completed")
    assert jobs(alice)["job 1"]["status"] == "completed"


def test_ids_are_unique_for_each_caller(alice, bob):
    announced(alice)
    wish = {"id": "job 1", "filename": "a", "filesize": 1}
    assert_problem(alice.request("POST", "/uploadjobs", json=wish), 409, "job_exists")
    announced(bob)
    assert_problem(bob.request("DELETE", "/uploadjobs/nobody"), 404, "job_not_found")
    assert jobs(alice).keys() == jobs(bob).keys() == {"job 1"}


def test_a_list_goes_page_by_page(alice):
    for number in range(5):
        announced(alice, job_id=f"job {number}")
    seen, cursor = [], None
    while True:
        page = alice.call("GET", "/uploadjobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        seen += [job["request_id"] for job in page["jobs"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(seen) == [f"job {number}" for number in range(5)]


@pytest.mark.parametrize("changes", [
    {"id": None}, {"id": ""}, {"id": "x" * 2000}, {"filename": None}, {"filename": "../x"},
    {"filesize": -1}, {"filesize": "ten"}, {"folder": "users/somebody"}, {"filesize": 1 << 60},
])
def test_bad_wishes_are_refused(alice, changes):
    wish = {"id": "a", "filename": "a.bin", "filesize": 1} | changes
    answer = alice.request("POST", "/uploadjobs", json={key: value for key, value in wish.items() if value is not None})
    assert answer.status_code in (400, 403, 413), answer.text
    assert answer.json()["code"] in ("invalid_field", "invalid_filename", "folder_forbidden", "file_too_large")
    assert jobs(alice) == {}
