"""Folders, port and environment of one local stack. Several can run side by side (`make test` starts its own)."""

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

REGION = "us-east-1"
STACK_NAME = "sluice"
LOCAL = Path(__file__).resolve().parent.parent
ROOT = LOCAL.parent.parent

# The emulator's root account: it may do anything, as an account's root may.
ROOT_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class Failure(Exception):
    """Something that the person at the keyboard can mend: shown without a traceback."""


@dataclass(frozen=True)
class Settings:
    """SLUICE_PORT, SLUICE_STATE and SLUICE_OUTPUTS override the defaults."""

    port: int
    state: Path
    outputs: Path

    @classmethod
    def from_environment(cls) -> "Settings":
        port = os.environ.get("SLUICE_PORT") or "4566"
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise Failure(f"SLUICE_PORT is not a port: {port}")
        state = Path(os.environ.get("SLUICE_STATE") or LOCAL / ".state").resolve()
        outputs = Path(os.environ.get("SLUICE_OUTPUTS") or LOCAL / "outputs.json").resolve()
        return cls(int(port), state, outputs)

    @property
    def endpoint(self) -> str:
        # An address and not a name: SDKs then use path-style S3 URLs, which need no DNS.
        return f"http://127.0.0.1:{self.port}"

    @property
    def build_folder(self) -> Path:
        return self.state / "build"

    @cached_property
    def tool_environment(self) -> dict[str, str]:
        """For cargo and SAM: this machine's environment, with the emulator in place of AWS."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        direct = ",".join(filter(None, [os.environ.get("no_proxy"), "127.0.0.1", "localhost"]))
        return kept | ROOT_CREDENTIALS | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            # Nothing of the user's own AWS profile may leak in, and nothing of ours out.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": direct,
            "no_proxy": direct,
            "SAM_CLI_TELEMETRY": "0",
            # Built for this machine by its own compiler: no cross linker, and what `cargo test` compiled is reused.
            "CARGO_LAMBDA_COMPILER": "cargo",
            "SAM_BUILD_MODE": "debug",
        }

    def client(self, service: str):
        import boto3

        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=REGION,
            aws_access_key_id=ROOT_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ROOT_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
