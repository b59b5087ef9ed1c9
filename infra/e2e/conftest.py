"""Fixtures: the deployment, and users that nobody else is."""

import uuid
from collections.abc import Callable

import pytest

from client import Sluice
from deployment import Deployment

pytest_plugins = ["clients.fixtures"]


@pytest.fixture(scope="session")
def deployment() -> Deployment:
    return Deployment.from_environment()


@pytest.fixture(scope="session")
def user(deployment: Deployment) -> Callable[[str], Sluice]:
    """Makes a new user."""
    return lambda name: Sluice(deployment, f"{name}-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def alice(user: Callable[[str], Sluice]) -> Sluice:
    return user("alice")


@pytest.fixture
def bob(user: Callable[[str], Sluice]) -> Sluice:
    return user("bob")
