"""A node of a replica set lost in the middle of a stream: nothing acknowledged goes with it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pymongo
import pytest

from tests.clients import Account, Clients
from tests.conftest import running_service
from tests.replica_set import Node, ReplicaSet

pytestmark = pytest.mark.anyio

LONGEST_ANSWER = 17.0  # seconds: what a request may take, 15, and two busy cores
UNLIMITED = "100000000/second"

Fault = Callable[[ReplicaSet, Node], Awaitable[None]]


async def step_down(nodes: ReplicaSet, primary: Node) -> None:
    await asyncio.to_thread(nodes.step_down)
    await asyncio.to_thread(nodes.primary, primary)


async def kill_the_primary(nodes: ReplicaSet, primary: Node) -> None:
    await asyncio.to_thread(primary.kill)
    await asyncio.to_thread(nodes.primary, primary)
    primary.start()


async def kill_a_secondary(nodes: ReplicaSet, primary: Node) -> None:
    other = next(node for node in nodes.nodes if node is not primary)
    await asyncio.to_thread(other.kill)
    await asyncio.sleep(1)
    other.start()


async def hang_the_primary(nodes: ReplicaSet, primary: Node) -> None:
    # It wakes up with writes that no other node has, and must throw them away.
    primary.freeze()
    await asyncio.to_thread(nodes.primary, primary)
    primary.thaw()


@pytest.mark.parametrize("fault", [step_down, kill_the_primary, kill_a_secondary, hang_the_primary])
async def test_no_acknowledged_event_is_lost_and_none_is_stored_twice(
    three_nodes: ReplicaSet, fault: Fault
) -> None:
    database = f"test_{uuid4().hex}"
    primary = await asyncio.to_thread(three_nodes.primary)
    with running_service(
        FOOTFALL_MONGODB_URI=three_nodes.uri,
        FOOTFALL_DATABASE=database,
        FOOTFALL_RATE_LIMIT=UNLIMITED,
        FOOTFALL_TOTAL_RATE_LIMIT=UNLIMITED,
    ) as url:
        clients = Clients(url, fault.__name__, crowd=16, batch=20)
        async with clients.sending() as account:
            await asyncio.wait_for(account.taken.wait(), 10)
            await fault(three_nodes, primary)
            account.taken.clear()
            await asyncio.wait_for(account.taken.wait(), LONGEST_ANSWER)
        assert {answer.split()[0] for answer in account.answers} <= {"202", "503"}
        assert account.without_retry_after == 0
        assert account.slowest < LONGEST_ANSWER
        stored = check_stored(three_nodes.uri, database, account)
        await metrics_show(url, stored)


def check_stored(uri: str, database: str, account: Account) -> int:
    """Hold what clients were told against what a majority holds; return the number of events."""
    with pymongo.MongoClient[dict[str, Any]](uri, readConcernLevel="majority") as client:
        found = client[database]["events"].find({}, {"user_id": 1})
        stored = Counter(document["user_id"] for document in found)
    assert account.acknowledged <= stored.keys()
    assert max(stored.values()) == 1
    assert stored.keys() <= account.acknowledged | account.lost
    return len(stored)


async def metrics_show(url: str, stored: int) -> None:
    """Read the metrics until they count every stored event, for five seconds at most."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        for _ in range(50):
            shown = (await http.get("/v1/metrics")).json()["page_views"]["total"]
            if shown == stored:
                return
            await asyncio.sleep(0.1)
    pytest.fail(f"{shown} page views are shown, {stored} are stored")
