"""The reference of the wire (infra/contracts) is held against the sources, and against what really comes."""

import re
from pathlib import Path

from media import PART, sample

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "infra/contracts/README.md").read_text()
# Codes that no client ever reads: of errors that are answered as 500 or 503, and of messages between functions.
INTERNAL = {"credentials", "gate_unavailable", "job_leased", "join_unfinished", "message_too_large"}
CALLS = re.compile(
    r"""(?:Error::(?:new|conflict|invalid_parts)|\b(?:refused|failed|permanent|retryable|render)|Refusal::new)\(\s*
        (?:(?:ErrorKind::|StatusCode::)?\w+,\s*)?"([a-z]+_[a-z_]+|refused|busy|throttled|unauthorized)\"""",
    re.VERBOSE,
)
OTHERS = re.compile(r"""(?:const\ (?:EXPIRED|TIMED_OUT|EXHAUSTED|UPLOAD_CANCELLED):\ &str\ =\ |code:\ |=>\ )"([a-z]+_[a-z_]+)\"""", re.VERBOSE)


def sources() -> dict[Path, str]:
    folders = [*ROOT.glob("functions/*/src"), *(ROOT / "shared" / name / "src" for name in ("core", "lambda", "aws"))]
    files = [file for folder in folders for file in folder.rglob("*.rs") if not file.stem.endswith("tests")]
    return {file: file.read_text().split("#[cfg(test)]")[0] for file in files}


def codes_of_the_sources() -> set[str]:
    found = set()
    for text in sources().values():
        found |= set(CALLS.findall(text))
    media = (ROOT / "shared/media/src/error.rs").read_text().split("#[cfg(test)]")[0]
    return found | set(re.findall(r'=> "([a-z]+_[a-z_]+)"', media))


def codes_of_the_reference() -> set[str]:
    tables = REFERENCE.split("<!-- the tables between here and the end")[1]
    rows = [row.split("|")[1] for row in tables.splitlines() if row.startswith("| `")]
    return {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}


def rows_after(heading: str) -> list[list[str]]:
    section = REFERENCE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in section.splitlines() if row.startswith("| `")]


def test_every_code_of_an_error_stands_in_the_reference():
    missing = codes_of_the_sources() - INTERNAL - codes_of_the_reference()
    assert missing == set()


def test_no_code_stands_there_that_is_never_told():
    text = "\n".join([*sources().values(), (ROOT / "shared/media/src/error.rs").read_text()])
    assert {code for code in codes_of_the_reference() if f'"{code}"' not in text} == set()


def test_every_field_of_a_document_stands_in_the_reference(alice):
    fields = {name for row in rows_after("The asset's document") for name in re.findall(r"`(\w+)`", row[0])}
    photo = sample("astronaut.jpg")
    done = alice.send_and_wait("photo.jpg", photo)
    uploading = alice.asset(alice.prepare("film.bin", 3 * PART)["asset_id"])
    for document in (done, uploading):
        assert document.keys() - fields == set()
    assert fields - done.keys() == {"partial"}, "what stands there comes"
    derivative = next(row[1] for row in rows_after("The asset's document") if row[0] == "`derivatives`")
    assert set(re.findall(r"\w+", derivative)) == done["derivatives"][0].keys()


def test_every_message_of_the_socket_stands_in_the_reference():
    messages = (ROOT / "shared/lambda/src/messages.rs").read_text()
    server = messages.split("pub enum ServerMessage {")[1].split("\n}")[0]
    names = re.findall(r"^    (\w+)(?:,| \{|\()", server, re.MULTILINE)
    kinds = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in names}
    assert kinds == set(re.findall(r'"type":"(\w+)"', REFERENCE.split("\n## The WebSocket\n")[1].split("\n## ")[0]))
