"""The ways in, each walked as its clients walk it. A door returns once the upload is acknowledged: it was told that all
bytes are there."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urljoin
from uuid import uuid4

from client import completion, part_of

from .contents import CONTENT_TYPES
from .patience import Patient

TUS = {"Tus-Resumable": "1.0.0"}
CHUNKS, PARTIALS = 3, 3
# What API Gateway lets through to a function.
LARGEST_CHUNK = 4_000_000
# Of an Uppy that cuts its files.
UPPY_PART = 5 * 1024 * 1024


@dataclass
class Upload:
    """One file on its way, and what became of it."""

    number: int
    door: str
    owner: str
    kind: str
    content: bytes = field(repr=False)
    # A client that knows the digest may say so; then bytes that are there needn't be sent.
    sha256: str | None = None
    asset_id: str | None = None
    last_byte_at: float = 0.0
    acknowledged: bool = False
    retries: int = 0
    error: str | None = None

    @property
    def filename(self) -> str:
        return f"{self.number:05}.{self.kind}"

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.kind]

    @property
    def size(self) -> int:
        return len(self.content)

    def wish(self) -> dict:
        """What the doors of our own ask for."""
        wish = {"filename": self.filename, "file_size": self.size, "content_type": self.content_type}
        return wish | ({"sha256": self.sha256} if self.sha256 else {})

    def byte_sent(self) -> None:
        """Called with each answer to bytes; the last one stays."""
        self.last_byte_at = time.time()

    def is_there(self, grant: dict) -> bool:
        """Whether the answer to a wish is the file itself: it was sent before, or by the request that this one repeats."""
        self.asset_id = grant.get("asset_id")
        if grant.get("mode") != "existing":
            return False
        self.asset_id = grant["asset"]["asset_id"]
        self.byte_sent()
        return True


def direct(client: Patient, upload: Upload) -> None:
    """`POST /prepare`, one PUT, `POST /complete`."""
    grant = client.call("POST", "/prepare", 201, json=upload.wish())
    if upload.is_there(grant):
        return
    _put_whole(client, upload, grant)
    client.call("POST", "/complete", 200, json=completion(grant, None))


def multipart(client: Patient, upload: Upload) -> None:
    """The same in parts."""
    grant = client.call("POST", "/prepare", 201, json=upload.wish())
    if upload.is_there(grant):
        return
    parts = [
        {"PartNumber": item["part_number"], "ETag": _put_part(
            client, upload, item["url"], part_of(grant, upload.content, item["part_number"])
        )}
        for item in grant["batch"]["items"]
    ]
    client.call("POST", "/complete", 200, json=completion(grant, parts))


def signed_form(client: Patient, upload: Upload) -> None:
    """`POST /s3_signature`, and a form to S3, as Dropzone does. Nobody says that it is complete but S3 itself."""
    grant = client.call("POST", "/s3_signature", 201, json=upload.wish())
    if not upload.is_there(grant):
        _post_form(client, upload, grant)


def small_form(client: Patient, upload: Upload) -> None:
    """`POST /api/v1/assets`: the bytes pass through the function."""
    files = {"file": (upload.filename, upload.content, upload.content_type)}
    task = client.call("POST", "/api/v1/assets", 200, files=files)
    upload.byte_sent()
    upload.asset_id = task["assets"][0]["asset_id"]


def tus(client: Patient, upload: Upload) -> None:
    """tus in chunks."""
    url = _tus_created(client, upload, {"Upload-Length": str(upload.size)})
    _tus_append(client, upload, url, upload.content)


def tus_concatenated(client: Patient, upload: Upload) -> None:
    """tus in partial uploads, which become one, as tus-js-client's `parallelUploads` does."""
    size = -(-upload.size // PARTIALS)
    urls = []
    for start in range(0, upload.size, size):
        piece = upload.content[start : start + size]
        urls.append(_tus_created(client, upload, {"Upload-Length": str(len(piece)), "Upload-Concat": "partial"}))
        _tus_append(client, upload, urls[-1], piece)
    _tus_created(client, upload, {"Upload-Concat": f"final;{' '.join(urls)}"})


def uppy_multipart(client: Patient, upload: Upload) -> None:
    """What `@uppy/aws-s3` 5 asks a Companion for, in parts."""
    body = {"filename": upload.filename, "type": upload.content_type, "metadata": {"size": str(upload.size)}}
    made = client.call("POST", "/s3/multipart", 200, json=body)
    upload.asset_id = made["asset_id"]
    path, key = f"/s3/multipart/{quote(made['uploadId'], safe='')}", quote(made["key"], safe="")
    parts = []
    for number, start in enumerate(range(0, upload.size, UPPY_PART), start=1):
        signed = client.call("GET", f"{path}/{number}?key={key}", 200)
        tag = _put_part(client, upload, signed["url"], upload.content[start : start + UPPY_PART])
        parts.append({"PartNumber": number, "ETag": tag})
    client.call("POST", f"{path}/complete?key={key}", 200, json={"parts": parts})


def uppy_form(client: Patient, upload: Upload) -> None:
    """What `@uppy/aws-s3` 5 asks a Companion for, in one form. A GET has no key: one that is asked again opens another."""
    query = urlencode({
        "filename": upload.filename, "type": upload.content_type, "metadata[size]": upload.size,
    })
    grant = client.call("GET", f"/s3/params?{query}", 200)
    upload.asset_id = grant["asset_id"]
    _post_form(client, upload, grant)


def uppy_signed(client: Patient, upload: Upload) -> None:
    """What `@uppy/aws-s3` 6 has each request signed by."""
    grant = client.call("POST", "/s3/sign", 200, json={
        "method": "PUT", "key": f"{uuid4()}-{upload.filename}", "contentType": upload.content_type,
        "metadata": {"size": upload.size},
    })
    upload.asset_id = grant["asset_id"]
    _post_form(client, upload, grant)


@dataclass(frozen=True)
class Door:
    walk: Callable[[Patient, Upload], None]
    # How many of the uploads take it, beside the others.
    share: int
    # One in so many of its files is cut into parts; 0: none.
    in_parts_every: int = 0


DOORS = {
    "direct PUT": Door(direct, 20),
    "multipart": Door(multipart, 5, in_parts_every=1),
    "signed form": Door(signed_form, 15),
    "small form": Door(small_form, 15),
    "tus, in chunks": Door(tus, 15, in_parts_every=15),
    "tus, concatenated": Door(tus_concatenated, 10, in_parts_every=15),
    "Uppy 5, multipart": Door(uppy_multipart, 7, in_parts_every=5),
    "Uppy 5, form": Door(uppy_form, 6),
    "Uppy 6, signed": Door(uppy_signed, 7),
}


def _put_whole(client: Patient, upload: Upload, grant: dict) -> None:
    # 412: they are there already, by a request whose answer was lost.
    client.bare("PUT", grant["url"], {200, 412}, data=upload.content, headers=grant["headers"])
    upload.byte_sent()


def _put_part(client: Patient, upload: Upload, url: str, content: bytes) -> str:
    answer = client.bare("PUT", url, {200}, data=content)
    upload.byte_sent()
    return answer.headers["ETag"]


def _post_form(client: Patient, upload: Upload, grant: dict) -> None:
    file = {"file": (upload.filename, upload.content)}
    client.bare("POST", grant["url"], {200, 201, 204}, data=grant["fields"], files=file)
    upload.byte_sent()


def _tus_created(client: Patient, upload: Upload, headers: dict) -> str:
    told = {"filename": upload.filename, "filetype": upload.content_type}
    metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())
    answer = client.request("POST", "/files", {201}, headers=TUS | {"Upload-Metadata": metadata} | headers)
    return urljoin(f"{client.user.deployment.http}/files", answer.headers["Location"])


def _tus_append(client: Patient, upload: Upload, url: str, content: bytes) -> None:
    """Chunk by chunk; after whatever went wrong the server is asked how much it has."""
    path = url.removeprefix(client.user.deployment.http)
    chunk = min(-(-len(content) // CHUNKS), LARGEST_CHUNK)
    offset = 0
    while offset < len(content):
        headers = TUS | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        answer = client.once("PATCH", path, headers=headers, data=content[offset : offset + chunk])
        if answer is None:
            answer = client.request("HEAD", path, {200}, headers=TUS)
        there = int(answer.headers["Upload-Offset"])
        if there > offset:
            upload.byte_sent()
        offset = there
