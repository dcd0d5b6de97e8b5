"""What an uncached answer costs, by the number of events in its windows."""

import asyncio
import random
import statistics
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from bson import ObjectId

from bench.rig import table
from shared.clock import system_clock
from shared.database import Database, Document, connect
from shared.embedded_mongod import embedded_mongod
from shared.metrics import compute_metrics

RUNS = 3


def uncached() -> None:
    """Every metric at once, over 20,000 users, 60,000 sessions and 500 pages; median of 3."""
    with tempfile.TemporaryDirectory() as folder, embedded_mongod(Path(folder)) as uri:
        asyncio.run(_measure(uri))


async def _measure(uri: str) -> None:
    rows = []
    client = connect(uri)
    for count in (9_000, 90_000, 900_000):
        database = Database(client, f"bench_{count}", event_retention=86400)
        await database.ensure_indexes()
        at = system_clock()
        await _fill(database, count, at)
        took = []
        for _ in range(RUNS):
            started = time.perf_counter()
            await compute_metrics(database, at)
            took.append(time.perf_counter() - started)
        rows.append([f"{count:,}", f"{count / 900:,.0f}", f"{statistics.median(took):.3f} s"])
    client.close()
    table(["events in 15 minutes", "a second", "every metric"], rows)


async def _fill(database: Database, count: int, at: datetime) -> None:
    chance = random.Random(count)
    events = database.events
    for start in range(0, count, 5000):
        batch = [_event(chance, at) for _ in range(min(5000, count - start))]
        await events.insert_many(batch, ordered=False)


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
