"""Open WebSocket connections: what an application on a user's device does with one, and what it was told.

It says `sync` on every connection, and again ten seconds later (README, "Calling it"), and connects again when the line
is cut."""

import threading
import time

import requests
from client import Live, Sluice
from websockets.exceptions import WebSocketException

EVER = "2020-01-01T00:00:00Z"
SECOND_SYNC_AFTER = 10.0
# A `sync` whose function died is not answered.
ANSWER_WITHIN = 20.0
LOOK_EVERY = 0.5
RECONNECT_PAUSES = (0.2, 5.0)


class Device(threading.Thread):
    """One of an owner's devices."""

    def __init__(self, user: Sluice, name: str):
        super().__init__(name=name, daemon=True)
        self.user = user
        # The highest revision told of each asset.
        self.told: dict[str, int] = {}
        self.connections = 0
        self.pushes = 0
        self._since = EVER
        self._sync_at: list[float] = []
        self._asked_at: float | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()

    def run(self) -> None:
        shortest, longest = RECONNECT_PAUSES
        pause = shortest
        while not self._over.is_set():
            try:
                with self.user.live() as live:
                    self.connections += 1
                    pause = shortest
                    now = time.monotonic()
                    with self._lock:
                        self._asked_at, self._sync_at = None, [now, now + SECOND_SYNC_AFTER]
                    while not self._over.is_set():
                        self._listen(live)
            # AssertionError: the ticket was refused for now.
            except (AssertionError, OSError, WebSocketException, requests.RequestException):
                self._over.wait(pause)
                pause = min(pause * 2, longest)

    def sync(self) -> None:
        """Asks for all that changed since the last time; `synced` tells when it has come."""
        with self._lock:
            self._sync_at.append(time.monotonic())

    @property
    def synced(self) -> bool:
        with self._lock:
            now = time.monotonic()
            return self._asked_at is None and not any(at <= now for at in self._sync_at)

    def stop(self) -> None:
        self._over.set()

    def _listen(self, live: Live) -> None:
        with self._lock:
            now = time.monotonic()
            due = [at for at in self._sync_at if at <= now]
            unanswered = self._asked_at is not None and now > self._asked_at + ANSWER_WITHIN
            ask = unanswered or (bool(due) and self._asked_at is None)
            if ask:
                self._sync_at = [at for at in self._sync_at if at > now]
                self._asked_at = now
        if ask:
            live.send({"action": "sync", "since": self._since})
        message = live.next(LOOK_EVERY)
        if message is None:
            return
        # One that API Gateway itself sends, of a function that died, has no type.
        match message.get("type"):
            case "asset":
                self.pushes += 1
                asset_id = message["asset"]["asset_id"]
                self.told[asset_id] = max(message["seq"], self.told.get(asset_id, 0))
            case "synced":
                with self._lock:
                    self._since, self._asked_at = message["at"], None
                    if message.get("more"):
                        self._sync_at.append(time.monotonic())
        live.messages.clear()
