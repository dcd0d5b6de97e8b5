"""What an answer costs by the number of events in its windows, and what rolling up costs."""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import psutil
from bson import ObjectId

from bench.rig import table
from shared.clock import system_clock
from shared.database import Database, Document, connect
from shared.embedded_mongod import embedded_mongod
from shared.folding import fold
from shared.metrics import compute_metrics

RUNS = 5
RATES = (10, 100, 1000)  # events a second, for 15 minutes


def uncached() -> None:
    """Every metric at once, from raw events and from rollups; 20,000 users, 500 pages."""
    with tempfile.TemporaryDirectory() as folder, embedded_mongod(Path(folder)) as uri:
        asyncio.run(_measure(uri))


async def _measure(uri: str) -> None:
    rows = []
    client = connect(uri)
    for rate in RATES:
        database = Database(client, f"bench_{rate}", event_retention=86400)
        await database.ensure_indexes()
        at = system_clock()
        await _fill(database, rate * 900, at)
        raw = await _median(lambda d=database, t=at: compute_metrics(d, t))  # type: ignore[misc]
        await fold(database, lambda t=at: t - timedelta(seconds=10))  # type: ignore[misc]
        before, started = _mongod_seconds(), time.perf_counter()
        await fold(database, lambda t=at: t)  # type: ignore[misc]
        took, used = time.perf_counter() - started, _mongod_seconds() - before
        rolled = await _median(lambda d=database, t=at: compute_metrics(d, t))  # type: ignore[misc]
        size = (await client[database.name].command("collStats", "rollups"))["storageSize"]
        rows.append(
            [
                f"{rate * 900:,}",
                f"{rate:,}",
                f"{raw * 1000:,.0f} ms",
                f"{rolled * 1000:,.0f} ms",
                f"{raw / rolled:.1f}",
                f"{took * 1000:,.0f} ms",
                f"{used / 10:.1%}",
                f"{size / 1_048_576:.1f} MB",
            ]
        )
    client.close()
    header = ["events in 15 minutes", "a second", "from raw events", "from rollups", "ratio"]
    table([*header, "folding 10 s", "of a core", "rollups stored"], rows)


async def _median(compute: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(RUNS):
        started = time.perf_counter()
        await compute()
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def _mongod_seconds() -> float:
    processes = psutil.Process().children(recursive=True)
    times = [p.cpu_times() for p in processes if "mongod" in p.name()]
    return sum(it.user + it.system for it in times)


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
