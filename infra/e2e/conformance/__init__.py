"""A conformance suite for tus servers: declarative HTTP tests, one file per verb. README.md says how to run it."""

from .cases import Case, load
from .runner import Failed, Server, Skipped, run

__all__ = ["Case", "Failed", "Server", "Skipped", "load", "run"]
