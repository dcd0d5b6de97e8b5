"""Hours of load in little: what memory, files, threads and collections come to.

Raw events are kept for half an hour, the shortest there is, and the collection begins as after half
an hour of load, so that MongoDB deletes as many as arrive from the first minute on.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psutil
import pymongo

from tests.mongod import running_mongod
from tests.reliability.experiments import temporary_folder
from tests.reliability.load import Account, Load
from tests.reliability.processes import ServiceProcess
from tests.reliability.verdict import DATABASE, MARGIN, READ_BOUND, WRITE_BOUND, Row, until_equal

RETENTION: Final = 1800  # seconds
REAPER: Final = 5  # seconds between MongoDB's deletions; 60 by default
WARM: Final = 60.0  # seconds until the first sample
FLAT: Final = 1.1  # what a size at the end may be of that at the start
SLACK: Final = 16.0  # MiB of memory, or files, that are no growth
MEBIBYTE: Final = 1 << 20
CHUNK: Final = 10_000
TYPES: Final = ["page_view"] * 6 + ["add_to_cart", "purchase"]


@dataclass(frozen=True)
class Sample:
    """One look at both processes and at every collection."""

    at: float  # seconds since the start
    sizes: dict[str, float]  # by name: MiB, files, threads, or documents
    acknowledged: int


def main(minutes: float, rate: float) -> int:
    """Print samples of the start, the middle and the end; return 1 where something grew."""
    with (
        temporary_folder() as folder,
        running_mongod(folder / "data") as mongod,
        pymongo.MongoClient[dict[str, Any]](mongod.uri) as client,
        ServiceProcess(
            mongod.uri, folder / "log", FOOTFALL_EVENT_RETENTION=str(RETENTION)
        ) as service,
    ):
        client.admin.command("setParameter", 1, ttlMonitorSleepSecs=REAPER)
        _fill(client[DATABASE].events, rate)
        assert service.process
        [mongod_process] = [
            child
            for child in psutil.Process().children()
            if "--dbpath" in child.cmdline() and str(folder) in " ".join(child.cmdline())
        ]
        processes = {
            "service": psutil.Process(service.process.pid),
            "mongod": mongod_process,
        }
        began = time.monotonic()
        samples = []
        with Load([service.url], "soak", rate) as load:
            middle = (WARM + 60 * minutes) / 2
            for at in (WARM, middle, 60 * minutes):
                time.sleep(max(0.0, began + at - time.monotonic()))
                taken = len(load.account.acknowledged)
                sizes = _sizes(processes, client[DATABASE])
                samples.append(Sample(time.monotonic() - began, sizes, taken))
            load.stop()
        kept = _retentions(client[DATABASE], 60 * minutes)
        row = Row("soak")
        equal_after = until_equal(row, mongod.uri, service.url, time.time())
    return _report(samples, kept, load.account, equal_after, row.wrong)


def _fill(events: Any, rate: float) -> None:
    """Store what half an hour of the same load would have left."""
    count = int(RETENTION * rate)
    now = datetime.now(UTC)
    for start in range(0, count, CHUNK):
        documents = []
        for number in range(start, min(start + CHUNK, count)):
            at = now - timedelta(seconds=RETENTION - number / rate)
            user = f"usr_{number * 7919 % 2000}"
            documents.append(
                {
                    "user_id": user,
                    "session_id": f"{user}.{number % 3}",
                    "event_type": TYPES[number % len(TYPES)],
                    "page_url": f"/products/{number % 200}",
                    "received_at": at,
                    "occurred_at": at,
                    "properties": {"sent_as": f"before.{number}"},
                }
            )
        events.insert_many(documents, ordered=False)


def _sizes(processes: dict[str, psutil.Process], database: Any) -> dict[str, float]:
    sizes: dict[str, float] = {}
    for name, process in processes.items():
        sizes[f"{name}: memory, MiB"] = process.memory_info().rss / MEBIBYTE
        sizes[f"{name}: open files"] = process.num_fds()
        sizes[f"{name}: threads"] = process.num_threads()
    for name in sorted(database.list_collection_names()):
        if not name.startswith("system."):
            sizes[f"documents in {name}"] = database[name].count_documents({})
    return sizes


def _retentions(database: Any, longer_than: float) -> dict[str, float]:
    """Return for how many seconds collections keep documents, where that is longer than the run.

    Their size says nothing yet. Of the events as much is there from the start.
    """
    kept = {}
    for name in database.list_collection_names():
        seconds = _retention(database[name])
        if seconds > longer_than and name != "events":
            kept[f"documents in {name}"] = seconds
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


def _report(
    samples: list[Sample],
    kept: dict[str, float],
    account: Account,
    equal_after: float | None,
    wrong: int,
) -> int:
    print(f"| | {' | '.join(f'{sample.at:.0f} s' for sample in samples)} | |")
    print("|---|---:|---:|---:|---|")
    print(f"| events acknowledged | {' | '.join(f'{s.acknowledged:,}' for s in samples)} | |")
    grew = False
    for name, start in samples[0].sizes.items():
        end = samples[-1].sizes[name]
        is_flat = end <= start * FLAT + SLACK
        if name in kept:
            verdict = f"kept for {kept[name]:,.0f} s, longer than this run: not judged"
        else:
            grew |= not is_flat
            verdict = "flat" if is_flat else "**GREW**"
        values = " | ".join(f"{sample.sizes.get(name, 0):,.0f}" for sample in samples)
        print(f"| {name} | {values} | {verdict} |")
    print(
        f"\nlongest write {account.longest_write:.1f} s, read {account.longest_read:.1f} s; "
        f"answers {dict(account.answers)}, viewer's {dict(account.views)}; "
        f"metrics equal {'never' if equal_after is None else f'after {equal_after:.1f} s'}, "
        f"{wrong} answers wrong"
    )
    slow = max(account.longest_write - WRITE_BOUND, account.longest_read - READ_BOUND) > MARGIN
    bad = bool(account.unanswered) or equal_after is None or wrong > 0
    return 1 if grew or slow or bad else 0
