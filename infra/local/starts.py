"""Starts each function's binary before a runtime interface that answers nothing, and waits for its first `GET /next`: then
it is linked, reads its configuration as the template sets it, and has built its clients. Called by aarch64.sh, which names
a runner for binaries of another processor."""

import argparse
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from stack.build import TEMPLATE

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n"
PATIENCE_SECONDS = 30

# What Lambda sets, and nothing of this machine.
SET_BY_LAMBDA = {
    "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO", "LANG": "en_US.UTF-8", "TZ": ":UTC",
}
# In place of what only a deployment knows.
MADE_UP = {
    "_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/queue",
    "_ENDPOINT": "https://api.execute-api.us-east-1.amazonaws.com/live",
    "_ARN": "arn:aws:secretsmanager:us-east-1:111122223333:secret:key",
}


def environments(template: dict) -> dict[str, dict[str, str]]:
    """Binary → environment, of each function of the template."""
    shared = template["Globals"]["Function"]
    found = {}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            declared = shared["Environment"]["Variables"] | properties.get("Environment", {}).get("Variables", {})
            values = {name: value(template, name, given) for name, given in declared.items()}
            binary = resource["Metadata"]["BuildProperties"]["Binary"]
            found[binary] = SET_BY_LAMBDA | {key: text for key, text in values.items() if text is not None} | {
                "AWS_LAMBDA_FUNCTION_NAME": binary,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(properties.get("MemorySize", shared["MemorySize"])),
            }
    return found


def value(template: dict, name: str, given: object) -> str | None:
    """A variable's value with every parameter at its default; None where the template leaves it out then."""
    match given:
        case {"Fn::If": [_, then, _]}:
            return value(template, name, then)
        case {"Ref": "AWS::NoValue"}:
            return None
        case {"Ref": parameter} if parameter in template["Parameters"]:
            return str(template["Parameters"][parameter]["Default"])
        case str():
            return given
    return next((text for suffix, text in MADE_UP.items() if name.endswith(suffix)), "something")


def start(binary: Path, runner: list[str], environment: dict[str, str]) -> float:
    """Seconds to the first request. Fails with what the function said if none comes."""
    with socket.create_server(("127.0.0.1", 0)) as runtime, tempfile.TemporaryFile() as output:
        runtime.settimeout(0.2)
        address = f"127.0.0.1:{runtime.getsockname()[1]}"
        began = time.monotonic()
        process = subprocess.Popen(
            [*runner, str(binary)], env={**environment, "AWS_LAMBDA_RUNTIME_API": address},
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )
        try:
            while process.poll() is None and time.monotonic() < began + PATIENCE_SECONDS:
                try:
                    connection, _ = runtime.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(PATIENCE_SECONDS)
                    asked = connection.recv(len(NEXT), socket.MSG_WAITALL)
                    if asked != NEXT:
                        raise AssertionError(f"{binary.name}: asked {asked!r}, not for an invocation")
                    return time.monotonic() - began
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        said = output.read().decode(errors="replace")[-2000:]
        raise AssertionError(f"{binary.name}: ended or hung before it asked for an invocation (exit {process.returncode})\n{said}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the binaries are")
    parser.add_argument("--runner", default="", help="a command that runs them")
    parser.add_argument("names", nargs="*", help="only these")
    arguments = parser.parse_intermixed_args()  # names may follow an option
    found = environments(yaml_parse(TEMPLATE.read_text()))
    for name in arguments.names or found:
        try:
            seconds = start(arguments.folder / name, shlex.split(arguments.runner), found[name])
        except (AssertionError, OSError) as fault:
            print(f"error: {fault}", file=sys.stderr)
            return 1
        print(f"    {name}: asked for an invocation after {seconds:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
