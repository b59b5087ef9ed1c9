"""Live state: every device of a user is told every stage, in order; nobody else is told anything."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest
from websockets.exceptions import InvalidStatus

from checks import ARRIVED, DONE, RUNNING, UPLOADING, assert_problem, statuses, without_signatures
from client import Live, eventually, put
from media import sample


# When a connection was recorded that can't be opening still.
LONG_AGO = "2020-01-01T00:00:00.000Z"


def send_photo(user, name="astronaut.jpg") -> dict:
    return user.send(name, sample(name), content_type="image/jpeg")


def test_two_devices_are_told_the_same_in_the_same_order(alice):
    with alice.live() as one, alice.live() as two:
        asset_id = send_photo(alice)["asset_id"]
        first, second = one.follow(asset_id), two.follow(asset_id)
    for told in (first, second):
        assert statuses(told) == [UPLOADING, ARRIVED, RUNNING, DONE]
        assert [message["seq"] for message in told] == list(range(1, len(told) + 1))
    assert without_signatures(first) == without_signatures(second)


def test_several_uploads_at_once_are_each_told_in_order(alice):
    names = ["astronaut.jpg", "rocket.jpg", "chelsea.png"]
    with alice.live() as live:
        grants = [alice.prepare(name, len(sample(name))) for name in names]
        for grant, name in zip(grants, names, strict=True):
            put(grant, sample(name))
        for grant in grants:
            told = live.follow(grant["asset_id"])
            assert statuses(told) == [UPLOADING, ARRIVED, RUNNING, DONE]
            assert [message["seq"] for message in told] == list(range(1, len(told) + 1))


def test_other_users_are_told_nothing(alice, bob):
    with alice.live() as hers, bob.live() as his:
        hers.follow(send_photo(alice)["asset_id"])
        # What he is told of his own comes after whatever he might have been told of hers.
        own = send_photo(bob)["asset_id"]
        his.follow(own)
        his.settle()
    assert {message["asset"]["asset_id"] for message in his.messages if message["type"] == "asset"} == {own}


# Tickets

def test_a_ticket_is_short_lived_and_unguessable(alice):
    answer = alice.call("POST", "/tickets", 201, json={})
    assert answer.keys() >= {"ticket", "expires_at"}
    assert len(answer["ticket"]) >= 40
    assert alice.ticket() != answer["ticket"]


def test_a_ticket_opens_one_connection(alice):
    url = f"{alice.deployment.websocket}?ticket={alice.ticket()}"
    with Live(url) as live:
        live.settle()
        with pytest.raises(InvalidStatus) as refused:
            Live(url)
    assert refused.value.response.status_code in (401, 403)


@pytest.mark.parametrize("query", ["", "?ticket=", f"?ticket={'x' * 43}", "?ticket=%00", f"?ticket={'x' * 5000}", "?token=x"])
def test_no_connection_without_a_ticket(deployment, query):
    with pytest.raises(InvalidStatus) as refused:
        Live(deployment.websocket + query)
    assert refused.value.response.status_code in (400, 401, 403, 414)


def test_a_bearer_token_is_no_ticket(deployment, alice):
    with pytest.raises(InvalidStatus) as refused:
        Live(f"{deployment.websocket}?ticket={deployment.token(alice.owner)}")
    assert refused.value.response.status_code in (401, 403)


# Subscribe

def test_subscribe_answers_the_present_document(alice):
    asset_id = alice.send_and_wait("astronaut.jpg", sample("astronaut.jpg"))["asset_id"]
    with alice.live() as live:
        live.send({"action": "subscribe", "asset_id": asset_id})
        message = live.of_type("asset")
    assert message["seq"] == message["asset"]["revision"]
    assert without_signatures(message["asset"]) == without_signatures(alice.asset(asset_id))


def test_other_peoples_assets_do_not_exist_for_subscribers(alice, bob):
    hers = alice.prepare("a.jpg", 10)["asset_id"]
    nobodys = "0190a6d4-7c5e-7b3a-8f2d-1c2b3a4d5e6f"
    with bob.live() as live:
        answers = []
        for asset_id in (hers, nobodys):
            live.send({"action": "subscribe", "asset_id": asset_id})
            answers.append(live.of_type("error"))
    assert [answer["code"] for answer in answers] == ["asset_not_found"] * 2
    assert str(answers[0]).replace(hers, "") == str(answers[1]).replace(nobodys, "")


# Sync

def moments_before(moment: str) -> str:
    """What `synced` names overlaps with what was told by this much, for the index that a sync reads may lag."""
    earlier = datetime.fromisoformat(moment) - timedelta(seconds=15)
    return earlier.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_what_was_missed_is_replayed_on_reconnect(alice):
    with alice.live() as live:
        grant = alice.prepare("astronaut.jpg", len(sample("astronaut.jpg")))
        seen = live.reach(grant["asset_id"], "uploading")
    grant_time = moments_before(seen["created_at"])
    with alice.live() as other_device:
        put(grant, sample("astronaut.jpg"))
        missed = alice.send("rocket.jpg", sample("rocket.jpg"))["asset_id"]
        last = {asset_id: other_device.follow(asset_id)[-1] for asset_id in (grant["asset_id"], missed)}
    with alice.live() as live:
        live.send({"action": "sync", "since": seen["updated_at"]})
        synced = live.of_type("synced")
        replayed = {message["asset"]["asset_id"]: message for message in live.messages if message["type"] == "asset"}
    assert replayed.keys() == last.keys()
    for asset_id, message in last.items():
        assert replayed[asset_id]["seq"] == message["seq"]
        assert without_signatures(replayed[asset_id]) == without_signatures(message)
    assert synced["at"] >= grant_time, "the next sync need not begin at the same place"


def test_a_sync_from_its_own_answer_leaves_nothing_out(alice):
    with alice.live() as live:
        live.send({"action": "sync", "since": "2020-01-01T00:00:00Z"})
        first = live.of_type("synced")
        assert live.messages == [first], "a new user has nothing"
        asset_id = alice.prepare("a.jpg", 10)["asset_id"]
        live.reach(asset_id, "uploading")
    with alice.live() as live:
        live.send({"action": "sync", "since": first["at"]})
        live.of_type("synced")
        assert [message["asset"]["asset_id"] for message in live.messages[:-1]] == [asset_id]


def test_a_sync_replays_many_assets(alice):
    ids = {alice.prepare(f"{number}.jpg", 10)["asset_id"] for number in range(60)}
    with alice.live() as live:
        live.send({"action": "sync", "since": "2020-01-01T00:00:00Z"})
        live.of_type("synced")
    assert {message["asset"]["asset_id"] for message in live.messages[:-1]} == ids


def test_a_sync_tells_nothing_of_others(alice, bob):
    alice.prepare("a.jpg", 10)
    with bob.live() as live:
        live.send({"action": "sync", "since": "2020-01-01T00:00:00Z"})
        live.of_type("synced")
    assert [message["type"] for message in live.messages] == ["synced"]


# Frames

def test_a_ping_is_answered(alice):
    with alice.live() as live:
        live.send({"action": "ping"})
        assert live.of_type("pong") == {"type": "pong"}


@pytest.mark.parametrize("frame", [
    "", "no json", "{", "[]", "7", "null", '"ping"', {}, {"action": None}, {"action": 7}, {"action": "dance"},
    {"action": "$connect"}, {"action": "$disconnect"},
    {"action": "subscribe"}, {"action": "subscribe", "asset_id": 7}, {"action": "subscribe", "asset_id": "../x"},
    {"action": "sync"}, {"action": "sync", "since": "yesterday"}, {"action": "sync", "since": 0},
    {"action": "subscribe", "asset_id": "x" * 20_000},
], ids=lambda frame: str(frame)[:40])
def test_a_malformed_frame_is_answered_and_the_connection_lives(alice, frame):
    with alice.live() as live:
        live.send(frame)
        error = live.of_type("error")
        assert isinstance(error["code"], str)
        live.settle()
        asset_id = alice.prepare("a.jpg", 10)["asset_id"]
        live.reach(asset_id, "uploading")


# Connections that come while something changes

def test_connections_that_open_while_assets_change_are_told_of_every_later_change(alice):
    """The first push to a connection may come before its handshake ends, when API Gateway answers that it is gone."""
    all_open, opened = threading.Event(), []

    def upload() -> None:
        while not all_open.is_set():
            send_photo(alice)

    with ThreadPoolExecutor(2) as pool, ExitStack() as closing:
        closing.callback(all_open.set)
        uploads = [pool.submit(upload) for _ in range(2)]
        with ThreadPoolExecutor(6) as devices:
            for live in devices.map(lambda _: alice.live(), range(30)):
                opened.append(closing.enter_context(live))
        all_open.set()
        for running in uploads:
            running.result()
        later = send_photo(alice, "rocket.jpg")["asset_id"]
        for live in opened:
            assert statuses(live.follow(later)) == [UPLOADING, ARRIVED, RUNNING, DONE]
        assert len(alice.deployment.connections(alice.owner)) == len(opened)


def test_a_connection_that_was_forgotten_is_told_again_once_it_has_spoken(alice):
    deployment = alice.deployment
    with alice.live() as live:
        [item] = deployment.connections(alice.owner)
        connection_id = item["sk"].removeprefix("C#")
        for key in ({"pk": item["pk"], "sk": item["sk"]}, {"pk": f"C#{connection_id}", "sk": "C"}):
            deployment.table.delete_item(Key=key)
        live.settle()
        assert [again["sk"] for again in deployment.connections(alice.owner)] == [item["sk"]]
        assert statuses(live.follow(send_photo(alice)["asset_id"]))[-1] == DONE


# Connections that go

def test_a_closed_connection_is_forgotten(alice):
    with alice.live():
        assert len(alice.deployment.connections(alice.owner)) == 1
    eventually(lambda: not alice.deployment.connections(alice.owner))


def test_a_killed_connection_is_forgotten_and_the_others_are_told(alice):
    with alice.live() as kept:
        killed = alice.live()
        assert len(alice.deployment.connections(alice.owner)) == 2
        killed.kill()
        told = kept.follow(send_photo(alice)["asset_id"])
        assert statuses(told)[-1] == DONE
        eventually(lambda: len(alice.deployment.connections(alice.owner)) == 1)


def test_a_connection_whose_end_was_never_told_is_removed(alice):
    """API Gateway promises no `$disconnect`: a connection that is gone is noticed when it is written to, unless it was
    recorded so recently that it may be opening still."""
    deployment = alice.deployment
    with alice.live() as live:
        [real] = deployment.connections(alice.owner)
        real_id = real["sk"].removeprefix("C#")
        ghost_id = secrets.token_urlsafe(11)[:11] + "="
        reverse = deployment.table.get_item(Key={"pk": f"C#{real_id}", "sk": "C"})["Item"]
        for item in (real, reverse):
            deployment.table.put_item(Item={
                name: value.replace(real_id, ghost_id) if isinstance(value, str) else value
                for name, value in item.items()
            } | {"since": LONG_AGO})
        assert len(deployment.connections(alice.owner)) == 2
        live.follow(send_photo(alice)["asset_id"])
        eventually(lambda: deployment.connections(alice.owner) == [real])


def test_tickets_need_a_bearer_token(alice):
    answer = alice.request("POST", "/tickets", headers={"Authorization": "Bearer x"})
    assert answer.status_code in (401, 403)


def test_tickets_are_posted(alice):
    answer = alice.request("GET", "/tickets")
    assert answer.status_code in (404, 405)
    if answer.headers["content-type"].startswith("application/problem"):
        assert_problem(answer, answer.status_code, "method_not_allowed")
