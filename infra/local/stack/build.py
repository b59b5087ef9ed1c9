"""The functions, as SAM builds them, in the development profile."""

import json
import os
import platform

from samcli.yamlhelper import yaml_parse

from .progress import run
from .settings import ROOT, Failure, Settings

TEMPLATE = ROOT / "template.yaml"
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def architecture() -> str:
    """This machine's own: the emulator runs the functions as plain processes."""
    machine = platform.machine().lower()
    if machine not in ARCHITECTURES:
        raise Failure(f"Lambda knows no {machine} functions")
    return ARCHITECTURES[machine]


def parameters() -> dict[str, str]:
    """What the local deployment sets differently from the template's defaults; SLUICE_PARAMETERS (JSON) sets more."""
    return {
        "Architecture": architecture(),
        # Pages served from any port of this machine.
        "AllowedOrigins": "http://localhost:*,http://127.0.0.1:*",
    } | json.loads(os.environ.get("SLUICE_PARAMETERS") or "{}")


def parameter_overrides() -> list[str]:
    return [f'{name}="{value}"' for name, value in parameters().items()]


def binaries() -> dict[str, str]:
    """Logical id of each function → name of its binary."""
    resources = yaml_parse(TEMPLATE.read_text())["Resources"]
    return {
        name: resource["Metadata"]["BuildProperties"]["Binary"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def compile_functions(settings: Settings) -> None:
    """Compiles all binaries in one go: SAM would start cargo once for each, and show nothing meanwhile."""
    named = [part for binary in binaries().values() for part in ("--bin", binary)]
    run(["cargo", "lambda", "build", *named], settings.tool_environment)


def package(settings: Settings) -> None:
    """`sam build` itself: everything is compiled, so it only collects."""
    run(
        ["sam", "build", "--build-dir", str(settings.build_folder), "--config-env", "local",
         "--parameter-overrides", *parameter_overrides()],
        settings.tool_environment, log=settings.state / "sam-build.log",
    )
