"""MongoDB slow, stopped, killed or frozen in the middle of writes, under a stream of requests."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
import psutil
import pymongo
import pytest

from tests.clients import Account, Clients
from tests.conftest import running_service
from tests.mongod import Mongod, running_mongod
from tests.oracle import expected_metrics, shown_metrics

pytestmark = pytest.mark.anyio

SECONDS_TO_AGREE = 15
LONGEST_ANSWER = 15.0  # seconds: 5 in the queue, 5 for a write, 5 for its second attempt
SLACK = 2.0  # seconds, for two busy cores
MOST_MEMORY = 100  # MiB more than before the fault
GIVEN_UP = "503 storage-unavailable"
RETURN = 5.0  # seconds from MongoDB's return to the first 202

Fault = Callable[[Mongod], Awaitable[None]]


@pytest.fixture(scope="module")
def mongod() -> Iterator[Mongod]:
    with running_mongod() as started:
        yield started


@pytest.fixture(scope="module")
def service(mongod: Mongod) -> Iterator[tuple[str, psutil.Process]]:
    """Run one service for all faults; it is never restarted."""
    unlimited = "100000000/second"
    before = set(psutil.Process().children())
    with running_service(
        FOOTFALL_MONGODB_URI=mongod.uri,
        FOOTFALL_RATE_LIMIT=unlimited,
        FOOTFALL_TOTAL_RATE_LIMIT=unlimited,
    ) as url:
        [process] = set(psutil.Process().children()) - before
        yield url, process


async def crawl(mongod: Mongod) -> None:
    await asyncio.to_thread(mongod.crawl, 4)


async def stop_and_start(mongod: Mongod) -> None:
    await asyncio.to_thread(mongod.stop)
    await asyncio.sleep(2)
    mongod.start()


async def kill_and_start(mongod: Mongod) -> None:
    await asyncio.to_thread(mongod.kill)
    mongod.start()


async def freeze_briefly(mongod: Mongod) -> None:
    mongod.freeze()
    await asyncio.sleep(2)
    mongod.thaw()


async def freeze_beyond_the_second_attempt(mongod: Mongod) -> None:
    mongod.freeze()
    await asyncio.sleep(12)
    mongod.thaw()


@pytest.mark.parametrize(
    ("fault", "gives_up"),
    [
        (crawl, False),
        (stop_and_start, False),  # 2 s: the second attempt may find it up again
        (kill_and_start, False),
        (freeze_briefly, False),
        (freeze_beyond_the_second_attempt, True),
    ],
)
async def test_every_request_is_answered_and_every_acknowledged_event_is_stored_once(
    mongod: Mongod, service: tuple[str, psutil.Process], fault: Fault, *, gives_up: bool
) -> None:
    url, process = service
    # 48 clients with 500 events each are more than the 20,000 events that may wait.
    clients = Clients(url, fault.__name__, crowd=48, batch=500)
    async with clients.sending() as account, watched_memory(process) as memory:
        await next_acknowledgement(account)
        await fault(mongod)
        await next_acknowledgement(account)
    assert set(account.answers) <= {"202 accepted", "503 overloaded", GIVEN_UP}
    assert account.without_retry_after == 0
    assert account.slowest < LONGEST_ANSWER + SLACK
    assert not gives_up or account.answers[GIVEN_UP]
    assert max(memory) - memory[0] < MOST_MEMORY
    check_stored(mongod.uri, fault.__name__, account)
    await asyncio.to_thread(check_metrics, url, mongod.uri)


def check_metrics(url: str, uri: str) -> None:
    """Hold the metrics against a count of what MongoDB holds, whenever that has landed there.

    An answer can be a second older than what has landed since; a write that hung lands late.
    """
    deadline = time.monotonic() + SECONDS_TO_AGREE
    while True:
        answer = httpx.get(f"{url}/v1/metrics", timeout=30)
        if answer.status_code == 503:  # the rollups are still being rebuilt
            assert time.monotonic() < deadline, answer.text
            continue
        shown = answer.json()
        with pymongo.MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
            events = list(client.footfall.events.find({}))
        expected = expected_metrics(events, datetime.fromisoformat(shown["as_of"]))
        expected["pages"] = expected["pages"][:5]
        expected["users"] = expected["users"][:10]
        if shown_metrics(shown, shown, shown) == expected:
            return
        assert time.monotonic() < deadline, expected


async def next_acknowledgement(account: Account) -> None:
    """Wait for one more 202."""
    account.taken.clear()
    async with asyncio.timeout(RETURN):
        await account.taken.wait()


@contextlib.asynccontextmanager
async def watched_memory(process: psutil.Process) -> AsyncIterator[list[float]]:
    """Return the resident memory (MiB) of a process, ten times a second."""
    seen: list[float] = []

    async def watch() -> None:
        while True:
            seen.append(process.memory_info().rss / 1_048_576)
            await asyncio.sleep(0.1)

    watching = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        watching.cancel()


def check_stored(uri: str, name: str, account: Account) -> None:
    """Hold what clients were told against what MongoDB holds."""
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(uri)
    found = client.footfall.events.find({"user_id": {"$regex": f"^{name}"}}, {"user_id": 1})
    stored = Counter(document["user_id"] for document in found)
    client.close()
    assert account.acknowledged <= stored.keys()
    assert max(stored.values()) == 1
    assert stored.keys() <= account.acknowledged | account.lost
    assert account.accepted <= len(stored)
