"""Runs cases against a server.

A step is a request and what is expected of its answer. `create`, `append`, `head` and `delete` are requests whose usual
headers and usual answer are known, so that a case names only what is special about it.
"""

import base64
import hashlib
import http.client
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from urllib.parse import urljoin, urlsplit

import requests

from .cases import Case

TUS_VERSION = "1.0.0"
OFFSET_TYPE = "application/offset+octet-stream"
PARTIAL_TYPE = "application/partial-upload"
REQUEST_SECONDS = 60
LOCK_SECONDS = 30
# Two clients at once, or one whose connection broke a moment ago: clients try these again.
BUSY = (409, 423)

_TERM = re.compile(r"\{([\w.]+)(?:\s*([+-])\s*(\d+))?\}")
_STEP_KEYS = {
    "create", "append", "head", "delete", "options", "request", "finish", "together",
    "length", "defer", "concat", "metadata", "at", "complete", "body", "chunked", "cut", "headers", "expect", "save",
}
_EXPECT_KEYS = {"status", "headers", "json", "statuses"}


class Failed(Exception):
    """What the server did and what it should have done."""


class Skipped(Exception):
    """What the server doesn't advertise."""


class Server:
    """A tus server by the URL that uploads are created at, and the headers that it wants of everybody."""

    def __init__(self, endpoint: str, headers: dict[str, str] | None = None):
        self.endpoint = endpoint
        self.headers = headers or {}
        self.session = requests.Session()
        self.session.trust_env = False

    @cached_property
    def advertised(self) -> requests.Response:
        return self.session.options(self.endpoint, headers=self.headers, timeout=REQUEST_SECONDS)

    @cached_property
    def extensions(self) -> set[str]:
        return set(_listed(self.advertised.headers.get("Tus-Extension", "")))

    @cached_property
    def variables(self) -> dict[str, object]:
        """What the server says of itself, for cases to name."""
        answer = self.advertised.headers
        limit = re.search(r"max-append-size=(\d+)", answer.get("Upload-Limit", ""))
        known = {
            "endpoint": self.endpoint,
            "max_size": _number(answer.get("Tus-Max-Size")),
            "max_append": _number(limit and limit[1]),
        }
        return {name: value for name, value in known.items() if value is not None}

    def missing(self, need: str) -> str | None:
        """Why a case with this need can't be run, if so."""
        if need.startswith("not "):
            offered = self.missing(need.removeprefix("not ")) is None
            return f"the server offers {need.removeprefix('not ')}" if offered else None
        if need in ("max_size", "max_append"):
            return None if need in self.variables else f"no {need} is advertised"
        if need == "ietf":
            return None if "Upload-Limit" in self.advertised.headers else "no Upload-Limit is advertised"
        if need.startswith("checksum:"):
            offered = _listed(self.advertised.headers.get("Tus-Checksum-Algorithm", ""))
            return None if need.removeprefix("checksum:") in offered else f"{need} is not advertised"
        return None if need in self.extensions else f"{need} is not advertised"


@dataclass
class _Run:
    """One case in progress: the uploads it made and the bytes that it sends."""

    server: Server
    case: Case
    names: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        secret = uuid.uuid4().hex + uuid.uuid4().hex
        self.names = dict(self.server.variables) | {"unknown": f"{self.server.endpoint.rstrip('/')}/{secret}"}
        self.seed = uuid.uuid4().bytes


@dataclass(frozen=True)
class _Request:
    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    chunked: bool = False
    # Bytes after which the line is cut.
    cut: int | None = None


def run(server: Server, case: Case, tidy: bool = True) -> None:
    """Raises Failed or Skipped if the case doesn't pass. `tidy` deletes the uploads that it leaves behind."""
    for need in case.needs:
        if reason := server.missing(need):
            raise Skipped(reason)
    progress = _Run(server, case)
    try:
        for number, step in enumerate(case.steps, start=1):
            try:
                _perform(progress, step)
            except Failed as failure:
                raise Failed(f"step {number}: {failure}") from None
    finally:
        if tidy:
            _tidy(progress)


def _tidy(progress: _Run) -> None:
    if "termination" not in progress.server.extensions:
        return
    fixed = progress.server.variables.keys() | {"unknown"}
    for name, url in progress.names.items():
        if name not in fixed:
            _send(progress, _Request("DELETE", str(url), _defaults(progress, "DELETE"), None))


def _perform(progress: _Run, step: dict) -> None:
    assert step.keys() <= _STEP_KEYS, f"unknown {step.keys() - _STEP_KEYS}"
    expect = step.get("expect", {})
    assert expect.keys() <= _EXPECT_KEYS, f"unknown {expect.keys() - _EXPECT_KEYS}"
    if "together" in step:
        _perform_together(progress, step)
    elif "finish" in step:
        _finish(progress, step["finish"])
    else:
        request, usual = _build(progress, step)
        answer = _send(progress, request)
        if answer is None:
            return
        _check(progress, request, answer, _merged(usual, expect))
        name = step.get("create") or step.get("save")
        if name and "Location" in answer.headers:
            progress.names[name] = urljoin(request.url, answer.headers["Location"])


def _perform_together(progress: _Run, step: dict) -> None:
    """All at once; `statuses` lists what may be answered, in any order."""
    built = [_build(progress, part)[0] for part in step["together"]]
    with ThreadPoolExecutor(len(built)) as pool:
        answers = list(pool.map(lambda request: _send(progress, request), built))
    got = sorted(answer.status_code for answer in answers if answer is not None)
    wanted = [_statuses(entry) for entry in step["expect"]["statuses"]]
    if not _assignable(got, wanted):
        raise Failed(f"{len(built)} requests at once were answered {got}, expected {wanted} in any order")


def _assignable(got: list[int], wanted: list[tuple[int, ...]]) -> bool:
    if len(got) != len(wanted):
        return False
    if not got:
        return True
    return any(
        got[0] in options and _assignable(got[1:], wanted[:index] + wanted[index + 1:])
        for index, options in enumerate(wanted)
    )


def _finish(progress: _Run, name: str) -> None:
    """What a client does after a break: asks for the offset, sends the rest, and again while the upload is locked."""
    deadline = time.monotonic() + LOCK_SECONDS
    url = str(progress.names[name])
    while True:
        asked = _Request("HEAD", url, _defaults(progress, "HEAD"), None)
        answer = _send(progress, asked)
        if answer.status_code not in BUSY:
            _check(progress, asked, answer, {"status": [200, 204], "headers": {"Upload-Offset": {"matches": r"\d+"}}})
            offset, length = int(answer.headers["Upload-Offset"]), int(answer.headers["Upload-Length"])
            if offset == length:
                return
            headers = _defaults(progress, "PATCH") | {"Content-Type": OFFSET_TYPE, "Upload-Offset": str(offset)}
            rest = _Request("PATCH", url, headers, _bytes(progress, offset, length - offset))
            answer = _send(progress, rest)
            if answer.status_code not in BUSY:
                _check(progress, rest, answer, {"status": 204, "headers": {"Upload-Offset": str(length)}})
                return
        if time.monotonic() > deadline:
            raise Failed(f"still {answer.status_code} after {LOCK_SECONDS} s")
        time.sleep(0.1)


def _build(progress: _Run, step: dict) -> tuple[_Request, dict]:
    """The request of a step, and what is usually answered."""
    ietf = progress.case.dialect == "ietf"
    own: dict[str, object] = {}
    body = step.get("body")
    offset = step.get("at", 0)
    if isinstance(offset, str):
        offset = int(_resolved(progress, offset))
    content = None if body is None else _content(progress, body, offset)
    usual: dict = {}
    if "create" in step:
        method, url = "POST", progress.server.endpoint
        own |= _creation_headers(step)
        if content is not None and not ietf:
            own["Content-Type"] = OFFSET_TYPE
        usual = {"status": 201, "headers": {"Location": "present"}}
        if content is not None and not ietf:
            usual["headers"]["Upload-Offset"] = str(len(content))
    elif "append" in step:
        method, url = "PATCH", _url(progress, step["append"])
        own |= {"Content-Type": PARTIAL_TYPE if ietf else OFFSET_TYPE, "Upload-Offset": offset}
        usual = {"status": [200, 201, 204] if ietf else 204}
        if not ietf:
            usual["headers"] = {"Upload-Offset": str(offset + len(content or b""))}
    elif "head" in step:
        method, url = "HEAD", _url(progress, step["head"])
        usual = {"status": [200, 204]}
    elif "delete" in step:
        method, url = "DELETE", _url(progress, step["delete"])
        usual = {"status": 204}
    elif "options" in step:
        method, url = "OPTIONS", _url(progress, step["options"])
        usual = {"status": [200, 204]}
    else:
        method, name = step["request"].split()
        url = _url(progress, name)
    if "length" in step:
        own["Upload-Length"] = step["length"]
    if "complete" in step:
        own["Upload-Complete"] = "?1" if step["complete"] else "?0"

    headers = _defaults(progress, method)
    digests = _digests(content or b"")
    for header, value in (own | step.get("headers", {})).items():
        for present in [name for name in headers if name.lower() == header.lower()]:
            del headers[present]
        if value is not None:
            headers[header] = _resolved(progress, str(value), digests)
    return _Request(method, url, headers, content, step.get("chunked", False), step.get("cut")), usual


def _creation_headers(step: dict) -> dict[str, object]:
    headers: dict[str, object] = {}
    if "defer" in step:
        headers["Upload-Defer-Length"] = step["defer"]
    if "concat" in step:
        headers["Upload-Concat"] = step["concat"]
    if "metadata" in step:
        headers["Upload-Metadata"] = step["metadata"]
    return headers


def _defaults(progress: _Run, method: str) -> dict[str, str]:
    version = {} if progress.case.dialect == "ietf" or method == "OPTIONS" else {"Tus-Resumable": TUS_VERSION}
    return progress.server.headers | version


def _url(progress: _Run, name: str) -> str:
    if name not in progress.names:
        raise Failed(f"there is no upload “{name}”")
    return str(progress.names[name])


def _resolved(progress: _Run, text: str, digests: dict[str, str] | None = None) -> str:
    """Text whose {names} are filled in: uploads, limits (±1), digests of the body."""
    names = progress.names | (digests or {})

    def value(match: re.Match) -> str:
        name, sign, amount = match.groups()
        path = name.removesuffix(".path")
        found = names[name] if name in names else urlsplit(str(names[path])).path
        return str(found if sign is None else int(found) + int(f"{sign}{amount}"))

    return _TERM.sub(value, text)


def _content(progress: _Run, body: int | str, offset: int) -> bytes:
    """A number is that many bytes of the case's stream from the offset on; other text is sent as it is."""
    if isinstance(body, str):
        text = _resolved(progress, body)
        if not (_TERM.search(body) and text.isdecimal()):
            return text.encode()
        body = int(text)
    return _bytes(progress, offset, body)


def _bytes(progress: _Run, offset: int, count: int) -> bytes:
    # Different in every run, so that no server can have seen it before.
    stream = progress.seed * ((offset + count) // len(progress.seed) + 1)
    return stream[offset : offset + count]


def _digests(content: bytes) -> dict[str, str]:
    made = {}
    for algorithm in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(algorithm, content, usedforsecurity=False).digest()
        made[algorithm] = base64.b64encode(digest).decode()
        made[f"{algorithm}.wrong"] = base64.b64encode(bytes(len(digest))).decode()
    return made


def _send(progress: _Run, request: _Request) -> requests.Response | None:
    """The answer, or nothing if the line was cut before one could come."""
    if request.cut is not None:
        return _send_and_cut(request)
    data = iter([request.body]) if request.chunked else request.body
    try:
        return progress.server.session.request(
            request.method, request.url, data=data, headers=request.headers, timeout=REQUEST_SECONDS,
            allow_redirects=False,
        )
    except requests.ConnectionError as error:
        raise Failed(f"{_line(request)}: no answer ({type(error).__name__})") from None


def _send_and_cut(request: _Request) -> None:
    """The headers of the whole and the first bytes of the body, then silence."""
    where = urlsplit(request.url)
    kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    line = kind(where.netloc, timeout=REQUEST_SECONDS)
    headers = request.headers | {"Content-Length": str(len(request.body))}
    line.putrequest(request.method, where._replace(scheme="", netloc="").geturl())
    for header, value in headers.items():
        line.putheader(header, value)
    line.endheaders(request.body[: request.cut])
    line.close()


def _merged(usual: dict, expect: dict) -> dict:
    # Another status than the usual one: the usual headers don't apply.
    if "status" in expect and _statuses(expect["status"]) != _statuses(usual.get("status", ())):
        usual = {name: value for name, value in usual.items() if name != "headers"}
    return usual | expect | {"headers": usual.get("headers", {}) | expect.get("headers", {})}


def _check(progress: _Run, request: _Request, answer: requests.Response, expect: dict) -> None:
    wanted = _statuses(expect["status"])
    if answer.status_code not in wanted:
        told = "" if request.method == "HEAD" else f" {answer.text[:200]!r}"
        raise Failed(f"{_line(request)}: {answer.status_code}{told}, expected {' or '.join(map(str, wanted))}")
    headers = dict(expect.get("headers", {}))
    if progress.case.dialect == "tus" and request.method != "OPTIONS":
        headers.setdefault("Tus-Resumable", TUS_VERSION)
    for header, value in headers.items():
        _check_header(progress, request, answer, header, value)
    for name, value in expect.get("json", {}).items():
        document = _json(request, answer)
        if document.get(name) != value:
            raise Failed(f"{_line(request)}: {name} is {document.get(name)!r}, expected {value!r}")


def _check_header(
    progress: _Run, request: _Request, answer: requests.Response, header: str, wanted: str | int | dict | None,
) -> None:
    got = answer.headers.get(header)
    said = f"{_line(request)}: {answer.status_code} with {header}: {got}"
    if wanted == "absent":
        if got is not None:
            raise Failed(f"{said}, expected none")
    elif got is None:
        raise Failed(f"{_line(request)}: {answer.status_code} without {header}")
    elif wanted == "present":
        return
    elif isinstance(wanted, dict):
        if "matches" in wanted and not re.fullmatch(wanted["matches"], got):
            raise Failed(f"{said}, expected {wanted['matches']}")
        part = _resolved(progress, str(wanted.get("contains", "")))
        if part and part.lower() not in _listed(got.lower()):
            raise Failed(f"{said}, expected {part} in it")
        if "date" in wanted:
            _check_future(said, got)
    elif got != _resolved(progress, str(wanted)):
        raise Failed(f"{said}, expected {_resolved(progress, str(wanted))}")


def _check_future(said: str, value: str) -> None:
    """An IMF-fixdate (RFC 9110, 5.6.7) that isn't over."""
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        raise Failed(f"{said}, which is no HTTP date") from None
    if not value.endswith(" GMT"):
        raise Failed(f"{said}, which is no HTTP date")
    if date <= datetime.now(UTC):
        raise Failed(f"{said}, which is over")


def _json(request: _Request, answer: requests.Response) -> dict:
    try:
        return answer.json()
    except ValueError:
        raise Failed(f"{_line(request)}: {answer.status_code} without JSON: {answer.text[:200]!r}") from None


def _statuses(value: int | list[int] | tuple) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


def _line(request: _Request) -> str:
    """A request for people to read. An upload's URL may be a secret: only the endpoint's part of it is shown."""
    telling = ("upload-", "content-type", "tus-resumable", "x-http-method-override")
    shown = [f"{name}: {value[:60]}" for name, value in request.headers.items() if name.lower().startswith(telling)]
    size = "" if request.body is None else f" +{len(request.body)} bytes"
    return f"{request.method}{size} [{', '.join(shown)}]"


def _listed(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def _number(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() else None
