"""What goes wrong meanwhile: processes of functions are killed at random, and once the whole stack is restarted."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from stack.emulator import running
from stack.settings import Settings

PAUSE_SECONDS = (0.5, 1.5)


class Chaos(threading.Thread):
    """Kills a function's process every second or so, until it is over."""

    def __init__(self, settings: Settings, seed: int):
        super().__init__(name="chaos", daemon=True)
        self.kills: Counter[str] = Counter()
        self.restart_seconds: float | None = None
        self._settings = settings
        self._random = random.Random(seed)
        self._over = threading.Event()
        # Nobody is killed while the stack comes and goes.
        self._peace = threading.Lock()

    def run(self) -> None:
        while not self._over.wait(self._random.uniform(*PAUSE_SECONDS)):
            with self._peace:
                self._kill_one()

    def stop(self) -> None:
        self._over.set()
        self.join()

    def restart(self) -> None:
        """Stops the stack as `make down` does, and starts it as `make up` does."""
        with self._peace:
            began = time.monotonic()
            for command in (["down"], ["up", "--no-sample"]):
                done = subprocess.run(
                    [sys.executable, "-m", "stack", *command], capture_output=True, text=True, check=False
                )
                if done.returncode:
                    raise RuntimeError(f"stack {command[0]} failed:\n{done.stdout}{done.stderr}")
            self.restart_seconds = time.monotonic() - began

    def killed_at_work(self) -> Counter[str]:
        """How many of those killed had a request or a batch in hand, as the emulator logged it."""
        said = re.compile(r"Lambda sluice-(\w+?)Function-\w+: Runtime exited before returning a response")
        with (self._settings.state / "emulator.log").open(errors="replace") as log:
            return Counter(name[1].lower() for line in log if (name := said.search(line)))

    def _kill_one(self) -> None:
        emulator = running(self._settings)
        processes = functions_of(emulator[0]) if emulator else {}
        if not processes:
            return
        # The function first: one that has many processes is no more in danger than one that has a single one.
        function = self._random.choice(sorted(set(processes.values())))
        process = self._random.choice([process for process, name in processes.items() if name == function])
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.kills[function] += 1


def functions_of(emulator: int) -> dict[int, str]:
    """The processes that an emulator started, and the name of each one's function."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            # The fields after the name, which may hold anything: state, parent, …
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            environment = (folder / "environ").read_bytes() if parent == emulator else b""
        except (FileNotFoundError, ProcessLookupError):
            continue
        name = re.search(rb"AWS_LAMBDA_FUNCTION_NAME=sluice-(\w+?)Function", environment)
        if name:
            found[int(folder.name)] = name[1].decode().lower()
    return found
