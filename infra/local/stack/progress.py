"""What the person at the keyboard sees while a long step runs."""

import subprocess
import sys
import time
from pathlib import Path

from .settings import ROOT, Failure

_began = time.monotonic()


def say(text: str) -> None:
    print(f"==> [{time.monotonic() - _began:4.0f}s] {text}", flush=True)


def detail(text: str) -> None:
    print(f"           {text}", flush=True)


def run(command: list[str], environment: dict[str, str], log: Path | None = None) -> None:
    """Runs a tool at the project's root. Its output is shown, or kept in `log` and shown if it fails."""
    if log is None:
        sys.stdout.flush()
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    else:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as out:
            code = subprocess.run(
                command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT, check=False
            ).returncode
        if code:
            sys.stderr.write(log.read_text())
    if code:
        raise Failure(f"`{' '.join(command[:3])}` failed with exit code {code}")
