import asyncio
import time
from collections.abc import Iterator

import pytest

from generator.delivery import HopelessError
from generator.outgoing import Batch, Outgoing
from generator.progress import Progress
from generator.run import Sending, run

pytestmark = pytest.mark.anyio
UNPACED = Sending(batch=10, concurrency=2, paced=False)


class Numbers:
    """A source of numbered events, `rate` of them a second."""

    def __init__(self, number: int, rate: float = 1.0) -> None:
        self.drawn = 0
        self._number = number
        self._rate = rate

    @property
    def next_due(self) -> float | None:
        return self.drawn / self._rate if self.drawn < self._number else None

    def due(self, elapsed: float) -> Iterator[Outgoing]:
        while (due := self.next_due) is not None and due <= elapsed:
            self.drawn += 1
            yield Outgoing({"event_id": self.drawn})


def numbers_of(batches: list[Batch]) -> list[object]:
    return [outgoing.event["event_id"] for batch in batches for outgoing in batch]


async def test_a_slow_service_makes_events_wait_undrawn_in_order_and_none_is_lost() -> None:
    source, progress = Numbers(1000), Progress(time.monotonic)
    opened, delivered = asyncio.Event(), list[Batch]()

    async def deliver(batch: Batch) -> None:
        delivered.append(batch)
        await opened.wait()

    running = asyncio.create_task(run(source, deliver, progress, asyncio.Event(), UNPACED))
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(delivered) == 2  # in flight
    assert source.drawn == 50  # two batches more wait in the queue, and one before it
    opened.set()
    await running
    assert numbers_of(delivered) == list(range(1, 1001))


async def test_stopping_delivers_what_was_drawn_and_draws_no_more() -> None:
    source, progress, stop = Numbers(1000), Progress(time.monotonic), asyncio.Event()
    delivered = list[Batch]()

    async def deliver(batch: Batch) -> None:
        delivered.append(batch)
        if len(delivered) == 3:
            stop.set()
        await asyncio.sleep(0)

    await run(source, deliver, progress, stop, UNPACED)
    assert numbers_of(delivered) == list(range(1, source.drawn + 1))
    assert 30 <= progress.drawn == source.drawn <= 80


async def test_a_chosen_rate_is_held_within_a_percent() -> None:
    source, progress = Numbers(2001, rate=1000), Progress(time.monotonic)
    arrived = list[tuple[float, int]]()

    async def deliver(batch: Batch) -> None:
        arrived.append((time.monotonic() - progress.started, len(batch)))

    await run(source, deliver, progress, asyncio.Event(), Sending(batch=500, concurrency=2))
    sent = 0
    for when, number in arrived:
        sent += number
        assert sent - 1 <= 1000 * when  # never early
    assert sent == 2001
    assert arrived[-1][0] == pytest.approx(2.0, abs=0.3)  # within a tick, and a noisy machine


async def test_the_reason_why_nothing_can_pass_comes_out_once() -> None:
    async def deliver(_: Batch) -> None:
        raise HopelessError("a wrong key")

    with pytest.raises(HopelessError, match="a wrong key"):
        await run(Numbers(100), deliver, Progress(time.monotonic), asyncio.Event(), UNPACED)
