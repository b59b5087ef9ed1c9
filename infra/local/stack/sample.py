"""Sends one photo through, as a user would: grant, upload, completion, and every stage live over the WebSocket."""

import hashlib
import json
import time
import uuid

import requests
from websockets.sync.client import connect

from .progress import detail, say
from .settings import LOCAL, Failure

PHOTO = LOCAL / "sample.jpg"
WAIT_SECONDS = 120


def send_sample(outputs: dict[str, str], token: str, fresh: bool) -> None:
    """Prints each stage and at the end where the previews are. Unless `fresh`, the photo that an earlier run sent
    is found by its hash and nothing is uploaded."""
    photo = PHOTO.read_bytes()
    if fresh:
        # Bytes after the end of an image belong to no decoder: the same picture, yet not a duplicate.
        photo += uuid.uuid4().bytes
    say(f"sending a sample photo ({len(photo) / 1e6:.1f} MB) as a user would")
    user = _User(outputs["HttpApiUrl"], token)
    with connect(f"{outputs['WebSocketUrl']}?ticket={user.post('/tickets', {})['ticket']}", proxy=None) as socket:
        grant = user.post("/prepare", {
            "filename": PHOTO.name, "file_size": len(photo), "content_type": "image/jpeg",
            "sha256": hashlib.sha256(photo).hexdigest(),
        })
        if grant["mode"] == "existing":
            detail("already here since an earlier run, nothing to upload")
            asset = grant["asset"]
        else:
            user.upload(grant, photo)
            asset = _watch(socket, grant["asset_id"])
    if asset["processing_status"] != "done":
        raise Failure(f"the sample photo was not processed: {json.dumps(asset['failure'])}")
    say("previews, by links that live a few minutes:")
    for derivative in asset["derivatives"]:
        size = f"{derivative['width']}×{derivative['height']}, {derivative['bytes'] / 1e3:.0f} kB"
        detail(f"{derivative['name']} ({derivative['content_type']}, {size})")
        print(derivative["url"])


def _watch(socket, asset_id: str) -> dict:
    began = time.monotonic()
    while True:
        left = began + WAIT_SECONDS - time.monotonic()
        try:
            message = json.loads(socket.recv(timeout=max(left, 0)))
        except TimeoutError:
            raise Failure(f"the sample photo was not done within {WAIT_SECONDS} s") from None
        asset = message.get("asset", {})
        if message["type"] != "asset" or asset["asset_id"] != asset_id:
            continue
        detail(
            f"{(time.monotonic() - began) * 1000:6.0f} ms  #{message['seq']:<2} {asset['stage']:<11}"
            f" message {asset['message_status']}, processing {asset['processing_status']}, {asset['progress']} %"
        )
        if asset["processing_status"] in ("done", "failed"):
            return asset


class _User:
    def __init__(self, api: str, token: str):
        self.api = api
        self.session = requests.Session()
        self.session.trust_env = False  # a proxy knows nothing of this machine's loopback
        self.session.headers["Authorization"] = f"Bearer {token}"

    def post(self, path: str, body: dict) -> dict:
        return self._checked(self.session.post(self.api + path, json=body, timeout=30)).json()

    def upload(self, grant: dict, content: bytes) -> None:
        with requests.Session() as bare:  # S3 gets the signature, never the token
            bare.trust_env = False
            self._checked(bare.put(grant["url"], data=content, headers=grant["headers"], timeout=60))
        self.post("/complete", {"object_key": grant["object_key"]})

    @staticmethod
    def _checked(answer: requests.Response) -> requests.Response:
        if not answer.ok:
            where = answer.request.url.split("?")[0]
            raise Failure(f"{answer.request.method} {where} answered {answer.status_code}: {answer.text}")
        return answer
