"""What was promised, and whether it held. Each check answers what is wrong, a line for each, and what was measured."""

import hashlib
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from client import Sluice, bare_request
from deployment import Deployment

from .books import Books
from .devices import Device
from .doors import Upload
from .patience import Patient

TERMINAL_WITHIN = 600.0
# A sync reads an index that may lag; and a device whose line was cut connects again first.
TOLD_WITHIN = 60.0
LOOK_EVERY = 5.0


@dataclass
class Finding:
    """One promise."""

    promise: str
    measured: str = ""
    broken: list[str] = field(default_factory=list)


def wait_for_end(deployment: Deployment, uploads: list[Upload]) -> dict[str, dict]:
    """The documents of every asset, once all that was acknowledged is terminal or it took too long."""
    while True:
        assets = {owner: _assets(deployment, owner) for owner in sorted({upload.owner for upload in uploads})}
        open_ones = [upload for upload in uploads if upload.acknowledged and not _over(_asset_of(upload, assets))]
        # The client's clock and the server's are one here.
        overdue = [upload for upload in open_ones if time.time() > upload.last_byte_at + TERMINAL_WITHIN + LOOK_EVERY]
        if len(overdue) == len(open_ones):
            return assets
        time.sleep(LOOK_EVERY)


def _assets(deployment: Deployment, owner: str) -> dict[str, dict]:
    client, found, cursor = Patient(Sluice(deployment, owner)), {}, None
    while True:
        page = client.call("GET", "/assets", 200, params={"limit": 100, "cursor": cursor})
        found |= {asset["asset_id"]: asset for asset in page["assets"]}
        cursor = page["next"]
        if not cursor:
            return found


def _asset_of(upload: Upload, assets: dict[str, dict]) -> dict | None:
    """By its id where the door tells it, else by its name, which is no other upload's. Of one that was opened twice
    the one that got furthest."""
    owned = assets[upload.owner]
    if upload.asset_id:
        return owned.get(upload.asset_id)
    named = [asset for asset in owned.values() if asset["filename"] == upload.filename]
    return max(named, key=lambda asset: (asset["stage"] == "done", asset["stage"] != "uploading"), default=None)


def _over(asset: dict | None) -> bool:
    return asset is not None and asset["stage"] in ("done", "failed", "cancelled") and asset["poll"] is None


def nothing_lost(uploads: list[Upload], assets: dict[str, dict]) -> Finding:
    """Every acknowledged upload is done, and its bytes are those that were sent."""
    def look(upload: Upload) -> str | None:
        asset = _asset_of(upload, assets)
        if asset is None:
            return "there is no such asset"
        if asset["stage"] != "done":
            return f"{asset['stage']}, {asset['failure']}"
        digest = hashlib.sha256(upload.content).hexdigest()
        if (asset["size"], asset["sha256"]) != (upload.size, digest):
            return f"{asset['size']} bytes of {asset['sha256']}, sent were {upload.size} of {digest}"
        answer = bare_request("GET", asset["media_url"])
        if answer.status_code != 200 or answer.content != upload.content:
            return f"the link answers {answer.status_code} and {len(answer.content)} other bytes"
        return None

    acknowledged = [upload for upload in uploads if upload.acknowledged]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(look, acknowledged))
    broken = [_line(upload, why) for upload, why in zip(acknowledged, found, strict=True) if why]
    return Finding("nothing lost", f"{len(acknowledged) - len(broken)} of {len(acknowledged)} done, bytes equal", broken)


def all_acknowledged(uploads: list[Upload]) -> Finding:
    """Whoever asks again gets in."""
    broken = [_line(upload, upload.error or "") for upload in uploads if not upload.acknowledged]
    return Finding("every client gets in", f"{len(uploads) - len(broken)} of {len(uploads)} acknowledged", broken)


def terminal_in_time(uploads: list[Upload], assets: dict[str, dict]) -> Finding:
    """All terminal within ten minutes of the last byte."""
    seconds, broken = [], []
    for upload in uploads:
        if not upload.acknowledged:
            continue
        asset = _asset_of(upload, assets)
        if not _over(asset):
            broken.append(_line(upload, f"still {asset and asset['stage']}"))
            continue
        took = max(datetime.fromisoformat(asset["updated_at"]).timestamp() - upload.last_byte_at, 0.0)
        seconds.append(took)
        if took > TERMINAL_WITHIN:
            broken.append(_line(upload, f"after {took:.0f} s"))
    measured = "none"
    if len(seconds) > 1:
        p95 = statistics.quantiles(seconds, n=20)[-1]
        measured = f"median {statistics.median(seconds):.1f} s, p95 {p95:.1f} s, max {max(seconds):.1f} s"
    return Finding("terminal within 10 minutes of the last byte", measured, broken)


def nobody_deaf(devices: list[Device], assets: dict[str, dict]) -> Finding:
    """Every device was told the last revision of each of its owner's assets, at the latest by a sync."""
    def behind(device: Device) -> int:
        owned = assets[device.user.owner]
        return sum(device.told.get(asset_id, 0) < asset["revision"] for asset_id, asset in owned.items())

    before = sum(map(behind, devices))
    for device in devices:
        device.sync()
    deadline = time.monotonic() + TOLD_WITHIN
    while time.monotonic() < deadline and not all(device.synced and not behind(device) for device in devices):
        time.sleep(0.1)
    broken = [f"{device.name} misses {missed} assets" for device in devices if (missed := behind(device))]
    broken += [f"{device.name}: its sync was not answered" for device in devices if not device.synced]
    told = sum(len(assets[device.user.owner]) for device in devices)
    measured = (
        f"{len(devices)} devices, {sum(device.connections for device in devices)} connections; of {told} last revisions "
        f"{told - before} were told without being asked for"
    )
    return Finding("no connection deaf", measured, broken)


def quota_and_pushes(deployment: Deployment, devices: list[Device], quota: int) -> Finding:
    """What is left of the quota is granted, to the byte and no byte more; and each device is told of that by a push, with
    no sync."""
    broken = []
    for owner in sorted({device.user.owner for device in devices}):
        client = Patient(Sluice(deployment, owner))
        left = quota - Books(deployment).kept[owner]["stored_bytes"]
        over = client.user.request("POST", "/prepare", json=_probe(left + 1))
        if "quota_exceeded" not in over.text:
            broken.append(f"{owner}: one byte more than is left is answered {over.status_code} {over.text[:200]}")
        asset_id = client.call("POST", "/prepare", 201, json=_probe(left))["asset_id"]
        client.request("DELETE", f"/assets/{asset_id}", {204})
        revision = client.call("GET", f"/assets/{asset_id}", 200)["revision"]
        deaf = [device for device in devices if device.user.owner == owner]
        deadline = time.monotonic() + TOLD_WITHIN
        while deaf and time.monotonic() < deadline:
            time.sleep(0.1)
            deaf = [device for device in deaf if device.told.get(asset_id, 0) < revision]
        broken += [f"{device.name} was not told of a change" for device in deaf]
    return Finding("quota exact, and every device hears of it by a push", f"{len(devices)} devices", broken)


def _probe(size: int) -> dict:
    return {"filename": "probe.bin", "file_size": size}


def usage_exact(deployment: Deployment, owners: list[str]) -> Finding:
    """What is kept of each owner is the sum over the assets."""
    books = Books(deployment)
    broken = [
        f"{owner}: kept {books.kept.get(owner)}, counted {books.counted[owner]}"
        for owner in owners if books.kept.get(owner) != books.counted[owner]
    ]
    stored = sum(books.counted[owner]["stored_bytes"] for owner in owners)
    open_uploads = sum(books.counted[owner]["open_uploads"] for owner in owners)
    return Finding("usage exact", f"{len(owners)} owners, {stored / 1e6:.1f} MB, {open_uploads} uploads open", broken)


def nothing_left_over(deployment: Deployment) -> Finding:
    """No multipart upload with parts, staged piece or object that no record names."""
    books = Books(deployment)
    holding, empty = books.unrecorded_uploads()
    broken = [*holding, *books.unrecorded_pieces(), *books.unrecorded_objects()]
    measured = (
        f"left by functions that died, for the lifecycle rules: {len(books.forgotten_pieces())} staged pieces, "
        f"{len(empty)} uploads without parts"
    )
    return Finding("nothing left over at S3 without a record", measured, broken)


def _line(upload: Upload, why: str) -> str:
    return f"{upload.door}, {upload.filename} of {upload.owner} ({upload.asset_id}): {why}"
