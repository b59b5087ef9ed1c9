"""Pages served from any port of this machine may call both the HTTP API and S3."""

import pytest

from client import bare_request, fetch, put, upload_path
from media import PART, noise, sample

ORIGINS = ["http://localhost:5173", "http://127.0.0.1:9999"]

pytestmark = pytest.mark.parametrize("origin", ORIGINS)


def preflight(url: str, origin: str, method: str, headers: str = ""):
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return bare_request("OPTIONS", url, headers=asked)


def listed(answer, header: str) -> set[str]:
    return {item.strip().lower() for item in answer.headers.get(header, "").split(",") if item.strip()}


def assert_allowed(answer, origin: str, method: str, headers: str = "") -> None:
    assert answer.status_code in (200, 204), answer.text[:300]
    assert answer.headers["access-control-allow-origin"] in (origin, "*")
    assert listed(answer, "access-control-allow-methods") & {method.lower(), "*"}
    allowed = listed(answer, "access-control-allow-headers")
    wanted = {name.strip().lower() for name in headers.split(",") if name.strip()}
    assert wanted <= allowed or "*" in allowed, allowed


@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/prepare"), ("POST", "/complete"), ("POST", "/tickets"), ("GET", "/assets"),
    ("GET", "/assets/x"), ("DELETE", "/assets/x"), ("DELETE", "/assets/x/update"), ("GET", "/uploads/x/parts"), ("DELETE", "/uploads/x"),
])
def test_the_api_is_open_to_pages_and_asks_no_token_of_a_preflight(deployment, origin, method, path):
    headers = "authorization,content-type,idempotency-key,if-none-match"
    assert_allowed(preflight(deployment.http + path, origin, method, headers), origin, method, headers)


def test_pages_can_read_answers_and_errors(alice, origin):
    for path, status in (("/assets", 200), ("/assets/x", 404)):
        answer = alice.request("GET", path, headers={"Origin": origin})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] in (origin, "*")


@pytest.mark.parametrize(("path", "token", "status"), [
    ("/assets", None, 401), ("/assets", "Bearer no token", 403), ("/no/such/route", None, 404),
])
def test_pages_can_read_what_the_gateway_itself_refuses(deployment, origin, path, token, status):
    headers = {"Origin": origin} | ({"Authorization": token} if token else {})
    answer = bare_request("GET", deployment.http + path, headers=headers)
    assert (answer.status_code, list(answer.json())) == (status, ["message"])
    assert answer.headers["access-control-allow-origin"] in (origin, "*")


def test_pages_can_put_a_file_and_read_its_etag(alice, origin):
    grant = alice.prepare("a.bin", 1000)
    headers = ",".join(grant["headers"])
    assert_allowed(preflight(grant["url"], origin, "PUT", headers), origin, "PUT", headers)
    answer = bare_request("PUT", grant["url"], data=noise(1000), headers=grant["headers"] | {"Origin": origin})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] in (origin, "*")
    assert answer.headers["etag"]
    assert "etag" in listed(answer, "access-control-expose-headers")


def test_pages_can_put_a_part_and_read_its_etag(alice, origin):
    grant = alice.prepare("a.bin", 3 * PART)
    url = grant["batch"]["items"][2]["url"]
    assert_allowed(preflight(url, origin, "PUT"), origin, "PUT")
    answer = bare_request("PUT", url, data=noise(PART), headers={"Origin": origin})
    assert answer.status_code == 200
    assert "etag" in listed(answer, "access-control-expose-headers")
    assert alice.request("DELETE", upload_path(grant), headers={"Origin": origin}).status_code == 204


def test_pages_can_read_the_original_and_its_derivatives(alice, origin):
    content = sample("astronaut.jpg")
    with alice.live() as live:
        grant = alice.prepare("a.jpg", len(content))
        put(grant, content)
        asset = live.follow(grant["asset_id"])[-1]["asset"]
    for url in (asset["media_url"], *(made["url"] for made in asset["derivatives"])):
        answer = bare_request("GET", url, headers={"Origin": origin})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] in (origin, "*")
        assert answer.content == fetch(url).content


@pytest.mark.parametrize("stranger", [
    "https://evil.example", "http://localhost.evil.example", "http://127.0.0.1.evil.example:80", "null",
])
def test_s3_is_closed_to_other_pages(alice, origin, stranger):
    url = alice.prepare("a.bin", 10)["url"]
    assert_allowed(preflight(url, origin, "PUT"), origin, "PUT")
    answer = preflight(url, stranger, "PUT")
    assert answer.headers.get("access-control-allow-origin") not in (stranger, "*")
