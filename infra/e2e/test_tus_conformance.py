"""Our tus server keeps the whole of the conformance suite: nothing is skipped, and a “should” is a must."""

import conformance
import pytest
from checks import assert_problem
from client import bare_request

CASES = conformance.load()


@pytest.fixture(scope="session")
def endpoint(deployment) -> str:
    return f"{deployment.http}/files"


def server_of(user) -> conformance.Server:
    token = user.deployment.token(user.owner)
    return conformance.Server(f"{user.deployment.http}/files", {"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
def server(user) -> conformance.Server:
    return server_of(user("tus"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_conformance(server, case):
    conformance.run(server, case)
