"""Requests that are sent again, with back-off, as long as their failure may pass: what a good client does.

A POST carries the same `Idempotency-Key` each time, so that what it makes is made once."""

import random
import time
from collections.abc import Callable
from uuid import uuid4

import requests
from client import Sluice, bare_request

# The stack's restart takes its time.
PATIENCE_SECONDS = 240
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
# 423: another request of the same tus upload is under way, or was when its function died.
PASSING = {408, 423, 425, 429}


class Refused(Exception):
    """An answer that won't get better, or patience that came to its end."""


class Patient:
    """One client with one file. Counts how often it had to ask again."""

    def __init__(self, user: Sluice):
        self.user = user
        self.retries = 0
        self._failing_since: float | None = None

    def call(self, method: str, path: str, expected: int, **options) -> dict:
        """A request to Sluice; answers its JSON."""
        return self.request(method, path, {expected}, **options).json()

    def request(self, method: str, path: str, expected: set[int], headers: dict | None = None, **options):
        headers = dict(headers or {})
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid4())
        return self._until(
            f"{method} {path.split('?')[0]}", expected,
            lambda: self.user.request(method, path, headers=headers, **options),
        )

    def bare(self, method: str, url: str, expected: set[int], **options):
        """A request to S3, by what was signed."""
        return self._until(f"{method} S3", expected, lambda: bare_request(method, url, **options))

    def once(self, method: str, path: str, **options) -> requests.Response | None:
        """A request that isn't sent again as it is; None where it failed for now."""
        try:
            answer = self.user.request(method, path, **options)
        except requests.RequestException:
            answer = None
        if answer is not None and answer.ok:
            self._failing_since = None
            return answer
        why = f"{method} {path}: {answer.status_code} {answer.text[:200]}" if answer is not None else f"{method} {path}"
        # 409: not where the upload is.
        if answer is not None and not (passes(answer) or answer.status_code == 409):
            raise Refused(why)
        self._failing_since = self._failing_since or time.monotonic()
        if time.monotonic() > self._failing_since + PATIENCE_SECONDS:
            raise Refused(f"{why}, for {PATIENCE_SECONDS} s")
        self.retries += 1
        time.sleep(FIRST_PAUSE)
        return None

    def _until(self, what: str, expected: set[int], send: Callable[[], requests.Response]) -> requests.Response:
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, FIRST_PAUSE
        while True:
            try:
                answer = send()
            except requests.RequestException as error:
                # The line itself: cut, or nobody there.
                why = f"{what}: {type(error).__name__}"
            else:
                if answer.status_code in expected:
                    return answer
                why = f"{what}: {answer.status_code} {answer.text[:200]}"
                if not passes(answer):
                    raise Refused(why)
            if time.monotonic() > deadline:
                raise Refused(f"{why}, for {PATIENCE_SECONDS} s")
            self.retries += 1
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE)


def passes(answer: requests.Response) -> bool:
    """Whether the same request may fare better a moment later."""
    if answer.status_code >= 500 or answer.status_code in PASSING:
        return True
    return answer.status_code == 409 and "request_in_flight" in answer.text
