"""Small files as form data: `POST /api/v1/assets` and the task to ask after."""

import pytest

from checks import DONE, assert_problem, statuses
from client import eventually
from media import MIB, PHOTO, noise, sample


def task_of(user, *files, **fields) -> dict:
    parts = [("file", (name, content)) for name, content in files]
    return user.call("POST", "/api/v1/assets", files=parts, data=fields)


def finished(user, task_id: str) -> dict:
    """The task once nothing more comes; `poll` says so."""
    task = {}

    def over() -> bool:
        task.update(user.call("GET", f"/api/v1/tasks/{task_id}"))
        return task["poll"] is None

    eventually(over)
    return task


def test_a_photo_is_taken_and_told_of_to_its_end(alice):
    photo = sample(PHOTO)[: 4 * MIB]
    with alice.live() as live:
        task = task_of(alice, ("photo.jpg", photo), folder="scripts", message_id="m-1")
        assert task.keys() >= {"task_id", "status"}
        assert task["status"] == "processing"
        asset_id = task["assets"][0]["asset_id"]
        told = live.follow(asset_id)
    assert statuses(told)[-1] == DONE
    asset = told[-1]["asset"]
    assert (asset["folder"], asset["message_id"]) == (f"users/{alice.owner}/scripts", "m-1")
    assert {made["name"] for made in asset["derivatives"]} == {"thumb", "preview", "large"}
    task = finished(alice, task["task_id"])
    assert (task["status"], task["assets"][0]["asset_id"]) == ("complete", asset_id)
    assert task["assets"][0]["stage"] == "done"


def test_a_task_is_told_of_as_its_files_end(alice):
    with alice.live() as live:
        task = task_of(alice, *[(f"{n}.bin", noise(900 + n)) for n in range(3)], ("bad\u202egpj.exe", b"bad"))
        live.until(lambda message: message["type"] == "task" and message["task"]["status"] != "processing")
    told = [message["task"] for message in live.messages if message["type"] == "task"]
    assert {each["task_id"] for each in told} == {task["task_id"]}
    done = [each["done"] for each in told]
    assert done == sorted(done)
    last = told[-1]
    assert (last["status"], last["total"], last["done"], last["failed"]) == ("failed", 4, 3, 1)
    assert last["assets"] == [asset["asset_id"] for asset in task["assets"]]
    assert last["refused"] == task["refused"]


def test_several_files_are_one_task(alice):
    files = [(f"{number}.bin", noise(1000 + number)) for number in range(3)] + [("empty.txt", b"")]
    task = task_of(alice, *files)
    assert [asset["filename"] for asset in task["assets"]] == [name for name, _ in files]
    task = finished(alice, task["task_id"])
    assert task["status"] == "complete"
    assert [asset["size"] for asset in task["assets"]] == [1000, 1001, 1002, 0]


def test_what_is_there_already_is_not_kept_twice(alice):
    content = noise(5000)
    first = alice.send_and_wait("first.bin", content)
    task = task_of(alice, ("first.bin", content))
    assert task["assets"][0]["asset_id"] == first["asset_id"]
    shown = task["assets"][0]["asset"]
    assert (shown["stage"], shown["sha256"]) == ("done", first["sha256"]), "known at once, with all that it has"
    assert finished(alice, task["task_id"])["status"] == "complete"
    assert len(alice.call("GET", "/assets")["assets"]) == 1


def test_a_file_in_another_script_keeps_its_name(alice):
    task = task_of(alice, ("写真 ü.txt", b"hello"))
    assert task["assets"][0]["filename"] == "写真 ü.txt"


def test_a_file_that_is_refused_hinders_no_other(alice):
    task = task_of(alice, ("good.txt", b"good"), ("bad\u202egpj.exe", b"bad"))
    assert [asset["filename"] for asset in task["assets"]] == ["good.txt"]
    assert [refused["code"] for refused in task["refused"]] == ["invalid_filename"]


def test_other_peoples_tasks_do_not_exist(alice, bob):
    task = task_of(alice, ("a.txt", b"a"))
    assert_problem(bob.request("GET", f"/api/v1/tasks/{task['task_id']}"), 404, "task_not_found")
    assert_problem(alice.request("GET", "/api/v1/tasks/nonsense"), 404, "task_not_found")


def test_too_large_a_form_is_sent_to_prepare(alice):
    answer = alice.request("POST", "/api/v1/assets", files={"file": ("big.bin", noise(5 * MIB))})
    problem = assert_problem(answer, 413, {"body_too_large", "payload_too_large"})
    assert "/prepare" in problem["detail"]
    assert alice.call("GET", "/assets")["assets"] == []


BOUNDARY = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(("content_type", "body", "status"), [
    (BOUNDARY, b"", 400),
    (BOUNDARY, b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\ncut off', 400),
    (BOUNDARY, b'--x\r\nContent-Disposition: form-data; name="folder"\r\n\r\nonly a field\r\n--x--\r\n', 400),
    (BOUNDARY, b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\nx\r\n--x--\r\n', 400),
    (BOUNDARY, b'--x\r\nContent-Disposition: form-data; name="file"; filename="../a"\r\n\r\nx\r\n--x--\r\n', 400),
    ("multipart/form-data", b"--x\r\n", 400),
    ("application/json", b"{}", 415),
])
def test_what_is_no_form_with_a_file_is_refused(alice, content_type, body, status):
    answer = alice.request("POST", "/api/v1/assets", data=body, headers={"content-type": content_type})
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == status
    assert alice.call("GET", "/assets")["assets"] == []
