"""An hour of load: what memory, files, threads, waits and collections come to.

Raw events are kept for half an hour, the shortest there is. What MongoDB deletes by age is there
from the start as after a long time of the same load, so that as much goes as comes.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import psutil
import pymongo

from shared.metrics.engine.counts import COLLECTION, HOUR
from shared.metrics.snapshots import EVERY
from shared.storage.database import REJECTION_RETENTION, SNAPSHOT_RETENTION
from tests.mongod import running_mongod
from tests.reliability.experiments import temporary_folder
from tests.reliability.load import Account, Load, Viewer
from tests.reliability.processes import ServiceProcess
from tests.reliability.verdict import (
    DATABASE,
    MARGIN,
    READ_BOUND,
    WRITE_BOUND,
    Row,
    stored,
    until_equal,
)

RETENTION: Final = 1800  # seconds
REAPER: Final = 5  # seconds between MongoDB's deletions; 60 by default
REFUSED: Final = 1  # seconds from one refused event to the next
FLAT: Final = 1.1  # what a size at the end may be of that at the start
SLACK: Final = 16.0  # MiB, files, threads or documents that are no growth
MEBIBYTE: Final = 1 << 20
CHUNK: Final = 10_000
TYPES: Final = ["page_view"] * 6 + ["add_to_cart", "purchase"]

# What the dashboard asks for, and a program that watches the numbers.
PAGE: Final = (
    "/v1/metrics",
    "/v1/metrics/per-minute?minutes=60",
    "/v1/metrics/history?minutes=30",
    "/v1/rejections?limit=50",
)
VIEWERS: Final = [*[Viewer(every=30, paths=PAGE)] * 3, Viewer(every=1)]

# For how many seconds back a collection is full when the load begins.
FILLED: Final = {
    "events": RETENTION,
    "snapshots": SNAPSHOT_RETENTION,
    "rejections": REJECTION_RETENTION,
    COLLECTION: HOUR.total_seconds(),  # by the first question for an hour's minutes
}


@dataclass(frozen=True)
class Sample:
    """One look at both processes and at every collection."""

    at: float  # seconds since the start
    acknowledged: int
    sizes: dict[str, float]  # by name: MiB, files, threads, or documents
    waits: dict[str, float]  # ms


def main(minutes: float, rate: float) -> int:
    """Print samples of the start, the middle and the end; return 1 where something grew."""
    seconds = 60 * minutes
    warm = seconds * 5 / 12  # of an hour: the rows of steps are kept for 25 minutes
    with (
        temporary_folder() as folder,
        running_mongod(folder / "data") as mongod,
        pymongo.MongoClient[dict[str, Any]](mongod.uri) as client,
        ServiceProcess(
            mongod.uri,
            folder / "log",
            FOOTFALL_EVENT_RETENTION=str(RETENTION),
            FOOTFALL_RATE_LIMIT_STORAGE="mongodb",
        ) as service,
        httpx.Client(base_url=service.url, timeout=30, trust_env=False) as http,
    ):
        client.admin.command("setParameter", 1, ttlMonitorSleepSecs=REAPER)
        _fill(client[DATABASE], rate, http)
        assert service.process
        [mongod_process] = [
            child
            for child in psutil.Process().children()
            if "--dbpath" in child.cmdline() and str(folder) in " ".join(child.cmdline())
        ]
        processes = {"service": psutil.Process(service.process.pid), "mongod": mongod_process}
        began = time.monotonic()
        samples: list[Sample] = []
        with Load([service.url], "soak", rate, VIEWERS) as load:
            for at in (warm, (warm + seconds) / 2, seconds):
                since = time.time()
                while time.monotonic() < began + at:
                    _refuse(http)
                    time.sleep(REFUSED)
                samples.append(
                    Sample(
                        time.monotonic() - began,
                        len(load.account.acknowledged),
                        _sizes(processes, client[DATABASE]),
                        _waits(load.account, since),
                    )
                )
                print(samples[-1], flush=True)
            load.stop()
        kept = _kept_longer(client[DATABASE], warm)
        row = Row("soak")
        row.equal_after = until_equal(row, mongod.uri, service.url, time.time())
        _find(row, load.account, mongod.uri)
    return _report(samples, kept, load.account, row)


def _find(row: Row, account: Account, uri: str) -> None:
    """Look for what was acknowledged, but for what may have been deleted by its age."""
    events, _ = stored(uri)
    found = Counter(event["properties"]["sent_as"] for event in events)
    youngest = time.time() - RETENTION / 2
    acknowledged = {name for name, at in account.acknowledged.items() if at > youngest}
    row.acknowledged = len(acknowledged)
    row.missing = len(acknowledged - found.keys())
    row.twice = sum(count > 1 for count in found.values())


def _refuse(http: httpx.Client) -> None:
    """Send an event that is refused, each time for another reason than the last."""
    wrong = {"user_id": 5} if int(time.time()) % 2 else {"page_url": "no page"}
    assert http.post("/v1/events", json=wrong).status_code in {422, 503}


def _fill(database: Any, rate: float, http: httpx.Client) -> None:
    """Store what a long time of the same load would have left."""
    now = datetime.now(UTC)
    step = timedelta(seconds=1 / rate)
    _insert(database.events, int(RETENTION * rate), lambda n: _event(n, now - n * step))
    assert http.get("/v1/metrics/per-minute?minutes=60").status_code == 200
    for _ in range(2):
        _refuse(http)
        time.sleep(1)
    for name, field, every in (
        ("snapshots", "as_of", EVERY),
        ("rejections", "rejected_at", timedelta(seconds=REFUSED)),
    ):
        collection = database[name]
        while not (template := collection.find_one()):
            time.sleep(0.1)
        oldest = template[field]
        _insert(collection, int(FILLED[name] / every.total_seconds()), _copies(template, every))
        assert collection.find_one({field: {"$lt": oldest}})


def _insert(collection: Any, count: int, document: Callable[[int], dict[str, Any]]) -> None:
    for start in range(1, count, CHUNK):
        numbers = range(start, min(start + CHUNK, count))
        collection.insert_many(map(document, numbers), ordered=False)


def _event(number: int, at: datetime) -> dict[str, Any]:
    user = f"usr_{number * 7919 % 2000}"
    return {
        "user_id": user,
        "session_id": f"{user}.{number % 3}",
        "event_type": TYPES[number % len(TYPES)],
        "page_url": f"/products/{number % 200}",
        "received_at": at,
        "occurred_at": at,
        "properties": {"sent_as": f"before.{number}"},
    }


def _copies(template: dict[str, Any], every: timedelta) -> Callable[[int], dict[str, Any]]:
    """Return what makes copies of a document that are older by `every`, twice that, and so on."""

    def before(number: int) -> dict[str, Any]:
        copy = template | {
            name: value - number * every
            for name, value in template.items()
            if isinstance(value, datetime)
        }
        if not isinstance(copy["_id"], datetime):
            del copy["_id"]
        return copy

    return before


def _sizes(processes: dict[str, psutil.Process], database: Any) -> dict[str, float]:
    sizes: dict[str, float] = {}
    for name, process in processes.items():
        sizes[f"{name}: memory, MiB"] = process.memory_info().rss / MEBIBYTE
        sizes[f"{name}: open files"] = process.num_fds()
        sizes[f"{name}: threads"] = process.num_threads()
    for name in sorted(database.list_collection_names()):
        if not name.startswith("system."):
            stats = database.command("collStats", name)
            sizes[f"{name}: documents"] = stats["count"]
            on_disk = stats["storageSize"] + stats["totalIndexSize"]
            sizes[f"{name}: on disk, MiB"] = on_disk / MEBIBYTE
    return sizes


def _waits(account: Account, since: float) -> dict[str, float]:
    """Return the median and the 99th percentile of writes and reads that began after `since`."""
    waits: dict[str, float] = {}
    for name, answered in (("write", account.taken), ("read", account.shown)):
        times = [1000 * (came - sent) for sent, came in list(answered) if sent > since]
        percentiles = statistics.quantiles(times, n=100)
        waits[f"{name}: p50, ms"] = percentiles[49]
        waits[f"{name}: p99, ms"] = percentiles[98]
    return waits


def _kept_longer(database: Any, warm: float) -> dict[str, float]:
    """Return for how many seconds collections keep documents that were not full when warm.

    Their size says nothing yet.
    """
    kept = {}
    for name in database.list_collection_names():
        seconds = _retention(database[name])
        if seconds > FILLED.get(name, 0) + warm:
            kept[name] = seconds
    return kept


def _retention(collection: Any) -> float:
    """Return for how many seconds a document is kept, the longest where each says for itself."""
    longest = 0.0
    for index in collection.index_information().values():
        longest = max(longest, index.get("expireAfterSeconds", 0))
        if index.get("expireAfterSeconds") == 0:
            [(field, _)] = index["key"]
            last = collection.find_one({field: {"$type": "date"}}, sort=[(field, -1)])
            now = datetime.now(UTC).replace(tzinfo=None)
            longest = max(longest, (last[field] - now).total_seconds() if last else 0.0)
    return longest


def _report(samples: list[Sample], kept: dict[str, float], account: Account, row: Row) -> int:
    print(f"| | {' | '.join(f'{sample.at:.0f} s' for sample in samples)} | |")
    print("|---|---:|---:|---:|---|")
    print(f"| events acknowledged | {' | '.join(f'{s.acknowledged:,}' for s in samples)} | |")
    for name in samples[0].waits:
        print(f"| {name} | {' | '.join(f'{s.waits[name]:,.0f}' for s in samples)} | |")
    grew = False
    for name, start in samples[0].sizes.items():
        is_flat = samples[-1].sizes[name] <= start * FLAT + SLACK
        collection = name.partition(":")[0]
        if collection in kept:
            verdict = f"kept for {kept[collection]:,.0f} s: not full when warm, not judged"
        else:
            grew |= not is_flat
            verdict = "flat" if is_flat else "**GREW**"
        values = " | ".join(_figure(sample.sizes.get(name, 0)) for sample in samples)
        print(f"| {name} | {values} | {verdict} |")
    after = "never" if row.equal_after is None else f"after {row.equal_after:.1f} s"
    print(
        f"\nlongest write {account.longest_write:.1f} s, read {account.longest_read:.1f} s; "
        f"answers {dict(account.answers)}, viewers' {dict(account.views)}; "
        f"of the last {row.acknowledged:,} events {row.missing} missing, {row.twice} stored twice; "
        f"metrics equal {after}, {row.wrong} answers wrong"
    )
    slow = max(account.longest_write - WRITE_BOUND, account.longest_read - READ_BOUND) > MARGIN
    bad = account.unanswered or row.missing or row.twice or row.wrong or row.equal_after is None
    return 1 if grew or slow or bad else 0


def _figure(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")
