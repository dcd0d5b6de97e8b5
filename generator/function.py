"""The generator as a scheduled function: each invocation sends its share of the time.

The share is that of the interval that ends at the scheduled time, so that an invocation repeated
by the scheduler makes the same events with the same ids, and nothing is counted twice.
"""

import asyncio
import contextlib
import math
import os
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from generator.delivery import Delivery
from generator.options import MAX_RATE, USERS_PER_RATE
from generator.pause import Pause
from generator.plan import Plan
from generator.progress import Progress
from generator.run import Sending, run
from generator.service import Service, service
from generator.stream import shop_stream
from shared.schema import format_instant

INTERVAL = 60.0  # seconds between invocations, as in the schedule
RESERVE = 2.0  # seconds of the time budget kept for the report
SENDING = Sending(batch=500, concurrency=4, paced=False)


class Context(Protocol):
    """What the platform tells about the invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left, in milliseconds."""


async def generate(event: Mapping[str, object], context: Context) -> dict[str, object]:
    """Send one interval's events within the time budget, and report what became of them.

    `event["time"]` is the scheduled time, RFC 3339; without it, the last full interval's end.
    Settings: FOOTFALL_URL, FOOTFALL_KEY, FOOTFALL_GENERATOR_RATE (events a second, 20; 0 is
    none). Raises ValueError for a setting that will not do and HopelessError where the service
    refuses every request.
    """
    rate = float(os.environ.get("FOOTFALL_GENERATOR_RATE", "20"))
    if not 0 <= rate <= MAX_RATE:
        raise ValueError(f"FOOTFALL_GENERATOR_RATE must be from 0 to {MAX_RATE:g}")
    target = service(os.environ.get("FOOTFALL_URL", ""), None)
    ends = _scheduled(event)
    progress = Progress(time.monotonic)
    if rate:
        budget = context.get_remaining_time_in_millis() / 1000 - RESERVE
        with contextlib.suppress(TimeoutError):  # what is missing is in the report
            async with asyncio.timeout(budget):
                await _send(target, rate, ends, progress)
    return {
        "until": format_instant(ends),
        "accepted": progress.accepted,
        "duplicate": progress.duplicate,
        "late": progress.late,
        "refused": dict(progress.refused),
        "tried_again": dict(progress.retried),
        "undelivered": math.floor(rate * INTERVAL) - progress.delivered,
    }


async def _send(target: Service, rate: float, ends: datetime, progress: Progress) -> None:
    begins = ends - timedelta(seconds=INTERVAL)
    # The seed changes with the interval, or the same sessions would come again every minute.
    seed, users = int(begins.timestamp()), math.ceil(rate * USERS_PER_RATE)
    stream = shop_stream(Plan(seed, rate, users, duration=INTERVAL), begins)
    async with target.client(SENDING.concurrency) as http:
        pause = Pause(time.monotonic, asyncio.sleep, random.SystemRandom())
        delivery = Delivery(http, progress, monotonic=time.monotonic, pause=pause)
        await run(stream, delivery.deliver, progress, asyncio.Event(), SENDING)


def _scheduled(event: Mapping[str, object]) -> datetime:
    scheduled = event.get("time")
    if isinstance(scheduled, str):
        return datetime.fromisoformat(scheduled).astimezone(UTC)
    now = datetime.now(UTC).timestamp()
    return datetime.fromtimestamp(now // INTERVAL * INTERVAL, UTC)
