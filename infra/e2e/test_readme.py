"""The README's snippets, run in a browser as they stand there, with the libraries that they name."""

import re
from pathlib import Path

import pytest

from clients.fixtures import arrived, only_asset
from media import MIB

README = Path(__file__).resolve().parents[2] / "README.md"
SNIPPETS = dict(re.findall(r"<!-- snippet: ([\w-]+) -->\n```js\n(.*?)```", README.read_text(), re.DOTALL))
S3_PART = "partNumber="

# What happened, in place of what an application would do with it.
SEND = """
const heard = [];
return send({ api, token, file, fields: { folder: "from-the-readme" }, onProgress: (part) => heard.push(part) })
  .then((asset) => ({ asset, heard }), (error) => ({ error: error.message, status: error.status }));
"""
UPPY = """
const uppy = new Uppy();
%s
uppy.addFile({ name: file.name, type: file.type, data: file, meta: { folder: "from-the-readme" } });
return new Promise((resolve) => {
  uppy.once("complete", ({ successful, failed }) => resolve({
    successful: successful.map((file) => file.name), failed: failed.map((file) => String(file.error)),
  }));
  uppy.upload().catch(() => {});
});
"""
DROPZONE = """
const dropzone = Dropzone.forElement("#form");
const ended = new Promise((resolve) => dropzone.on("complete", resolve));
dropzone.addFile(file);
const { status, previewElement } = await ended;
return { status, shown: previewElement.querySelector("[data-dz-errormessage]").textContent };
"""


def snippets(*names: str) -> str:
    return "\n".join(SNIPPETS[name] for name in names)


def opened_with(open_page, file, **how):
    page = open_page(**how)
    page.choose(file)
    return page


def test_every_snippet_that_stands_there_is_run():
    text = README.read_text()
    assert text.count("```js\n") == len(SNIPPETS)
    tests = Path(__file__).read_text()
    assert [name for name in SNIPPETS if f'"{name}"' not in tests] == []


def test_a_photo_is_sent(open_page, alice, photo):
    with alice.live() as live:
        ended = opened_with(open_page, photo).run(snippets("ask", "send") + SEND)
        asset = arrived(live, photo)
    assert ended["asset"]["asset_id"] == asset["asset_id"]
    assert asset["folder"] == f"users/{alice.owner}/from-the-readme"
    again = opened_with(open_page, photo).run(snippets("ask", "send") + SEND)
    assert again["asset"]["asset_id"] != asset["asset_id"], "each call is a request of its own"


def test_parts_are_sent_though_the_line_breaks(open_page, alice, line, big_photo):
    line.cut("PUT", S3_PART, after_requests=1, after_bytes=MIB)
    with alice.live() as live:
        ended = opened_with(open_page, big_photo).run(snippets("ask", "send") + SEND)
        assert "error" not in ended, ended
        arrived(live, big_photo)
    assert ended["heard"] == sorted(ended["heard"])
    assert ended["heard"][-1] == 1
    only_asset(alice)


def test_parts_are_signed_anew_once_their_signatures_ended(open_page, alice, big_photo):
    expired = """
    const sendIt = window.fetch;
    let refused = 0;
    const fetch = (url, init) => init.method === "PUT" && refused++ === 0
      ? Promise.resolve(new Response("<Error><Message>Request has expired</Message></Error>", { status: 403 }))
      : sendIt(url, init);
    """
    with alice.live() as live:
        ended = opened_with(open_page, big_photo).run(expired + snippets("ask", "send") + SEND)
        assert "error" not in ended, ended
        arrived(live, big_photo)


def test_what_is_refused_says_why(open_page, alice, photo):
    page = opened_with(open_page, photo)
    code = snippets("ask", "send") + SEND
    assert page.run(code, token="no token") == {"error": "Forbidden", "status": 403}
    ended = page.run(code.replace("from-the-readme", "a//../b"))
    assert (ended["status"], ended["error"][:8]) == (400, "folder: ")


def test_who_is_offline_is_told(open_page, photo):
    # the pauses are the snippet's own; a test has no half minute
    hurry = "const setTimeout = (then) => queueMicrotask(then);"
    page = opened_with(open_page, photo)
    ended = page.run(hurry + snippets("ask", "send") + SEND, api="http://127.0.0.1:9")
    assert ended["error"].startswith("the server can't be reached")


def test_changes_are_heard_over_all_connections(open_page, alice, photo):
    code = """
    const lines = [];
    const WebSocket = class extends window.WebSocket {
      constructor(url) { super(url); lines.push(this); }
    };
    const known = [];
    let woken = () => {};
    const until = async (wanted) => { while (!wanted()) await new Promise((resolve) => { woken = resolve; }); };
    """ + snippets("ask", "send", "listen") + """
    const stop = listen({ api, socket, token, onAsset: (asset) => { known.push(asset); woken(); } });
    const ended = (id) => known.some((asset) => asset.asset_id === id && asset.stage === "done");
    const first = await send({ api, token, file });
    await until(() => ended(first.asset_id));
    lines[0].close();
    const second = await send({ api, token, file, fields: { message_id: "m-2" } });
    await until(() => ended(second.asset_id));
    stop();
    const order = known.filter((asset) => asset.asset_id === first.asset_id).map((asset) => asset.revision);
    return { lines: lines.length, order };
    """
    heard = opened_with(open_page, photo, direct=True).run(code)
    assert heard["lines"] == 2, "it came back by itself"
    assert heard["order"] == sorted(set(heard["order"]))


@pytest.mark.parametrize("name", ["tus", "job"])
def test_tus(open_page, alice, big_photo, name):
    with alice.live() as live:
        opened_with(open_page, big_photo).run(snippets("ask", name))
        arrived(live, big_photo)


@pytest.mark.parametrize(("names", "five"), [
    (["uppy-tus"], False), (["uppy-s3"], True), (["ask", "post", "uppy6"], False),
    (["ask", "post", "uppy6-sign"], False),
])
def test_uppy(open_page, alice, photo, names, five):
    with alice.live() as live:
        ended = opened_with(open_page, photo).run(UPPY % snippets(*names), five=five)
        assert ended == {"successful": [photo.name], "failed": []}
        arrived(live, photo)


@pytest.mark.parametrize(("names", "five"), [(["uppy-tus"], False), (["uppy-s3"], True)])
def test_uppy_says_that_a_token_is_refused(open_page, photo, names, five):
    ended = opened_with(open_page, photo).run(UPPY % snippets(*names), five=five, token="no token")
    assert ended["successful"] == []
    assert len(ended["failed"]) == 1


def test_dropzone(open_page, alice, photo):
    with alice.live() as live:
        ended = opened_with(open_page, photo).run(snippets("ask", "post", "dropzone") + DROPZONE)
        assert ended["status"] == "success", ended
        arrived(live, photo)


def test_dropzone_says_that_a_token_is_refused(open_page, photo):
    code = snippets("ask", "post", "dropzone") + DROPZONE
    ended = opened_with(open_page, photo).run(code, token="no token")
    assert ended == {"status": "error", "shown": "Forbidden"}
