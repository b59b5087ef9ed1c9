"""What is written is held against the template and the code: each `lib.rs` names just the variables, the defaults and the
rights that its function has; comments name rules in words; what pages name and link to exists."""

import ast
import operator
import re
import subprocess
from pathlib import Path

import pytest
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text())
GLOBALS = TEMPLATE["Globals"]["Function"]
FUNCTIONS = {
    resource["Metadata"]["BuildProperties"]["Binary"]: resource["Properties"]
    for resource in TEMPLATE["Resources"].values() if resource["Type"] == "AWS::Serverless::Function"
}
# Read by the C library, and not by any code of ours.
READ_BY_THE_C_LIBRARY = {"MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_"}
SET_BY_LAMBDA = "set by Lambda"
# An owner's limits are those that were recorded with each grant: whoever reads the content needs no others.
NOT_GIVEN = {"process": {"MAX_OPEN_UPLOADS", "MAX_STORED_BYTES"}}
# How the resources of policies are called.
NAMES = {
    "StateTable.Arn": "the state table",
    "StateTable.StreamArn": "the state table's stream",
    "OriginalsBucket.Arn": "the bucket of originals",
    "OriginalsBucket.Arn/*": "originals",
    "DerivedBucket.Arn/*": "derivatives",
    "StagingBucket.Arn": "the staging bucket",
    "StagingBucket.Arn/*": "staged pieces",
    "IngestQueue.Arn": "the ingest queue",
    "IngestDeadLetterQueue.Arn": "the ingest queue's dead letters",
    "ConvertQueue.Arn": "the conversion queue",
    "ConvertDeadLetterQueue.Arn": "the conversion queue's dead letters",
    "PoisonQueue.Arn": "the poison queue",
    "JwtSecret.Id": "the secret that signs tokens, if there is one",
    "GateFunctionArn": "the operator's gate, if there is one",
    "*": "everything, for the action knows no resource",
}


# --------------------------------------------------------------------------------------------------- the template

def branches(value: object) -> list:
    """What a value can be, whichever conditions hold."""
    match value:
        case {"Fn::If": [_, then, otherwise]}:
            return branches(then) + branches(otherwise)
        case {"Ref": "AWS::NoValue"}:
            return []
        case list():
            return [item for part in value for item in branches(part)]
    return [value]


def variables_of_template(function: str) -> dict[str, object]:
    return GLOBALS["Environment"]["Variables"] | FUNCTIONS[function]["Environment"]["Variables"]


def name_of(resource: object, keys: list[str]) -> str:
    match resource:
        case {"Fn::GetAtt": [*parts]}:
            name = NAMES[".".join(parts)]
        case {"Fn::GetAtt": str(name)}:
            name = NAMES[name]
        case {"Ref": str(name)} | str(name):
            name = NAMES[name]
        case {"Fn::Sub": str(text)} if index := re.fullmatch(r"\$\{StateTable.Arn\}/index/([a-z-]+)", text):
            name = f"its index `{index[1]}`"
        case {"Fn::Sub": str(text)} if connections := re.search(r"/live/([A-Z]+)/@connections/\*$", text):
            name = f"`{connections[1]}` of the WebSocket API's connections"
        case {"Fn::Sub": str(text)}:
            name = NAMES[text.replace("${", "").replace("}", "")]
        case _:
            raise LookupError(f"no name for {resource}: add it")
    return name + (", items " + ", ".join(f"`{key}`" for key in keys) if keys else "")


def rights_of_template(function: str) -> list[tuple[str, str]]:
    """(resource, action) of every statement, by the resource's name."""
    rights = []
    for policy in FUNCTIONS[function]["Policies"]:
        for statement in branches(policy["Statement"]):
            assert statement["Effect"] == "Allow"
            (keys,) = [list(values.values())[0] for values in statement.get("Condition", {}).values()] or [[]]
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            rights += [(name_of(resource, keys), action) for resource in branches(statement["Resource"]) for action in actions]
    return rights


# --------------------------------------------------------------------------------------------------- lib.rs

def head_of(function: str) -> str:
    lines = (ROOT / f"functions/{function}/src/lib.rs").read_text().splitlines()
    return "\n".join(line.removeprefix("//!").removeprefix(" ") for line in lines if line.startswith("//!"))


def table_of(function: str, heading: str) -> list[list[str]]:
    section = re.search(rf"^# {heading}\n(.*?)(?=^# |\Z)", head_of(function), re.DOTALL | re.MULTILINE)
    assert section, f"{function}'s lib.rs has no heading {heading}"
    rows = [line for line in section[1].splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def environment_of(function: str) -> dict[str, str]:
    """Variable → default, as the table says."""
    return {name.strip("`"): default.strip("`") for name, _, default in table_of(function, "Environment")}


def rights_of(function: str) -> list[tuple[str, str]]:
    return [(on, action) for on, actions in table_of(function, "IAM") for action in re.findall(r"`([^`]+)`", actions)]


# --------------------------------------------------------------------------------------------------- config.rs

def code_of(path: str) -> str:
    return (ROOT / path).read_text().split("#[cfg(test)]")[0]


def bodies(text: str) -> dict[str, str]:
    """Name of a function → its body."""
    return {name: body for name, body in re.findall(r"pub fn (\w+).*?\{\n(.*?)\n    \}", text, re.DOTALL)}


# What `Env` reads by itself, and the settings of bearer tokens.
HELPERS = {
    name: body for name, body in bodies(code_of("shared/lambda/src/config.rs")).items()
    if name in {"link_ttl", "grant_ttl", "gate_policy", "function_memory"}
} | {"BearerConfig::read": bodies(code_of("shared/lambda/src/bearer.rs"))["read"]}
READING = re.compile(
    r'\.(required|url|optional_url|optional|number|seconds|parsed)\(\s*"([A-Z_]+)"(?:,\s*([^,]+),\s*([^,)]+)\.\.=([^,)]+))?'
)
CONSTANTS = {"u32::MAX": str(2**32 - 1), "u64::MAX": "None"}
OPERATORS = {ast.Mult: operator.mul, ast.Add: operator.add, ast.LShift: operator.lshift}


def number(expression: str) -> int | None:
    """What a constant of the code is; the largest of all numbers is no limit."""
    expression = CONSTANTS.get(expression.strip(), expression.strip())
    expression = re.sub(r"(?<=\d)_?u(?:32|64)$", "", expression)

    def value(node: ast.expr) -> int | None:
        match node:
            case ast.Constant(value=int() | None as found):
                return found
            case ast.Name(id=name):
                return number(CONSTANTS[name])
            case ast.BinOp(left=left, op=op, right=right):
                return OPERATORS[type(op)](value(left), value(right))
        raise ValueError(f"{expression!r} is no number that this test can read")

    return value(ast.parse(expression, mode="eval").body)


for source in ("shared/core/src/upload.rs", "shared/lambda/src/config.rs"):
    CONSTANTS |= dict(re.findall(r"const ([A-Z_]+): u64 = ([^;]+);", code_of(source)))


def variables_of_config(function: str) -> dict[str, dict]:
    """Variable → how it is read: `kind`, and of a number `default` and `range`."""
    text = code_of(f"functions/{function}/src/config.rs")
    text += "".join(body for name, body in HELPERS.items() if re.search(rf"\b{name}\(", text))
    text = text.replace("SIGNED_FOR)", "60..=3600)")
    assert "SIGNED_FOR: RangeInclusive<u64> = 60..=3600;" in code_of("shared/lambda/src/config.rs")
    found = {}
    for kind, name, default, least, most in READING.findall(text):
        if name in found:
            continue  # what must be there in one case, and may be missing otherwise
        found[name] = {"kind": kind}
        if default:
            found[name] |= {"default": number(default), "range": (number(least), number(most))}
    for name in ("JWT_ISSUER", "JWT_AUDIENCE"):
        if name in found:
            found[name]["kind"] = "optional"
    if text_default := re.search(r'optional\("(GATE_RULES)"\).unwrap_or_else\(\|\| "([^"]+)"', text):
        found[text_default[1]] |= {"kind": "text", "default": text_default[2]}
    return found


def derivatives(profile: list[dict]) -> str:
    return ", ".join(f"{spec['name']} {spec['max_edge']} {spec['format']}" for spec in profile)


# --------------------------------------------------------------------------------------------------- the tests

every_function = pytest.mark.parametrize("function", FUNCTIONS)


def test_every_function_has_its_crate():
    assert {path.parent.parent.name for path in ROOT.glob("functions/*/src/lib.rs")} == FUNCTIONS.keys()


@every_function
def test_the_head_has_the_shape_that_all_have(function):
    headings = re.findall(r"^# (.+)$", head_of(function), re.MULTILINE)
    assert headings[0] in {"Routes", "Trigger"}
    assert headings[-2:] == ["Environment", "IAM"]


@every_function
def test_every_route_stands_in_the_head(function):
    events = [event["Properties"] for event in FUNCTIONS[function].get("Events", {}).values() if event["Type"] == "HttpApi"]
    routes = {event["Path"] for event in events if not event["Path"].endswith("{proxy+}")}
    assert {route for route in routes if route not in head_of(function).replace("{uploadId}", "{upload_id}")} == set()


def test_every_route_stands_in_the_reference():
    reference = (ROOT / "infra/contracts/README.md").read_text()
    events = [event["Properties"] for function in FUNCTIONS.values() for event in function.get("Events", {}).values()]
    routes = {re.sub(r"\{(?:asset|request|task)_id\}", "{id}", event["Path"]) for event in events if "Path" in event}
    told = re.sub(r"\{(?:asset|request|task)_id\}", "{id}", reference)
    assert {route for route in routes if "{proxy+}" not in route and route not in told} == set()


@every_function
def test_every_variable_stands_in_the_head_and_no_other(function):
    told = environment_of(function)
    by_lambda = {name for name, default in told.items() if default == SET_BY_LAMBDA}
    assert all(name.startswith("AWS_LAMBDA_") for name in by_lambda)
    assert told.keys() - by_lambda == variables_of_template(function).keys()
    assert told.keys() - READ_BY_THE_C_LIBRARY == variables_of_config(function).keys() - NOT_GIVEN.get(function, set())


@every_function
def test_every_default_is_that_of_the_code_and_of_the_template(function):
    read = variables_of_config(function)
    for name, told in environment_of(function).items():
        reading = read.get(name, {"kind": "C library"})
        given = variables_of_template(function).get(name)
        match given:
            case {"Ref": str(parameter)} if parameter in TEMPLATE["Parameters"]:
                set_there = TEMPLATE["Parameters"][parameter].get("Default")
            case str():
                set_there = given
            case _:
                set_there = None
        if told == SET_BY_LAMBDA:
            assert given is None and reading["kind"] == "number", name
        elif reading["kind"] in {"required", "url"}:
            assert told == "required", name
        elif reading["kind"] in {"optional", "optional_url"}:
            assert told == "none", name
        elif reading["kind"] == "parsed":
            assert told == derivatives(yaml_parse(set_there)), name
        elif reading["kind"] == "C library":
            assert told == set_there, name
        else:
            assert told == str(reading["default"]) == str(set_there), name


def test_the_derivatives_are_those_of_the_code():
    code = code_of("shared/media/src/profile.rs")
    made = re.findall(r'Spec::new\("(\w+)", (\d+), OutputFormat::(\w+), (\d+)\)', code)
    declared = yaml_parse(TEMPLATE["Parameters"]["Derivatives"]["Default"])
    assert [(name, int(edge), form.lower(), int(quality)) for name, edge, form, quality in made] == [
        (spec["name"], spec["max_edge"], spec["format"], spec["quality"]) for spec in declared
    ]


@every_function
def test_what_the_template_lets_be_set_is_what_the_code_takes(function):
    read = variables_of_config(function)
    for name, given in variables_of_template(function).items():
        if "range" not in read.get(name, {}):
            continue
        least, most = read[name]["range"]
        match given:
            case {"Ref": str(parameter)}:
                declared = TEMPLATE["Parameters"][parameter]
                assert (declared.get("MinValue"), declared.get("MaxValue")) == (least, most), parameter
                assert all(least <= value <= most for value in declared.get("AllowedValues", [])), parameter
            case str():
                assert least <= int(given) <= most, name


@every_function
def test_a_range_that_is_told_is_the_code_s(function):
    read = variables_of_config(function)
    for name, meaning, _ in table_of(function, "Environment"):
        if told := re.search(r"(\d+) to (\d+)$", meaning):
            assert (int(told[1]), int(told[2])) == read[name.strip("`")]["range"], name


@every_function
def test_every_right_stands_in_the_head_and_no_other(function):
    told = rights_of(function)
    assert len(told) == len(set(told))
    assert set(told) == set(rights_of_template(function))


@every_function
def test_a_time_limit_that_is_told_is_the_template_s(function):
    limit = FUNCTIONS[function].get("Timeout", GLOBALS["Timeout"])
    assert set(re.findall(r"time\s+limit\s+of\s+(\d+)", head_of(function))) <= {str(limit)}


# --------------------------------------------------------------------------------------------------- comments

# A letter and a number are the name of a rule in a document that isn't here, but for these of the field.
NAMES_OF_THE_FIELD = {"D50", "D65", "P3", "P7", "S3"}
COMMENTS = {
    ".rs": r"(?:^|\s)//[/!]?(.*)", ".js": r"(?:^|\s)//(.*)", ".mjs": r"(?:^|\s)//(.*)",
    ".yaml": r"(?:^|\s)#(.*)", ".toml": r"(?:^|\s)#(.*)", ".sh": r"(?:^|\s)#(.*)", "": r"(?:^|\s)#(.*)",
    ".py": r'(?:^|\s)#(.*)|"""((?:[^"]|"(?!""))*)"""', ".md": r"(.+)",
}


def tracked(*folders: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", "--", *folders], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_a_rule_is_named_in_words():
    found = []
    for path in tracked("functions", "shared", "infra", "template.yaml", "README.md", ".github", "Makefile"):
        pattern = COMMENTS.get(path.suffix)
        if pattern is None or not path.is_file() or "/data/" in str(path):
            continue
        for groups in re.findall(pattern, path.read_text(), re.MULTILINE):
            text = "".join(groups)
            found += [f"{path.relative_to(ROOT)}: {name}" for name in re.findall(r"\b[A-Z][0-9]{1,2}\b", text)
                      if name not in NAMES_OF_THE_FIELD]
    assert found == []


def test_every_number_of_a_broken_invariant_is_explained():
    folder = ROOT / "shared/testing/tests/simulator"
    explained = set(re.findall(r"^//! \| (\d+) \|", (folder / "main.rs").read_text(), re.MULTILINE))
    used = {number for path in folder.rglob("*.rs") for number in re.findall(r"\bbroken\(\s*&?[\w.]+,\s*(\d+),", path.read_text())}
    assert used == explained


# --------------------------------------------------------------------------------------------------- pages

PAGES = [
    "README.md", "shared/README.md", "infra/contracts/README.md", "infra/bench/README.md",
    ".github/CONTRIBUTING.md", ".github/SECURITY.md",
]
README_WORDS = 2400
every_page = pytest.mark.parametrize("page", PAGES)


def prose(page: str) -> str:
    """A page without its comments and blocks of code."""
    text = re.sub(r"<!--.*?-->", "", (ROOT / page).read_text(), flags=re.DOTALL)
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def is_there(name: str, page: Path) -> bool:
    """A name is a path from the root or from the page's folder, or the end of a file's path."""
    pattern = re.sub(r"<\w+>", "*", name.rstrip("/"))
    below = any(True for folder in (ROOT, page.parent) for _ in folder.glob(pattern))
    made = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode == 0
    return below or made or any(path.match(pattern) for path in tracked())


@every_page
def test_every_path_that_is_named_exists(page):
    top = {path.relative_to(ROOT).parts[0] for path in tracked()}
    named = {
        name for name in re.findall(r"`([\w.<>*/-]+)`", prose(page))
        if name.split("/")[0] in top or re.search(r"\.(?:rs|py|md|sh|yaml|toml)$", name)
    }
    assert {name for name in named if not is_there(name, ROOT / page)} == set()


@every_page
def test_every_command_is_one_of_a_makefile(page):
    for folder, target in re.findall(r"`make (?:-C (\S+) )?([a-z-]+)", prose(page)):
        assert re.search(rf"^{target}:", (ROOT / folder / "Makefile").read_text(), re.MULTILINE), target


@every_page
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_the_readme_is_read_in_one_go():
    assert len(prose("README.md").split()) <= README_WORDS
