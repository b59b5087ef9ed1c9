"""The stack is stopped in the middle of everything, and started again."""

import subprocess
import sys
import uuid

import pytest

from client import bare_request, eventually, part_of, put, put_part, put_parts
from media import PART, noise, sample

WITHIN_SECONDS = 60


def stack(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", "stack", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def photo() -> bytes:
    """Bytes after the end of an image belong to no decoder: the same picture, yet no duplicate."""
    return sample("astronaut.jpg") + uuid.uuid4().bytes


@pytest.mark.alone
def test_what_was_under_way_goes_on(alice):
    done = [alice.send_and_wait("before.jpg", photo())["asset_id"]]
    grants = [alice.prepare(f"{number}.jpg", len(photo())) for number in range(12)]
    film = noise(3 * PART)
    multipart = alice.prepare("film.bin", len(film))
    alice.complete(multipart, put_parts(multipart, film))
    half = alice.prepare("half.bin", len(film))
    items = half["batch"]["items"]
    parts = [put_part(items[0], part_of(half, film, 1))]
    for number, grant in enumerate(grants):
        put(grant, photo())
        if number % 3 == 0:
            alice.complete(grant)
    stack("down")
    stack("up", "--no-sample")
    parts += [put_part(item, part_of(half, film, item["part_number"])) for item in items[1:]]
    alice.complete(half, parts)
    waited_for = {grant["asset_id"] for grant in [*grants, multipart, half]}

    def ended() -> bool:
        """every asset to be done"""
        stages = {asset["asset_id"]: asset["stage"] for asset in alice.call("GET", "/assets")["assets"]}
        return {asset for asset, stage in stages.items() if stage == "done"} >= waited_for

    eventually(ended, WITHIN_SECONDS)
    shown = alice.asset(done[0])["derivatives"][0]["url"]
    assert bare_request("GET", shown).status_code == 200, "what was done stays"
