"""What several tests check in the same way."""

import requests

PROBLEM_FIELDS = {"type", "title", "status", "code", "detail", "request_id"}


def assert_problem(answer: requests.Response, status: int, code: str | set[str]) -> dict:
    """An error as contracts say: `application/problem+json` (RFC 9457) with a code for programs."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:500]}"
    assert answer.headers["content-type"].split(";")[0] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() >= PROBLEM_FIELDS, problem
    assert problem["status"] == status
    assert problem["code"] in ({code} if isinstance(code, str) else code), problem
    assert all(isinstance(problem[field], str) and problem[field] for field in PROBLEM_FIELDS - {"status"}), problem
    return problem


def statuses(messages: list[dict]) -> list[tuple[str, str, str]]:
    """Stage, message status and processing status of each message, runs of the same told once."""
    steps = []
    for message in messages:
        asset = message["asset"]
        step = (asset["stage"], asset["message_status"], asset["processing_status"])
        if not steps or steps[-1] != step:
            steps.append(step)
    return steps


UPLOADING = ("uploading", "pending", "queued")
ARRIVED = ("processing", "pending", "queued")
RUNNING = ("processing", "pending", "running")
DONE = ("done", "sent", "done")
FAILED = ("failed", "pending", "failed")
CANCELLED = ("cancelled", "pending", "cancelled")


def update_steps(messages: list[dict]) -> list[tuple[int, str | None]]:
    """The version that each message shows and the stage of the one that is on its way, runs of the same told once."""
    steps = []
    for message in messages:
        asset = message["asset"]
        step = (asset["version"], asset["update"] and asset["update"]["stage"])
        if not steps or steps[-1] != step:
            steps.append(step)
    return steps


def apart_from_update(document: dict) -> dict:
    """What a document shows, whatever becomes of an update beside it."""
    kept = {key: value for key, value in document.items() if key not in ("update", "poll", "revision", "updated_at")}
    return without_signatures(kept)


def without_signatures(document: object) -> object:
    """A document whose links are cut at their query, and don't say how long they hold: two signatures of one link differ."""
    if isinstance(document, dict):
        return {key: without_signatures(value) for key, value in document.items() if key != "expires_at"}
    if isinstance(document, list):
        return [without_signatures(value) for value in document]
    if isinstance(document, str) and "X-Amz-Signature=" in document:
        return document.split("?")[0]
    return document
