"""Two worker processes behind one port: duplicates, limits and counters over both."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil
import pymongo
import pytest

from shared.ingest.rate_blocks import BLOCKS
from tests.conftest import running_service
from tests.events import event

pytestmark = pytest.mark.anyio

LIMIT = 100
CERTAIN = LIMIT - LIMIT // BLOCKS  # so many pass, whatever one worker holds of it for itself


@pytest.fixture
def database(mongodb_uri: str) -> Iterator[pymongo.database.Database[dict[str, Any]]]:
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(mongodb_uri)
    name = f"test_{uuid4().hex}"
    yield client[name]
    client.drop_database(name)
    client.close()


async def test_two_workers_act_as_one(
    mongodb_uri: str, database: pymongo.database.Database[dict[str, Any]]
) -> None:
    # Not 100/minute: a test that ran over the full minute would see the window slide.
    with running_service(
        FOOTFALL_MONGODB_URI=mongodb_uri,
        FOOTFALL_DATABASE=database.name,
        FOOTFALL_WORKERS="2",
        FOOTFALL_RATE_LIMIT=f"{LIMIT}/day",
        FOOTFALL_WRITE_KEYS="identical,excessive",
    ) as url:
        await until_both_serve(url)
        limits = httpx.Limits(max_connections=LIMIT, max_keepalive_connections=LIMIT)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as http:
            same = [post(http, "identical", event(event_id="same")) for _ in range(CERTAIN)]
            receipts = [response.json() for response in await asyncio.gather(*same)]
            assert Counter(it["accepted"] for it in receipts) == {1: 1, 0: CERTAIN - 1}
            assert sum(it["duplicate"] for it in receipts) == CERTAIN - 1
            assert database.events.count_documents({}) == 1

            many = [post(http, "excessive", event()) for _ in range(3 * LIMIT)]
            statuses = Counter(response.status_code for response in await asyncio.gather(*many))
            assert statuses == {202: LIMIT, 429: 2 * LIMIT}
            assert database.events.count_documents({}) == 1 + LIMIT

            text = (await http.get("/metrics")).text
        assert counted(text, 'footfall_events_total{outcome="accepted"}') == 1 + LIMIT
        assert counted(text, 'footfall_events_total{outcome="duplicate"}') == CERTAIN - 1
        assert counted(text, 'footfall_problems_total{tag="rate-limited"}') == 2 * LIMIT


async def post(http: httpx.AsyncClient, key: str, body: dict[str, str]) -> httpx.Response:
    return await http.post("/v1/events", json=body, headers={"X-API-Key": key})


async def until_both_serve(url: str) -> None:
    """Connect over and over: the service is ready as soon as its first worker is."""
    async with asyncio.timeout(30):
        while True:
            async with httpx.AsyncClient(base_url=url) as http:
                await asyncio.gather(*[http.get("/livez") for _ in range(20)])
                if serving(url) == 2:
                    return


def serving(url: str) -> int:
    """Count the processes that hold a connection to a client."""
    port = urlsplit(url).port
    return len(
        {
            connection.pid
            for connection in psutil.net_connections("tcp4")
            if connection.laddr[1:] == (port,) and connection.status == psutil.CONN_ESTABLISHED
        }
    )


def counted(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])
