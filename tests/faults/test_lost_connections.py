"""Connections that broke while nobody used them: the next request does not notice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.storage.database import Database, connected
from shared.storage.leases import Lease
from tests.conftest import FakeClock, Service, serve
from tests.relay import Relay, relay

pytestmark = pytest.mark.anyio


@pytest.fixture
async def relayed(mongodb_uri: str) -> AsyncIterator[tuple[Relay, Service]]:
    """Start a service as the cloud runs it: MongoDB behind a network, limits counted there."""
    with relay(mongodb_uri, marked="test_") as connections:
        async with (
            connected(connections.uri) as client,
            serve(client, FOOTFALL_RATE_LIMIT_STORAGE="mongodb") as service,
        ):
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


async def test_a_lease_that_is_left_off_ends_where_mongodb_has_gone(
    mongodb_uri: str, database: Database
) -> None:
    is_under_way = asyncio.Event()

    async def hold(lease: Lease) -> None:
        async with lease.renewed():
            is_under_way.set()
            await asyncio.Event().wait()

    with relay(mongodb_uri, marked=database.name) as connections:
        async with connected(connections.uri) as client:
            remote = Database(client, database.name, {})
            lease = Lease(remote.leases, "tick", timedelta(seconds=3), FakeClock())
            assert await lease.take()
            holding = asyncio.create_task(hold(lease))
            await is_under_way.wait()
            connections.go_away()
            holding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await holding
