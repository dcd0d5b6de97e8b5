"""When events are sent: the n-th one n / rate seconds after the start."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count, islice

from generator.faults import Batch, Outgoing

TICK = 0.05  # seconds between batches, where more than one event is due in that time
LOOK = 0.5  # seconds between looks at whether it was stopped

Sleep = Callable[[float], Awaitable[None]]


class Schedule:
    """An open loop: the events due do not depend on how fast the service is.

    If the service is slow, events not yet drawn keep their order and time, and are sent later.
    """

    def __init__(
        self,
        rate: float,
        duration: float = math.inf,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.duration = duration
        self.drawn = 0
        self.total = rate * duration  # events; infinity is until stopped
        self.stopped = False
        self._rate = rate
        self._monotonic = monotonic
        self._sleep = sleep
        self._started = monotonic()

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return self._monotonic() - self._started

    def due(self) -> int:
        """Return how many events should have been sent by now."""
        return max(math.floor(min(self.elapsed() * self._rate, self.total)), self.drawn)

    def stop(self) -> None:
        """Draw no more: what is not drawn by now never happened."""
        self.total, self.stopped = self.drawn, True

    def offsets(self) -> Iterator[float]:
        """Yield when each event is due, in seconds from the start."""
        return (number / self._rate for number in count(1))

    async def batches(self, events: Iterator[Outgoing], size: int) -> AsyncIterator[Batch]:
        """Yield what is due of `events` in lists of at most `size`, until the end or `stop()`."""
        while left := math.floor(min(self.total - self.drawn, size)):
            wanted = min(left, max(math.floor(TICK * self._rate), 1))
            wait = (self.drawn + wanted) / self._rate - self.elapsed()
            if wait > 0:
                await self._sleep(min(wait, LOOK))
                continue
            batch = list(islice(events, min(max(self.due() - self.drawn, wanted), size)))
            self.drawn += len(batch)
            yield batch
