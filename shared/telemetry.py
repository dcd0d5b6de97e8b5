"""Prometheus metrics. What can stall is exported as a timestamp, so that its age keeps growing.

With several worker processes each writes its numbers to files in `PROMETHEUS_MULTIPROC_DIR`, and
the one that is scraped adds them up.
"""

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)
from prometheus_client.registry import Collector

from shared import VERSION

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, which nobody reads

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
OUTCOMES: Final = ("accepted", "duplicate", "rejected")

EVENTS: Final = Counter("footfall_events", "Events by outcome", ["outcome"])
for _outcome in OUTCOMES:  # start each at 0, or `rate` would miss the first event
    EVENTS.labels(_outcome)
LATE_EVENTS: Final = Counter("footfall_late_events", "Accepted events too old for every window")
REJECTIONS: Final = Counter("footfall_rejections", "Refused events by reason", ["code"])
PROBLEMS: Final = Counter("footfall_problems", "Failed requests by kind of failure", ["tag"])
LATENCY: Final = Histogram(
    "footfall_request_seconds",
    "Time from request to answer",
    ["endpoint", "status"],
    buckets=_SECONDS,
)
QUEUE: Final = Gauge(
    "footfall_queue_depth_events", "Events waiting to be stored", multiprocess_mode="livesum"
)
GROUPS: Final = Histogram(
    "footfall_group_commit_events",
    "Events that shared one write",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000),
)

TICKS: Final = Histogram(
    "footfall_tick_seconds", "Time that a tick of this service took", buckets=_SECONDS
)
TICK_FAILURES: Final = Counter("footfall_tick_failures", "Ticks that did not come to their end")
STEPS: Final = Counter("footfall_steps_rebuilt", "Steps of the window that ticks counted anew")

# Read from MongoDB at a scrape, so that it matters to nobody which process ticked or took an event.
LAST_TICK: Final = Gauge(
    "footfall_last_tick_timestamp_seconds",
    "When the metrics were last brought up to date; 0: not known to be",
    multiprocess_mode="mostrecent",
)
LAST_EVENT: Final = Gauge(
    "footfall_last_event_timestamp_seconds",
    "When the newest stored event arrived; 0: none is known",
    multiprocess_mode="mostrecent",
)
FRESHNESS: Final = Gauge(
    "footfall_freshness_lag_seconds",
    "Time since footfall_last_tick_timestamp_seconds, by the clock of the service",
    multiprocess_mode="mostrecent",
)
READY: Final = Gauge(
    "footfall_ready",
    "1: /readyz answers 200; 0: it says what is wrong",
    multiprocess_mode="mostrecent",
)
CLOCK_SKEW: Final = Gauge(
    "footfall_clock_skew_seconds",
    "How far the clock of this machine is ahead of MongoDB's",
    multiprocess_mode="mostrecent",
)
POOL: Final = Gauge(
    "footfall_mongodb_connections",
    "Connections of the driver's pool: open, and of those in use",
    ["state"],
    multiprocess_mode="livesum",
)
POOL_WAITS: Final = Histogram(
    "footfall_mongodb_checkout_seconds",
    "Time that an operation waited for a connection",
    buckets=_SECONDS,
)
POOL_FAILURES: Final = Counter(
    "footfall_mongodb_checkout_failures", "Operations that got no connection"
)
BUILD: Final = Gauge(
    "footfall_build_info", "1, with what runs", ["version", "python"], multiprocess_mode="max"
)
BUILD.labels(VERSION, platform.python_version()).set(1)


@cache
def latency(endpoint: str, status: int) -> Histogram:
    """Return the histogram of one endpoint and status; looking a label up takes longer."""
    return LATENCY.labels(endpoint, status)


@cache
def events(outcome: str) -> Counter:
    """Return the counter of one outcome of `OUTCOMES`."""
    return EVENTS.labels(outcome)


def tick_finished(seconds: float, steps_made: int) -> None:
    """Count a tick, which took so long and counted so many steps anew."""
    TICKS.observe(seconds)
    STEPS.inc(steps_made)


def tick_failed() -> None:
    """Count a tick that ended with an error."""
    TICK_FAILURES.inc()


def read_from_mongodb(*, ready: bool, tick: datetime | None, event: datetime | None) -> None:
    """Export whether the service is ready, the last tick and the newest event.

    None is not known: what was known stays, and ages.
    """
    READY.set(ready)
    if tick:
        LAST_TICK.set(tick.timestamp())
    if event:
        LAST_EVENT.set(event.timestamp())


def exposition(now: datetime) -> tuple[bytes, str]:
    """Return the Prometheus text and its media type, summed over all worker processes."""
    registry = _all_workers() if "PROMETHEUS_MULTIPROC_DIR" in os.environ else REGISTRY
    last_tick = registry.get_sample_value("footfall_last_tick_timestamp_seconds") or 0
    FRESHNESS.set(now.timestamp() - last_tick)
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _all_workers() -> CollectorRegistry:
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    workers = {path.stem.rpartition("_")[2] for path in folder.glob("*.db")}
    living = {pid for pid in workers if Path("/proc", pid).exists()}
    for pid in workers - living:
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(_Processes(sorted(living)))
    return registry


_THE_LEAST: Final = {"process_start_time_seconds", "process_max_fds"}


class _Processes(Collector):
    """The `process_*` metrics of several processes, as of one."""

    def __init__(self, pids: Sequence[str]) -> None:
        self._collectors = [ProcessCollector(pid=partial(str, pid), registry=None) for pid in pids]

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for family in chain.from_iterable(it.collect() for it in self._collectors):
            first = families.setdefault(family.name, family)
            if first is not family:
                values = first.samples[0].value, family.samples[0].value
                value = min(values) if family.name in _THE_LEAST else sum(values)
                first.samples[0] = first.samples[0]._replace(value=value)
        return families.values()
