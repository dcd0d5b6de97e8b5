"""Services to attack, on the suite's mongod."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import httpx
import pytest

from tests.reliability.target import Target, running_target

StartTarget = Callable[..., AbstractContextManager[Target]]


@pytest.fixture(scope="session")
def start_target(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> StartTarget:
    """Start services on the suite's mongod, with settings by keyword."""
    return lambda descriptors=0, **environment: running_target(
        mongodb_uri, tmp_path_factory.mktemp("target"), environment, descriptors
    )


@pytest.fixture(scope="module")
def target(start_target: StartTarget) -> Iterator[Target]:
    """Start a service with the default settings, for the tests of a module."""
    with start_target() as started:
        # A first read makes 180 steps: what that needs is not what an attack takes.
        httpx.get(f"{started.url}/v1/metrics", timeout=30)
        yield started
