"""What Prometheus scrapes: outcomes, latency, freshness, queue depth."""

import os
from collections.abc import Callable
from functools import cache
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

EVENTS: Final = Counter(
    "footfall_events", "Events by outcome", ["outcome"]
)  # accepted | duplicate | rejected
LATE_EVENTS: Final = Counter("footfall_late_events", "Accepted events too old for every window")
REJECTIONS: Final = Counter("footfall_rejections", "Refused events by reason", ["code"])
PROBLEMS: Final = Counter("footfall_problems", "Failed requests by kind of failure", ["tag"])
LATENCY: Final = Histogram(
    "footfall_request_seconds",
    "Time from request to answer",
    ["endpoint", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
FRESHNESS: Final = Gauge(
    "footfall_freshness_lag_seconds",
    "Age of the newest stored snapshot",
    multiprocess_mode="min",
)
CLOCK_SKEW: Final = Gauge(
    "footfall_clock_skew_seconds",
    "This machine's clock less MongoDB's",
    multiprocess_mode="mostrecent",
)
QUEUE: Final = Gauge(
    "footfall_queue_depth_events", "Events waiting to be stored", multiprocess_mode="livesum"
)
GROUPS: Final = Histogram(
    "footfall_group_commit_events",
    "Events that shared one write",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000),
)


@cache
def latency(endpoint: str, status: int) -> Histogram:
    """Give the histogram of one endpoint and status; looking a label up takes longer than this."""
    return LATENCY.labels(endpoint, status)


@cache
def events(outcome: str) -> Counter:
    """Give the counter of one outcome: accepted, duplicate or rejected."""
    return EVENTS.labels(outcome)


def watch_queue(depth: Callable[[], float]) -> None:
    """Read the queue's depth from `depth` at each scrape, where one process serves."""
    if not _several_processes():
        QUEUE.set_function(depth)


def exposition() -> tuple[bytes, str]:
    """Give the Prometheus text and its media type, summed over all worker processes."""
    if not _several_processes():
        return generate_latest(), CONTENT_TYPE_LATEST
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _several_processes() -> bool:
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ
