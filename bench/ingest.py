"""How fast events are taken, what that costs, and what happens beyond the limit."""

import statistics
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

import httpx
import pymongo
from bson import ObjectId

from bench.rig import Server, bare_endpoint, event, footfall, post, table
from shared.clock import system_clock
from shared.ingest.validation import sort_events
from shared.storage.database import DURABLE, indexes
from shared.storage.embedded_mongod import embedded_mongod

RUNS = 3
SECONDS = 8


def single_events() -> None:
    """One event a request, against an endpoint that stores nothing; median of 3 runs."""
    rows = []
    with bare_endpoint() as bare, footfall() as service:
        for connections in (64, 256):
            ratios, rates, references, costs = [], [], [], []
            for _ in range(RUNS):
                references.append(post(bare.url, event(), connections, SECONDS).requests_per_second)
                before = service.processor_seconds()
                rates.append(post(service.url, event(), connections, SECONDS).requests_per_second)
                costs.append(_cost(service, before, rates[-1] * SECONDS))
                ratios.append(rates[-1] / references[-1])
            rows.append(
                [
                    connections,
                    *(f"{statistics.median(figures):,.0f}" for figures in (rates, references)),
                    f"{statistics.median(ratios):.2f}",
                    costs[-1],
                ]
            )
    table(["connections", "events/s", "bare requests/s", "ratio", "processor time an event"], rows)


def batches() -> None:
    """Batches of 500, against a loop of journaled insert_many of 1000; median of 3 runs."""
    ratios, rates, references = [], [], []
    cost = ""
    with footfall() as service:
        for _ in range(RUNS):
            references.append(_raw_inserts())
            before = service.processor_seconds()
            load = post(service.url, [event()] * 500, 4, SECONDS)
            rates.append(load.requests_per_second * 500)
            cost = _cost(service, before, rates[-1] * SECONDS)
            ratios.append(rates[-1] / references[-1])
    table(
        ["events/s", "raw inserts/s", "ratio", "processor time an event"],
        [
            [
                *(f"{statistics.median(figures):,.0f}" for figures in (rates, references)),
                f"{statistics.median(ratios):.2f}",
                cost,
            ]
        ],
    )


def paced() -> None:
    """One connection at 100 events a second for 20 s: latency, and processor use of one core."""
    seconds, took = 20, []
    with footfall() as service, httpx.Client(base_url=service.url) as client:
        client.post("/v1/events", json=event())
        before, started = service.processor_seconds(), time.perf_counter()
        for n in range(100 * seconds):
            time.sleep(max(0.0, started + n / 100 - time.perf_counter()))
            sent = time.perf_counter()
            assert client.post("/v1/events", json=event()).status_code == 202  # noqa: S101
            took.append((time.perf_counter() - sent) * 1000)
        used = service.processor_seconds()
    cuts = statistics.quantiles(took, n=100)
    share = {name: (used[name] - before[name]) / seconds for name in used}
    table(
        ["p50", "p99", "service", "mongod", "together"],
        [
            [
                f"{cuts[49]:.1f} ms",
                f"{cuts[98]:.1f} ms",
                *(f"{share[name]:.1%}" for name in ("service", "mongod")),
                f"{sum(share.values()):.1%}",
            ]
        ],
    )


def flood() -> None:
    """More than ten times a limit of 200 events a second, for 60 s, beside what no limit costs."""
    limit, seconds = 200, 60
    with footfall() as unlimited, footfall(FOOTFALL_RATE_LIMIT=f"{limit}/second") as service:
        acceptance = _cost_of_one(unlimited)
        post(service.url, event(), 64, 3)
        memory, accepted = service.resident_megabytes(), _accepted(service)
        before = sum(service.processor_seconds().values())
        load = post(service.url, event(), 64, seconds)
        used = sum(service.processor_seconds().values()) - before
        stored = _accepted(service) - accepted
        grown = service.resident_megabytes() - memory
        acceptance = (acceptance + _cost_of_one(unlimited)) / 2
    offered = load.requests_per_second * seconds
    refusal = (used - stored * acceptance) / (offered - stored)
    table(
        ["offered/s", "accepted/s", "of the limit", "an acceptance", "a refusal", "memory"],
        [
            [
                f"{offered / seconds:,.0f}",
                f"{stored / seconds:.1f}",
                f"{stored / seconds / limit:.1%}",
                *(f"{cost * 1e6:.0f} µs" for cost in (acceptance, refusal)),
                f"{memory:.0f} MiB {grown:+.1f}",
            ]
        ],
    )


def _cost_of_one(service: Server) -> float:
    """Return the processor seconds, mongod's included, of one event accepted by itself."""
    before = sum(service.processor_seconds().values())
    load = post(service.url, event(), 64, SECONDS)
    used = sum(service.processor_seconds().values()) - before
    return used / (load.requests_per_second * SECONDS)


def _accepted(service: Server) -> float:
    with urlopen(f"{service.url}/metrics") as text:  # noqa: S310 - our own address
        lines = text.read().decode().splitlines()
    [line] = [it for it in lines if it.startswith('footfall_events_total{outcome="accepted"}')]
    return float(line.split()[1])


def _cost(service: Server, before: dict[str, float], events: float) -> str:
    used = service.processor_seconds()
    parts = (f"{(used[name] - before[name]) / events * 1e6:.0f} µs {name}" for name in sorted(used))
    return ", ".join(parts)


def _raw_inserts() -> float:
    """Insert the same documents in a loop, a thousand at a time; give documents a second."""
    now = system_clock()
    batch = sort_events([event()] * 1000, now, ObjectId).events
    with tempfile.TemporaryDirectory() as folder, embedded_mongod(Path(folder)) as uri:
        client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(uri)
        collection = client.bench.get_collection("events", write_concern=DURABLE)
        collection.create_indexes(indexes(86400)["events"])
        started, writes = time.perf_counter(), 0
        while time.perf_counter() - started < SECONDS:
            collection.insert_many([{**d, "_id": ObjectId()} for d in batch], ordered=False)
            writes += 1
        rate = writes * 1000 / (time.perf_counter() - started)
        client.close()
    return rate
