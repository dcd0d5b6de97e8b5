"""Taking events, on a mock of MongoDB: quick, and right about the handler only.

What MongoDB itself must do (durable writes, pipelines, TTL) is tested on a real mongod.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from mongomock_motor import AsyncMongoMockClient

from functions import ingest
from shared.http.application import application
from shared.resources import Resources, open_resources
from shared.settings import read_settings
from tests.conftest import FakeClock, MongoDBClock

pytestmark = pytest.mark.anyio

EVENT = {
    "timestamp": "2026-11-22T14:29:59Z",
    "user_id": "usr_1",
    "event_type": "page_view",
    "page_url": "/",
}


@pytest.fixture
async def resources() -> Resources:
    client: Any = AsyncMongoMockClient(tz_aware=True)
    clock = FakeClock()
    return open_resources(
        read_settings({}), clock=clock, client=client, server_clock=MongoDBClock(clock).now
    )


@pytest.fixture
async def client(resources: Resources) -> AsyncIterator[httpx.AsyncClient]:
    app = application(ingest.routes, resources=lambda: resources, cors_origins=[])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://footfall") as http:
        yield http


@pytest.mark.parametrize(
    ("events", "status", "outcome"),
    [
        ([EVENT], 202, (1, 0, 0, 0)),
        ([EVENT, EVENT], 202, (2, 0, 0, 0)),
        ([EVENT | {"event_id": "a"}, EVENT | {"event_id": "a"}], 202, (1, 1, 0, 0)),
        ([EVENT | {"event_id": "kept"}], 202, (0, 1, 0, 0)),
        ([EVENT | {"timestamp": "2024-03-15T14:30:00Z"}], 202, (1, 0, 1, 0)),
        ([EVENT, EVENT | {"user_id": 5}], 202, (1, 0, 0, 1)),
        ([EVENT | {"user_id": 5}], 422, None),
        ([], 422, None),
    ],
)
async def test_what_becomes_of_events(
    resources: Resources,
    client: httpx.AsyncClient,
    events: list[dict[str, Any]],
    status: int,
    outcome: tuple[int, ...] | None,
) -> None:
    await resources.database.events.insert_one({"_id": "kept"})
    response = await client.post("/v1/events", json=events)
    assert response.status_code == status, response.text
    answer = response.json()
    if outcome is not None:
        keys = ("accepted", "duplicate", "late", "rejected")
        assert tuple(answer[key] for key in keys) == outcome
    stored = await resources.database.events.count_documents({})
    assert stored == 1 + answer.get("accepted", 0)
