"""A client of Sluice, as an application would write it: HTTP, S3 by signed URLs, and the WebSocket."""

import json
import time
from collections.abc import Callable
from urllib.parse import quote
from uuid import uuid4

import requests
from websockets.sync.client import connect

from deployment import Deployment

# For work that takes several functions, on a machine that does much else.
WAIT_SECONDS = 120
REQUEST_SECONDS = 60


class Sluice:
    """One user. `call` expects an answer and gives its JSON; `request` gives whatever comes."""

    def __init__(self, deployment: Deployment, owner: str):
        self.deployment = deployment
        self.owner = owner
        self._session = _session()
        self._session.headers["Authorization"] = f"Bearer {deployment.token(owner)}"

    def request(self, method: str, path: str, **options) -> requests.Response:
        options = {"timeout": REQUEST_SECONDS, "allow_redirects": False} | options
        return self._session.request(method, self.deployment.http + path, **options)

    def call(self, method: str, path: str, expected: int = 200, **options) -> dict:
        answer = self.request(method, path, **options)
        assert answer.status_code == expected, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    # Uploads

    def prepare(self, filename: str, file_size: int, **fields) -> dict:
        wish = {"filename": filename, "file_size": file_size, **fields}
        return self.call("POST", "/prepare", 201, json=wish, headers={"Idempotency-Key": str(uuid4())})

    def window(self, grant: dict, start_part: int, batch_count: int) -> dict:
        """Signs a further window of a multipart grant's parts."""
        return self.call("POST", "/prepare", json=window_request(grant, start_part, batch_count))

    def complete(self, grant: dict, parts: list[dict] | None = None, **fields) -> dict:
        return self.call("POST", "/complete", json=completion(grant, parts) | fields)

    def try_complete(self, grant: dict, parts: list[dict] | None = None, **fields) -> requests.Response:
        return self.request("POST", "/complete", json=completion(grant, parts) | fields)

    def parts(self, grant: dict) -> list[dict]:
        """What S3 already has of a multipart upload."""
        return self.call("GET", upload_path(grant, "/parts"))["parts"]

    def cancel(self, grant: dict) -> requests.Response:
        """Of a multipart upload by its upload id, of a direct one by its asset id."""
        path = upload_path(grant) if grant["mode"] == "multipart" else f"/assets/{grant['asset_id']}"
        return self.request("DELETE", path)

    def cancel_update(self, asset_id: str) -> requests.Response:
        return self.request("DELETE", f"/assets/{asset_id}/update")

    def send(self, filename: str, content: bytes, **fields) -> dict:
        """Grant, bytes, completion: answers the grant."""
        grant = self.prepare(filename, len(content), **fields)
        self.deliver(grant, content)
        return grant

    def deliver(self, grant: dict, content: bytes) -> dict:
        """Bytes and completion of a grant: answers the document."""
        if grant["mode"] == "multipart":
            return self.complete(grant, put_parts(grant, content), version=grant["version"])
        (put if grant["version"] == 1 else put_when_free)(grant, content)
        return self.complete(grant, version=grant["version"])

    def send_and_wait(self, filename: str, content: bytes, **fields) -> dict:
        """The same, and the asset document once nothing more comes."""
        with self.live() as live:
            return live.follow(self.send(filename, content, **fields)["asset_id"])[-1]["asset"]

    # Assets

    def asset(self, asset_id: str) -> dict:
        return self.call("GET", f"/assets/{asset_id}")

    # Live

    def ticket(self) -> str:
        return self.call("POST", "/tickets", 201, json={})["ticket"]

    def live(self) -> "Live":
        return Live(f"{self.deployment.websocket}?ticket={quote(self.ticket())}")


class Live:
    """A WebSocket connection that remembers all it was told."""

    def __init__(self, url: str):
        self.messages: list[dict] = []
        self._socket = connect(url, proxy=None, open_timeout=REQUEST_SECONDS, max_size=1 << 20, legacy=True)

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def kill(self) -> None:
        """Cuts the line without a word, as a train's tunnel does."""
        self._socket.socket.close()

    def send(self, frame: dict | list | str) -> None:
        self._socket.send(frame if isinstance(frame, str) else json.dumps(frame))

    def next(self, within: float) -> dict | None:
        """The next message, which is remembered; None where none comes within so many seconds."""
        try:
            message = json.loads(self._socket.recv(timeout=within))
        except TimeoutError:
            return None
        self.messages.append(message)
        return message

    def until(self, wanted: Callable[[dict], bool], within: float = WAIT_SECONDS) -> dict:
        """The next message that is wanted; those before it are remembered."""
        deadline = time.monotonic() + within
        while True:
            message = self.next(max(deadline - time.monotonic(), 0))
            if message is None:
                told = [_summary(message) for message in self.messages]
                raise AssertionError(f"waited {within} s in vain; told so far: {told}")
            if wanted(message):
                return message

    def of_type(self, kind: str) -> dict:
        return self.until(lambda message: message["type"] == kind)

    def told_of(self, asset_id: str) -> list[dict]:
        """All messages about an asset so far."""
        return [
            message for message in self.messages
            if message["type"] == "asset" and message["asset"]["asset_id"] == asset_id
        ]

    def reach(self, asset_id: str, stage: str, processing: str | None = None) -> dict:
        """The first document of the asset at this stage."""
        def there(message: dict) -> bool:
            if message["type"] != "asset" or message["asset"]["asset_id"] != asset_id:
                return False
            asset = message["asset"]
            return asset["stage"] == stage and processing in (None, asset["processing_status"])

        known = next(filter(there, self.messages), None)
        return (known or self.until(there))["asset"]

    def follow(self, asset_id: str) -> list[dict]:
        """All messages about an asset, to the one after which nothing more is to come: none of an update either."""
        while not (told := self.told_of(asset_id)) or told[-1]["asset"]["poll"] is not None:
            self.until(lambda message: message["type"] == "asset")
        return told

    def settle(self) -> None:
        """Returns once the server has answered a ping sent now: it is awake and the line works."""
        self.send({"action": "ping"})
        self.of_type("pong")


def bare_request(method: str, url: str, **options) -> requests.Response:
    """As a stranger sends it: S3 gets signatures, never the token."""
    with _session() as session:
        return session.request(method, url, timeout=REQUEST_SECONDS, allow_redirects=False, **options)


def put(grant: dict, content: bytes) -> None:
    """The bytes of a direct grant into S3."""
    answer = try_put(grant, content)
    assert answer.status_code == 200, f"PUT: {answer.status_code} {answer.text[:500]}"


def put_when_free(grant: dict, content: bytes) -> None:
    """The same where others' bytes may lie in the way for a moment: those of a grant that this one took the place of, or
    of a copy, until they are let go. S3 refuses with 412 meanwhile, and the client tries again."""
    def taken() -> bool:
        """the bytes in the way to be gone"""
        answer = try_put(grant, content)
        assert answer.status_code in (200, 412), f"PUT: {answer.status_code} {answer.text[:500]}"
        return answer.status_code == 200

    eventually(taken)


def try_put(grant: dict, content: bytes, headers: dict[str, str] | None = None) -> requests.Response:
    return bare_request("PUT", grant["url"], data=content, headers=headers or grant["headers"])


def try_put_part(url: str, content: bytes) -> requests.Response:
    return bare_request("PUT", url, data=content)


def put_part(item: dict, content: bytes) -> dict:
    """One part into S3: answers how completion names it."""
    answer = try_put_part(item["url"], content)
    assert answer.status_code == 200, f"PUT part: {answer.status_code} {answer.text[:500]}"
    return {"PartNumber": item["part_number"], "ETag": answer.headers["ETag"]}


def put_parts(grant: dict, content: bytes) -> list[dict]:
    """All parts of a grant whose every part is signed."""
    items = grant["batch"]["items"]
    assert len(items) == grant["num_parts"]
    return [put_part(item, part_of(grant, content, item["part_number"])) for item in items]


def part_of(grant: dict, content: bytes, number: int) -> bytes:
    size = grant["part_size"]
    return content[(number - 1) * size : number * size]


def completion(grant: dict, parts: list[dict] | None) -> dict:
    if parts is None:
        return {"object_key": grant["object_key"]}
    return {"object_key": grant["object_key"], "upload_id": grant["upload_id"], "parts": parts}


def window_request(grant: dict, start_part: object, batch_count: object) -> dict:
    return {
        "upload_id": grant["upload_id"], "object_key": grant["object_key"],
        "start_part": start_part, "batch_count": batch_count,
    }


def upload_path(grant: dict, suffix: str = "") -> str:
    upload_id, key = quote(grant["upload_id"], safe=""), quote(grant["object_key"], safe="")
    return f"/uploads/{upload_id}{suffix}?object_key={key}"


def fetch(url: str) -> requests.Response:
    """What a browser gets from a signed link."""
    answer = bare_request("GET", url)
    assert answer.status_code == 200, f"GET {url.split('?')[0]}: {answer.status_code} {answer.text[:500]}"
    return answer


def eventually(look: Callable[[], object], within: float = WAIT_SECONDS) -> object:
    """Looks until there is something to see (for what no message tells of)."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited {within} s in vain for {look.__doc__ or look}"
        time.sleep(0.05)
    return seen


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a proxy knows nothing of this machine's loopback
    return session


def _summary(message: dict) -> str:
    asset = message.get("asset")
    if asset is None:
        return json.dumps(message)[:120]
    return f"{asset['asset_id'][-4:]}#{message['seq']} {asset['stage']}/{asset['processing_status']}"
