"""Starts and stops the emulator, on loopback only."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from .settings import REGION, Failure, Settings

START_SECONDS = 60
STOP_SECONDS = 120


def start(settings: Settings) -> datetime | None:
    """Starts it unless it runs already. When it had stopped, if it goes on with what an earlier one saved."""
    found = running(settings)
    if found:
        _, port = found
        if port == settings.port and healthy(settings):
            return None
        stop(settings)
    if _taken(settings.port):
        raise Failure(
            f"port {settings.port} of 127.0.0.1 is taken by another program: "
            f"stop that, or choose another port with SLUICE_PORT, such as `SLUICE_PORT=4567 make up`"
        )
    stopped_at = _prepare_state(settings)
    with _log(settings).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("serve_ministack.py"))],
            env=_environment(settings), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd=settings.state, start_new_session=True,
        )
    _pid_file(settings).write_text(json.dumps({"pid": process.pid, "port": settings.port}))
    deadline = time.monotonic() + START_SECONDS
    while not healthy(settings):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failure(f"the emulator did not start, see {_log(settings)}")
        time.sleep(0.1)
    return stopped_at


def stop(settings: Settings) -> bool:
    """Asks it to end, which is when it saves its state, and waits; true if it ran."""
    found = running(settings)
    if not found:
        _pid_file(settings).unlink(missing_ok=True)
        return False
    pid, _ = found
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _alive(pid):
        if time.monotonic() > deadline:
            raise Failure(f"the emulator (process {pid}) did not end within {STOP_SECONDS} s; its state is not saved")
        time.sleep(0.1)
    _pid_file(settings).unlink(missing_ok=True)
    return True


def _environment(settings: Settings) -> dict[str, str]:
    # Functions inherit the whole of it, so it holds what they may see and nothing more.
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(settings.state),
        "LANG": "C.UTF-8",
        "TMPDIR": str(settings.state / "tmp"),
        "GATEWAY_PORT": str(settings.port),
        "BIND_HOST": "127.0.0.1",
        "AWS_ENDPOINT_URL": settings.endpoint,
        "MINISTACK_REGION": REGION,
        "AUTH": "true",  # IAM policies and signatures are enforced, as on AWS
        "IOT_MTLS_ENABLED": "0",  # would open another port
        "LAMBDA_EXECUTOR": "local",
        "LAMBDA_STRICT": "0",
        "PERSIST_STATE": "1",
        "S3_PERSIST": "1",
        "STATE_DIR": str(settings.state / "services"),
        "S3_DATA_DIR": str(settings.state / "s3"),
        "LOG_LEVEL": "WARNING",
        # Lambda sets these from the function's LoggingConfig; the emulator doesn't.
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
    }


def _prepare_state(settings: Settings) -> datetime | None:
    services, objects, temporary = (settings.state / name for name in ("services", "s3", "tmp"))
    if objects.exists() and not services.exists():
        # It was killed before it ever saved: objects without their buckets' stack would only be in the way.
        shutil.rmtree(objects)
    shutil.rmtree(temporary, ignore_errors=True)
    for folder in (services, objects, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    _change_state(services / "lambda.json", _forget_stream_positions)
    return _change_state(services / "sqs.json", _hand_messages_out_again)


def _change_state(state: Path, change: Callable[[dict], None]) -> datetime | None:
    """Changes what a service saved. When it did, if it ever did."""
    if not state.exists():
        return None
    saved_at = datetime.fromtimestamp(state.stat().st_mtime, UTC)
    document = json.loads(state.read_text())
    change(document.get("payload", {}))
    state.write_text(json.dumps(document))
    return saved_at


def _forget_stream_positions(payload: dict) -> None:
    """After a restart the emulator keeps how far each stream mapping had read, but not the stream's records: the
    mapping would wait for ever at a place that new records never reach."""
    positions = payload.get("dynamodb_stream_positions")
    if isinstance(positions, dict):
        positions["data"] = {}


def _hand_messages_out_again(payload: dict) -> None:
    """Whoever had received a message ended with the emulator: nobody deletes it, and its visibility timeout, up to half an
    hour, would have to pass."""
    for queue in payload.get("queues", {}).get("data", {}).values():
        for message in queue.get("messages", []):
            message["visible_at"] = 0


def _pid_file(settings: Settings) -> Path:
    return settings.state / "emulator.json"


def _log(settings: Settings) -> Path:
    settings.state.mkdir(parents=True, exist_ok=True)
    return settings.state / "emulator.log"


def running(settings: Settings) -> tuple[int, int] | None:
    """Its process and port."""
    try:
        known = json.loads(_pid_file(settings).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return (known["pid"], known["port"]) if _alive(known["pid"]) else None


def _alive(pid: int) -> bool:
    try:
        os.waitpid(pid, os.WNOHANG)  # when this very process started it
    except ChildProcessError:
        pass
    try:
        # The number may long belong to another program.
        return b"ministack" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def healthy(settings: Settings) -> bool:
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{settings.endpoint}/_ministack/health", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
