"""The line between a client and the server, which breaks when a test says so and never by chance.

A browser takes it as its proxy, so that its requests, preflights too, reach the server as they are. Other clients take
`line.through(url)` in place of the server's URL.
"""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

WAIT_SECONDS = 60
_PIECE = 64 * 1024
_HEAD_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Seen:
    """A request that passed."""

    method: str
    url: str
    origin: str | None
    status: int


@dataclass
class Break:
    """Where a request stops: the first that fits, or a later one by `after_requests`."""

    fits: Callable[[str, str], bool]
    after_requests: int
    # Bytes of its body that pass before; all of it, and the answer is kept back, if None.
    after_bytes: int | None
    reached: threading.Event = field(default_factory=threading.Event)
    decided: threading.Event = field(default_factory=threading.Event)
    cut: bool = True

    def wait(self) -> "Break":
        """Returns once a request stands here."""
        assert self.reached.wait(WAIT_SECONDS), "no request came to where the line should break"
        return self

    def drop(self) -> None:
        """Cuts the line under it."""
        self.cut = True
        self.decided.set()

    def release(self) -> None:
        """Lets it go on."""
        self.cut = False
        self.decided.set()


class Line:
    """A proxy on a free port of this machine, for as long as the `with` block lasts."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._breaks: list[Break] = []
        self._lock = threading.Lock()
        self._upstream = ""
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> "Line":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.close()
        for stop in self._breaks:
            stop.drop()

    def through(self, url: str) -> str:
        """The same URL by way of this line. One server at a time."""
        where = urlsplit(url)
        self._upstream = where.netloc
        return f"{self.url}{where.path}"

    def hold(self, method: str, part: str = "", *, after_requests: int = 0, after_bytes: int = 0) -> Break:
        """Stops a request whose URL contains `part` in mid-body, until it is dropped or released."""
        return self._add(Break(_fitting(method, part), after_requests, after_bytes))

    def cut(self, method: str, part: str = "", *, after_requests: int = 0, after_bytes: int = 0) -> Break:
        """Cuts the line under a request in mid-body."""
        stop = self.hold(method, part, after_requests=after_requests, after_bytes=after_bytes)
        stop.drop()
        return stop

    def lose_answer(self, method: str, part: str = "", *, after_requests: int = 0) -> Break:
        """Cuts the line once the server has answered: it did what was asked, and the client can't know."""
        stop = self._add(Break(_fitting(method, part), after_requests, None))
        stop.drop()
        return stop

    def count(self, method: str, part: str = "") -> int:
        """Of requests that were answered."""
        return sum(1 for seen in self.seen if seen.method == method and part in seen.url)

    def _add(self, stop: Break) -> Break:
        with self._lock:
            self._breaks.append(stop)
        return stop

    def _break_for(self, method: str, url: str) -> Break | None:
        """The break that this request meets; each is met once."""
        with self._lock:
            for stop in self._breaks:
                if stop.reached.is_set() or not stop.fits(method, url):
                    continue
                if stop.after_requests:
                    stop.after_requests -= 1
                    continue
                stop.reached.set()
                return stop
        return None

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One request: the client is told to open another connection for the next."""
        upstream = None
        try:
            with client:
                client.settimeout(WAIT_SECONDS)
                head, rest = _read_head(client)
                if not head:
                    return
                method, url, headers = _parsed(head, self._upstream)
                stop = self._break_for(method, url)
                upstream = socket.create_connection(_address(url), timeout=WAIT_SECONDS)
                with upstream:
                    self._relay(client, upstream, (method, url, headers), rest, stop)
        except OSError:
            # Either side is gone; the other learns it by its closed connection.
            return

    def _relay(
        self, client: socket.socket, upstream: socket.socket, request: tuple[str, str, dict[str, str]], rest: bytes,
        stop: Break | None,
    ) -> None:
        method, url, headers = request
        where = urlsplit(url)
        target = where._replace(scheme="", netloc="").geturl() or "/"
        sent = headers | {"connection": "close"}
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        upstream.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        pieces = _body(client, rest, headers)
        if stop is not None and stop.after_bytes is not None and not self._stand(upstream, pieces, stop):
            return
        for piece in pieces:
            upstream.sendall(piece)
        answer, more = _read_head(upstream)
        status = int(answer.split(b" ", 2)[1])
        if stop is not None and stop.after_bytes is None:
            stop.decided.wait(WAIT_SECONDS)
            if stop.cut:
                return
        with self._lock:
            self.seen.append(Seen(method, url, headers.get("origin"), status))
        client.sendall(_closing(answer) + more)
        while piece := upstream.recv(_PIECE):
            client.sendall(piece)

    def _stand(self, upstream: socket.socket, pieces: "_Pieces", stop: Break) -> bool:
        """Sends what may pass, waits, and answers whether the rest may follow."""
        passed = 0
        while passed < stop.after_bytes and (piece := pieces.take(stop.after_bytes - passed)):
            upstream.sendall(piece)
            passed += len(piece)
        stop.decided.wait(WAIT_SECONDS)
        return not stop.cut


class _Pieces:
    """A request's body as it arrives, framed as it was."""

    def __init__(self, client: socket.socket, rest: bytes, left: int | None):
        self._client = client
        self._rest = rest
        # None: chunked, of a length that only its last chunk tells.
        self._left = left
        self._tail = b""

    def take(self, most: int) -> bytes:
        if self._left == 0:
            return b""
        if not self._rest:
            self._rest = self._client.recv(_PIECE)
            if not self._rest:
                raise ConnectionResetError
        piece, self._rest = self._rest[:most], self._rest[most:]
        if self._left is not None:
            piece = piece[: self._left]
            self._left -= len(piece)
        else:
            self._tail = (self._tail + piece)[-5:]
            if self._tail == b"0\r\n\r\n":
                self._left = 0
        return piece

    def __iter__(self):
        while piece := self.take(_PIECE):
            yield piece


def _fitting(method: str, part: str) -> Callable[[str, str], bool]:
    return lambda got, url: got == method and part in url


def _body(client: socket.socket, rest: bytes, headers: dict[str, str]) -> _Pieces:
    if "chunked" in headers.get("transfer-encoding", ""):
        return _Pieces(client, rest, None)
    return _Pieces(client, rest, int(headers.get("content-length", 0)))


def _read_head(line: socket.socket) -> tuple[bytes, bytes]:
    """Up to the empty line, and what came after it already."""
    got = b""
    while b"\r\n\r\n" not in got and len(got) < _HEAD_LIMIT:
        piece = line.recv(_PIECE)
        if not piece:
            return b"", b""
        got += piece
    head, _, rest = got.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _parsed(head: bytes, upstream: str) -> tuple[str, str, dict[str, str]]:
    """Method, absolute URL and headers of a request, to a proxy or to the server itself."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    headers.pop("proxy-connection", None)
    return method, target if "://" in target else f"http://{upstream}{target}", headers


def _address(url: str) -> tuple[str, int]:
    where = urlsplit(url)
    return where.hostname or "", where.port or 80


def _closing(head: bytes) -> bytes:
    lines = head.rstrip(b"\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"keep-alive:"))]
    return b"\r\n".join([*kept, b"connection: close", b"", b""])
