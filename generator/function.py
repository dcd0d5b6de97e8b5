"""The generator as a scheduled function: each invocation sends its share of the time.

The share is the interval that ends at the scheduled time, so that an invocation repeated by the
scheduler sends the same events with the same ids, and nothing is counted twice. Invocations
continue one shop for SHOP_LASTS: each draws its events from the beginning and sends those of its
interval, so that a session may last longer than an invocation.
"""

import asyncio
import contextlib
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import Protocol

from generator.faults import outgoing
from generator.progress import Progress
from generator.sending import Sender, client
from generator.shop import Shop
from shared.schema import format_instant

INTERVAL = 60  # seconds between invocations, as in the schedule
SHOP_LASTS = 10  # intervals
RESERVE = 2.0  # seconds of the time budget kept for the report
MAX_RATE = 1000.0  # events a second; drawing those of ten minutes takes 7 s
USERS = 6000
BATCH = 500


class Context(Protocol):
    """What the platform tells about the invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left, in milliseconds."""


async def generate(event: Mapping[str, object], context: Context) -> dict[str, object]:
    """Send one interval's events within the time budget, and report what became of them.

    `event["time"]` is the scheduled time, RFC 3339; without it, the last full interval's end.
    Settings: FOOTFALL_URL, FOOTFALL_KEY, FOOTFALL_GENERATOR_RATE (events a second, 20; 0 is
    none). Raises ValueError for a setting that will not do and PermanentError where the service
    refuses every request.
    """
    rate = float(os.environ.get("FOOTFALL_GENERATOR_RATE", "20"))
    if not 0 <= rate <= MAX_RATE:
        raise ValueError(f"FOOTFALL_GENERATOR_RATE must be from 0 to {MAX_RATE:g}")
    share, ends, progress = math.floor(rate * INTERVAL), _scheduled(event), Progress()
    budget = context.get_remaining_time_in_millis() / 1000 - RESERVE
    async with client(os.environ.get("FOOTFALL_URL", "")) as http:
        with contextlib.suppress(TimeoutError):  # what is missing is in the report
            async with asyncio.timeout(budget):
                await _send(Sender(http, progress), share, ends)
    return {
        "until": format_instant(ends),
        "accepted": progress.accepted,
        "duplicate": progress.duplicate,
        "late": progress.late,
        "wrong": dict(progress.wrong),
        "sent_again": dict(progress.retried),
        "undelivered": share - progress.delivered,
    }


async def _send(sender: Sender, share: int, ends: datetime) -> None:
    """Send the `share` of events that happen in the interval before `ends`."""
    before = (int(ends.timestamp()) // INTERVAL - 1) % SHOP_LASTS  # intervals of this shop
    begins = ends - timedelta(seconds=(before + 1) * INTERVAL)
    seed = int(begins.timestamp())
    offsets = (INTERVAL * number / share for number in count(1))
    events = outgoing(Shop(seed, USERS, begins), offsets, {}, seed)
    events = islice(events, before * share, (before + 1) * share)
    while batch := list(islice(events, BATCH)):
        await sender.deliver(batch)


def _scheduled(event: Mapping[str, object]) -> datetime:
    scheduled = event.get("time")
    if isinstance(scheduled, str):
        return datetime.fromisoformat(scheduled).astimezone(UTC)
    now = datetime.now(UTC).timestamp()
    return datetime.fromtimestamp(now // INTERVAL * INTERVAL, UTC)
