"""The cases of `cases/*.yaml`: what is sent and what must come back. README.md describes the format."""

from dataclasses import dataclass
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parent / "cases"
LEVELS = ("must", "should")
_CASE_KEYS = {"name", "why", "level", "needs", "steps"}


@dataclass(frozen=True)
class Case:
    """One test: steps against a server that offers all that it `needs`."""

    verb: str
    name: str
    level: str
    needs: tuple[str, ...]
    steps: tuple[dict, ...]
    # Of the file: "tus" sends Tus-Resumable and expects it back, "ietf" speaks as the successor's draft does.
    dialect: str

    @property
    def id(self) -> str:
        return f"{self.verb}: {self.name}"


def load(only: list[str] | None = None) -> list[Case]:
    """All cases, or those of some verbs, in the order of the files."""
    files = sorted(FOLDER.glob("*.yaml"))
    unknown = set(only or ()) - {file.stem for file in files}
    if unknown:
        raise ValueError(f"no such verb: {', '.join(sorted(unknown))}; there are {', '.join(f.stem for f in files)}")
    return [case for file in files if not only or file.stem in only for case in _read(file)]


def _read(file: Path) -> list[Case]:
    document = yaml.safe_load(file.read_text())
    cases = [_case(file.stem, document, entry) for entry in document["tests"]]
    names = [case.name for case in cases]
    assert len(names) == len(set(names)), f"{file.name}: a name is used twice"
    return cases


def _case(verb: str, document: dict, entry: dict) -> Case:
    assert entry.keys() <= _CASE_KEYS, f"{verb}: {entry.get('name')}: unknown {entry.keys() - _CASE_KEYS}"
    level = entry.get("level", "must")
    assert level in LEVELS, f"{verb}: {entry['name']}: no such level"
    needs = (*document.get("needs", ()), *entry.get("needs", ()))
    return Case(verb, entry["name"], level, needs, tuple(entry["steps"]), document.get("dialect", "tus"))
