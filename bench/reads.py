"""What an answer costs by the number of events in its windows, and what rolling up costs."""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
from bson import ObjectId
from shared.metrics.compute import compute_metrics
from shared.metrics.folding import fold
from shared.metrics.segments import SETTLE, STEP, settled_at

from bench.rig import Server, table
from shared.clock import Clock, system_clock
from shared.schema import PAGE_VIEW
from shared.storage.database import Database, Document, connect
from shared.storage.embedded_mongod import embedded_mongod
from shared.windows import ACTIVE, VIEWS

RUNS = 5
RATES = (10, 100, 1000)  # events a second, for 15 minutes
MEAN_AGE = SETTLE + STEP / 2  # of the newest rollup when somebody asks


def uncached() -> None:
    """Every metric at once, from raw events and from rollups; 20,000 users, 500 pages."""
    with tempfile.TemporaryDirectory() as folder, embedded_mongod(Path(folder)) as uri:
        asyncio.run(_measure(uri))


async def _measure(uri: str) -> None:
    rows = []
    mine = Server(uri, psutil.Process())
    client = connect(uri)
    for rate in RATES:
        database = Database(client, f"bench_{rate}", event_retention=86400)
        await database.ensure_indexes()
        at = settled_at(system_clock()) + MEAN_AGE
        await _fill(database, rate * 900, at)
        plain = await _median(partial(_plainly, database, at))
        raw = await _median(partial(compute_metrics, database, at))
        await fold(database, _standing(at - STEP))
        before, started = mine.processor_seconds(), time.perf_counter()
        await fold(database, _standing(at))
        took, after = time.perf_counter() - started, mine.processor_seconds()
        used = after["mongod"] - before["mongod"]
        rolled = await _median(partial(compute_metrics, database, at))
        size = (await client[database.name].command("collStats", "rollups"))["storageSize"]
        rows.append(
            [
                f"{rate * 900:,}",
                f"{rate:,}",
                *(f"{seconds * 1000:,.0f} ms" for seconds in (plain, raw, rolled)),
                *(f"{seconds / rolled:.0f}" for seconds in (plain, raw)),
                f"{took * 1000:,.0f} ms",
                f"{used / STEP.total_seconds():.1%}",
                f"{size / 1_048_576:.1f} MB",
            ]
        )
    client.close()
    table(
        [
            *("events in 15 minutes", "a second", "a plain pipeline for each metric"),
            *("our own of raw events", "from rollups", "ratio to plain", "to our own"),
            *(f"folding {STEP.seconds} s", "of a core", "rollups stored"),
        ],
        rows,
    )


async def _plainly(database: Database, at: datetime) -> None:
    """Do what one would do without rollups: one pipeline for each metric, one after another."""
    in_views = {"occurred_at": {"$gt": at - VIEWS, "$lte": at}}
    in_active = {"occurred_at": {"$gt": at - ACTIVE, "$lte": at}}
    most_first: Document = {"$sort": {"count": -1, "_id": 1}}
    of_page = {"$group": {"_id": "$page_url", "count": {"$sum": 1}}}
    of_type = {"$group": {"_id": "$event_type", "count": {"$sum": 1}}}
    of_user = {"$group": {"_id": "$user_id", "sessions": {"$addToSet": "$session_id"}}}
    sessions: Document = {"$project": {"count": {"$size": "$sessions"}}}
    metrics: list[list[Document]] = [
        [{"$match": in_active}, {"$group": {"_id": "$user_id"}}, {"$count": "users"}],
        [{"$match": in_views | {"event_type": PAGE_VIEW}}, of_page, most_first, {"$limit": 5}],
        [{"$match": in_active}, of_user, sessions, most_first, {"$limit": 10}],
        [{"$match": in_views}, of_type],
    ]
    for pipeline in metrics:
        await database.events.aggregate(pipeline).to_list(None)


async def _median(compute: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(RUNS):
        started = time.perf_counter()
        await compute()
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def _standing(at: datetime) -> Clock:
    return lambda: at


async def _fill(database: Database, count: int, at: datetime) -> None:
    chance = random.Random(count)
    for start in range(0, count, 5000):
        batch = [_event(chance, at) for _ in range(min(5000, count - start))]
        await database.events.insert_many(batch, ordered=False)


def _event(chance: random.Random, at: datetime) -> Document:
    happened = at - timedelta(milliseconds=chance.randrange(900_000))
    user = chance.randrange(20_000)
    return {
        "_id": ObjectId(),
        "timestamp": happened,
        "user_id": f"usr_{user}",
        "event_type": chance.choice(["page_view"] * 8 + ["add_to_cart", "purchase"]),
        "page_url": f"/products/{int(chance.paretovariate(1)) % 500}",
        "session_id": f"sess_{user}_{chance.randrange(3)}",
        "received_at": happened,
        "occurred_at": happened,
    }
