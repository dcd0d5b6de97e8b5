"""Connections that broke while nobody used them: the next request does not notice."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from shared.database import connect
from tests.conftest import Service, serve
from tests.relay import Relay, relay

pytestmark = pytest.mark.anyio


@pytest.fixture
async def relayed(mongodb_uri: str) -> AsyncIterator[tuple[Relay, Service]]:
    """Start a service as the cloud runs it: MongoDB behind a network, limits counted there."""
    with (
        relay(mongodb_uri, marked="test_") as connections,
        contextlib.closing(connect(connections.uri)) as client,
    ):
        async with serve(client, FOOTFALL_RATE_LIMIT_STORAGE="mongodb") as service:
            yield connections, service
            await service.resources.metrics.close()


@pytest.mark.parametrize(
    "path", ["/v1/metrics", "/v1/metrics/history", "/v1/metrics/active-sessions/usr_1"]
)
async def test_a_read_is_answered(relayed: tuple[Relay, Service], path: str) -> None:
    connections, service = relayed
    for _ in range(3):
        await service.send(service.event())
        service.clock.advance(seconds=2)
        assert connections.break_pooled()
        await service.get(path)


async def test_an_event_is_stored_once_and_charged_once(relayed: tuple[Relay, Service]) -> None:
    connections, service = relayed
    for number in range(3):
        await service.get("/v1/metrics/history")
        assert connections.break_pooled()
        receipt = await service.send(service.event(event_id=f"evt-{number}"))
        assert (receipt.status_code, receipt.json()["accepted"]) == (202, 1)
        assert f"r={999 - number}" in receipt.headers["RateLimit"]
