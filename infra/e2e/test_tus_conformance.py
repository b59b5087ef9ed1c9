"""Our tus server keeps the whole of the conformance suite: nothing is skipped, and a “should” is a must."""

import base64
import hashlib
from itertools import pairwise
from urllib.parse import urljoin

import conformance
import jwt
import pytest
from client import bare_request, eventually, fetch
from media import MIB, PART, noise

# md5 is left out on purpose: who checks sums with it knows nothing of a forger.
CASES = [case for case in conformance.load() if "checksum:md5" not in case.needs]


@pytest.fixture(scope="session")
def endpoint(deployment) -> str:
    return f"{deployment.http}/files"


def server_of(user) -> conformance.Server:
    token = user.deployment.token(user.owner)
    return conformance.Server(f"{user.deployment.http}/files", {"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
def server(user) -> conformance.Server:
    return server_of(user("tus"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_conformance(server, case):
    conformance.run(server, case)


# Whose uploads

HEADERS = {"Tus-Resumable": "1.0.0"}
BYTES = HEADERS | {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}


def created(user, endpoint, content=b"", **headers) -> str:
    """An upload with all its bytes: its URL."""
    answer = requests_as(user, "POST", endpoint, headers={"Upload-Length": str(len(content)), **headers})
    assert answer.status_code == 201, answer.text
    url = urljoin(endpoint, answer.headers["Location"])
    if content:
        assert requests_as(user, "PATCH", url, headers=BYTES, data=content).status_code == 204
    return url


def requests_as(user, method, url, headers=None, **options):
    token = {"Authorization": f"Bearer {user.deployment.token(user.owner)}"} if user else {}
    return bare_request(method, url, headers=HEADERS | token | (headers or {}), **options)


@pytest.fixture
def upload(alice, endpoint) -> str:
    answer = requests_as(alice, "POST", endpoint, headers={"Upload-Length": "10"})
    return urljoin(endpoint, answer.headers["Location"])


REQUESTS = {
    "HEAD": {},
    "PATCH": {"headers": BYTES, "data": b"0123456789"},
    "DELETE": {},
}


def test_a_creation_without_a_token_is_refused(endpoint):
    answer = requests_as(None, "POST", endpoint, headers={"Upload-Length": "10"})
    assert answer.status_code == 401
    assert answer.headers["Tus-Resumable"] == "1.0.0"


@pytest.mark.parametrize("method", REQUESTS)
def test_an_upload_of_a_token_wants_it_again(upload, method):
    assert requests_as(None, method, upload, **REQUESTS[method]).status_code == 401


@pytest.mark.parametrize("method", REQUESTS)
def test_somebody_elses_upload_is_not_found(alice, bob, upload, method):
    assert requests_as(bob, method, upload, **REQUESTS[method]).status_code == 404
    kept = requests_as(alice, "HEAD", upload)
    assert (kept.status_code, kept.headers["Upload-Offset"]) == (200, "0")


@pytest.mark.parametrize("change", [{"exp": 1}, {"aud": "another"}, {"iss": "another"}, {"sub": None}])
def test_a_token_that_isnt_good_makes_no_upload(alice, endpoint, change):
    deployment = alice.deployment
    forged = jwt.encode(deployment.claims(alice.owner, **change), deployment.secret, algorithm="HS256")
    headers = HEADERS | {"Upload-Length": "10", "Authorization": f"Bearer {forged}"}
    assert bare_request("POST", endpoint, headers=headers).status_code == 401


def test_somebody_elses_part_is_not_found(alice, bob, endpoint):
    mine = created(bob, endpoint, noise(10), **{"Upload-Concat": "partial"})
    theirs = created(alice, endpoint, noise(10), **{"Upload-Concat": "partial"})
    headers = {"Upload-Concat": f"final;{mine} {theirs}", "Upload-Metadata": ""}
    answer = requests_as(bob, "POST", endpoint, headers=headers)
    assert answer.status_code in (400, 404)
    assert requests_as(alice, "HEAD", theirs).headers["Upload-Offset"] == "10"


# Upload jobs: who has the job's token opens its upload, and needs no other

def job_metadata(job, **changes) -> str:
    fields = {"upload_request_id": job["request_id"], "token": job["upload_token"]} | changes
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in fields.items())


def opened_by_token(endpoint, metadata, size=10):
    headers = {"Upload-Length": str(size), "Upload-Metadata": metadata}
    return requests_as(None, "POST", endpoint, headers=headers)


@pytest.fixture
def job(alice) -> dict:
    wish = {"id": "job", "filename": "a.bin", "filesize": 10}
    return alice.call("POST", "/uploadjobs", 201, json=wish)


def test_the_url_of_a_jobs_upload_is_enough(endpoint, job):
    url = urljoin(endpoint, opened_by_token(endpoint, job_metadata(job)).headers["Location"])
    assert requests_as(None, "HEAD", url).headers["Upload-Offset"] == "0"
    assert requests_as(None, "PATCH", url, headers=BYTES, data=noise(10)).status_code == 204


@pytest.mark.parametrize("changes", [{"token": "forged"}, {"token": ""}, {"upload_request_id": "another"}])
def test_a_forged_token_of_a_job_opens_nothing(endpoint, job, changes):
    assert opened_by_token(endpoint, job_metadata(job, **changes)).status_code in (400, 401, 403, 404)


def test_the_token_of_another_job_opens_nothing(alice, endpoint, job):
    other = alice.call("POST", "/uploadjobs", 201, json={"id": "other", "filename": "b.bin", "filesize": 10})
    metadata = job_metadata(job, token=other["upload_token"])
    assert opened_by_token(endpoint, metadata).status_code in (401, 403, 404)


def test_the_token_of_a_complete_job_opens_nothing(alice, endpoint, job):
    url = urljoin(endpoint, opened_by_token(endpoint, job_metadata(job)).headers["Location"])
    assert requests_as(None, "PATCH", url, headers=BYTES, data=noise(10)).status_code == 204
    eventually(lambda: [job["status"] for job in alice.call("GET", "/uploadjobs")["jobs"]] == ["completed"])
    assert opened_by_token(endpoint, job_metadata(job)).status_code == 403


def test_the_token_of_a_job_that_was_called_off_opens_nothing(alice, endpoint, job):
    assert alice.request("DELETE", f"/uploadjobs/{job['request_id']}").status_code == 204
    assert opened_by_token(endpoint, job_metadata(job)).status_code == 403


def test_a_job_takes_no_more_than_it_announced(endpoint, job):
    assert opened_by_token(endpoint, job_metadata(job), size=11).status_code in (400, 403, 413)


# What may go wrong

def test_a_multipart_upload_that_s3_has_given_up_is_gone_and_never_complete(alice, endpoint):
    """The lifecycle rule of the bucket ends it after some days; here it ends at once."""
    deployment = alice.deployment
    size = 12 * MIB
    answer = requests_as(alice, "POST", endpoint, headers={"Upload-Length": str(size)})
    url = urljoin(endpoint, answer.headers["Location"])
    for start in (0, 4 * MIB):
        headers = BYTES | {"Upload-Offset": str(start)}
        assert requests_as(alice, "PATCH", url, headers=headers, data=noise(4 * MIB)).status_code == 204
    [asset] = alice.call("GET", "/assets")["assets"]
    [upload_id] = deployment.open_uploads(asset["object_key"])
    deployment.s3.abort_multipart_upload(
        Bucket=deployment.originals, Key=asset["object_key"], UploadId=upload_id,
    )
    headers = BYTES | {"Upload-Offset": str(8 * MIB)}
    assert requests_as(alice, "PATCH", url, headers=headers, data=noise(4 * MIB)).status_code == 410
    assert deployment.object_versions(asset["object_key"]) == []
    assert alice.asset(asset["asset_id"])["stage"] != "done"


def test_metadata_beyond_measure_is_refused(alice, endpoint):
    metadata = "filename " + base64.b64encode(b"a" * 30_000).decode()
    answer = requests_as(alice, "POST", endpoint, headers={"Upload-Length": "1", "Upload-Metadata": metadata})
    assert answer.status_code in (400, 413, 431)


# What becomes of the bytes

@pytest.mark.parametrize("cuts", [
    [], [1], [PART - MIB], [PART - MIB, PART - 1], [PART - MIB, PART], [PART - MIB, PART + 1],
    [4 * MIB, 8 * MIB], [100, 200, 300, 400, 500, 4 * MIB],
], ids=lambda cuts: "-".join(map(str, cuts)) or "one")
def test_the_bytes_are_those_that_were_sent(alice, endpoint, cuts):
    """However they are cut: S3 takes parts of 5 MiB, and what is less waits beside them."""
    content = noise(max(cuts, default=0) + 3 * MIB)
    with alice.live() as live:
        answer = requests_as(alice, "POST", endpoint, headers={"Upload-Length": str(len(content))})
        url = urljoin(endpoint, answer.headers["Location"])
        for start, end in pairwise([0, *cuts, len(content)]):
            headers = BYTES | {"Upload-Offset": str(start)}
            assert requests_as(alice, "PATCH", url, headers=headers, data=content[start:end]).status_code == 204
        asset = live.until(lambda message: message["type"] == "asset" and message["asset"]["stage"] == "done")["asset"]
    assert asset["sha256"] == hashlib.sha256(content).hexdigest()
    assert fetch(asset["media_url"]).content == content


@pytest.mark.parametrize("sizes", [
    [1, 1, 1], [3 * MIB, 4 * MIB, 1], [4 * MIB, 0, 4 * MIB],
], ids=lambda sizes: "-".join(map(str, sizes)))
def test_a_whole_is_its_parts_in_their_order(alice, endpoint, sizes):
    contents = [noise(size) for size in sizes]
    with alice.live() as live:
        urls = [created(alice, endpoint, content, **{"Upload-Concat": "partial"}) for content in contents]
        headers = {"Upload-Concat": f"final;{' '.join(reversed(urls))}"}
        assert requests_as(alice, "POST", endpoint, headers=headers).status_code == 201
        asset = live.until(lambda message: message["type"] == "asset" and message["asset"]["stage"] == "done")["asset"]
    assert fetch(asset["media_url"]).content == b"".join(reversed(contents))
    [only] = alice.call("GET", "/assets")["assets"]
    assert only["asset_id"] == asset["asset_id"], "parts are no assets"
