"""Runs it: uploads by all doors, trouble meanwhile, then the checks. Prints the tables; exits with 1 where a promise is
broken. `make bench-load` calls it by run.sh, which starts a stack for it alone."""

import argparse
import hashlib
import random
import sys
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed

from client import Sluice
from deployment import Deployment
from stack.progress import say
from stack.settings import Settings

from . import checks
from .chaos import Chaos
from .contents import IN_PARTS, made
from .devices import Device
from .doors import DOORS, Upload
from .patience import Patient, Refused

AT_ONCE = 40
OWNERS = 5
DEVICES = 3
# One upload in so many has the bytes of an earlier one of its owner; half of them say so.
DUPLICATE_EVERY = 12
KINDS = {"jpg": 5, "png": 2, "txt": 2, "pdf": 1}


def planned(count: int, seed: int) -> list[Upload]:
    """What is to be sent, in a random order that is the seed's."""
    source = random.Random(seed)
    doors = source.choices(list(DOORS), [door.share for door in DOORS.values()], k=count)
    # Every door, however few there are.
    doors[: len(DOORS)] = list(DOORS)[:count]
    source.shuffle(doors)
    owners = [f"load-{number}-{uuid.uuid4().hex[:8]}" for number in range(OWNERS)]
    uploads: list[Upload] = []
    walked: Counter[str] = Counter()
    for number, door in enumerate(doors):
        walked[door] += 1
        in_parts = DOORS[door].in_parts_every and walked[door] % DOORS[door].in_parts_every == 0
        owner, kind = source.choice(owners), *source.choices(list(KINDS), list(KINDS.values())),
        content = made(number, kind, IN_PARTS if in_parts else 0)
        upload = Upload(number, door, owner, kind, content)
        earlier = [other for other in uploads if other.owner == owner and other.size < IN_PARTS]
        if earlier and not in_parts and source.randrange(DUPLICATE_EVERY) == 0:
            original = source.choice(earlier)
            upload.kind, upload.content = original.kind, original.content
            if source.random() < 0.5:
                upload.sha256 = hashlib.sha256(upload.content).hexdigest()
        uploads.append(upload)
    return uploads


def send(deployment: Deployment, upload: Upload) -> None:
    client = Patient(Sluice(deployment, upload.owner))
    try:
        DOORS[upload.door].walk(client, upload)
        upload.acknowledged = True
    # Of the last two an answer that lacks something: this upload's fault, and told in the table.
    except (Refused, LookupError, ValueError) as error:
        upload.error = f"{type(error).__name__}: {error}"
    upload.retries = client.retries


def send_all(deployment: Deployment, uploads: list[Upload], chaos: Chaos) -> None:
    """All of them, 40 at a time; the stack is restarted when half of them are through."""
    restart = threading.Thread(target=chaos.restart, name="restart")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(send, deployment, upload) for upload in uploads]
        for done, ended in enumerate(as_completed(running), start=1):
            ended.result()
            if done == len(uploads) // 2:
                say("restarting the stack")
                restart.start()
            if done % 100 == 0:
                say(f"{done} uploads are through")
    restart.join()


def doors_table(uploads: list[Upload]) -> str:
    rows = ["| door | uploads | acknowledged | retries | errors |", "|---|---|---|---|---|"]
    for name in [*DOORS, "all"]:
        mine = [upload for upload in uploads if name in (upload.door, "all")]
        acknowledged = sum(upload.acknowledged for upload in mine)
        retries = sum(upload.retries for upload in mine)
        rows.append(f"| {name} | {len(mine)} | {acknowledged} | {retries} | {len(mine) - acknowledged} |")
    return "\n".join(rows)


def kills_table(chaos: Chaos) -> str:
    at_work = chaos.killed_at_work()
    rows = ["| killed | times | at work |", "|---|---|---|"]
    rows += [f"| {name} | {times} | {at_work[name]} |" for name, times in sorted(chaos.kills.items())]
    rows.append(f"| all | {chaos.kills.total()} | {at_work.total()} |")
    return "\n".join(rows)


def promises_table(findings: list[checks.Finding]) -> str:
    rows = ["| promise | kept | measured |", "|---|---|---|"]
    rows += [
        f"| {finding.promise} | {'no' if finding.broken else 'yes'} | {finding.measured} |" for finding in findings
    ]
    return "\n".join(rows + [f"broken: {finding.promise}: {line}" for finding in findings for line in finding.broken])


def main() -> int:
    parser = argparse.ArgumentParser(prog="load", description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--quota", type=int, required=True, help="bytes of each owner, as deployed")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    deployment, chaos = Deployment.from_environment(), Chaos(Settings.from_environment(), arguments.seed)
    uploads = planned(arguments.count, arguments.seed)
    owners = sorted({upload.owner for upload in uploads})
    devices = [
        Device(Sluice(deployment, owner), f"device {number} of {owner}") for owner in owners for number in range(DEVICES)
    ]
    for device in devices:
        device.start()
    say(f"sending {len(uploads)} uploads of {len(owners)} owners, {sum(u.size for u in uploads) / 1e6:.0f} MB")
    chaos.start()
    began = time.monotonic()
    send_all(deployment, uploads, chaos)
    took = time.monotonic() - began
    chaos.stop()
    say("all sent; waiting for the last of them to end")
    assets = checks.wait_for_end(deployment, uploads)
    say("checking")
    findings = [
        checks.all_acknowledged(uploads),
        checks.nothing_lost(uploads, assets),
        checks.terminal_in_time(uploads, assets),
        # Before any sync: one that says something is put on record again.
        checks.quota_and_pushes(deployment, devices, arguments.quota),
        checks.nobody_deaf(devices, assets),
        checks.usage_exact(deployment, owners),
        checks.nothing_left_over(deployment),
    ]
    for device in devices:
        device.stop()
    restarted = f"{chaos.restart_seconds:.0f} s" if chaos.restart_seconds else "never"
    print(f"\n{len(uploads)} uploads in {took:.0f} s, {AT_ONCE} at a time; the restart took {restarted}\n")
    print(doors_table(uploads), kills_table(chaos), promises_table(findings), sep="\n\n")
    return int(any(finding.broken for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
