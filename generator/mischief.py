"""Faults on demand: what real clients do to events on the way."""

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count

from generator.malformed import BREAKAGES, broken
from generator.outgoing import Outgoing, Role, Source
from generator.plan import Faults
from shared.schema import format_instant

LATE_MEAN = 600.0  # seconds; 22 % are then older than the longest window, 15 minutes
LATE_MOST = 7200.0
AHEAD_MOST = 240.0  # the service refuses more than 300: a minute for clocks that disagree
HELD_MOST = 3.0  # seconds that an event out of order is held back
REMEMBERED = 1000  # events that a duplicate may be a copy of

NextEvent = Callable[[float], dict[str, object]]


class Mischief:
    """Draws events, some of them with a fault. The shares add to no more than 1."""

    def __init__(
        self, faults: Faults, next_event: NextEvent, begins: datetime, rng: random.Random
    ) -> None:
        self._faults = faults
        self._next_event = next_event
        self._begins = begins
        self._rng = rng
        self._sent: deque[Mapping[str, object]] = deque(maxlen=REMEMBERED)

    def draw(self, offset: float) -> Outgoing:
        """Return what is to be sent for the arrival `offset` seconds after the start."""
        faults, chance = self._faults, self._rng.random()
        if chance < faults.duplicates and self._sent:
            return Outgoing(self._rng.choice(self._sent), Role.COPY)
        chance -= faults.duplicates
        event = self._next_event(offset)
        if 0 <= chance < faults.late:
            event["timestamp"] = self._at(offset - self._lateness())
            return Outgoing(event)
        chance -= faults.late
        if 0 <= chance < faults.ahead:
            event["timestamp"] = self._at(offset + self._rng.uniform(1.0, AHEAD_MOST))
            return Outgoing(event)
        chance -= faults.ahead
        if 0 <= chance < faults.malformed:
            return Outgoing(broken(event, self._rng.choice(BREAKAGES)), Role.MALFORMED)
        # Only plain events are copied. Their occurred_at is their timestamp, so that it does not
        # matter whether the original or the copy arrives first.
        self._sent.append(event)
        return Outgoing(event)

    def _lateness(self) -> float:
        return min(self._rng.expovariate(1 / LATE_MEAN), LATE_MOST)

    def _at(self, offset: float) -> str:
        return format_instant(self._begins + timedelta(seconds=offset))


class OutOfOrder:
    """A `Source` that holds back a share of another's events for up to HELD_MOST seconds."""

    def __init__(self, source: Source, share: float, rng: random.Random) -> None:
        self._source = source
        self._share = share
        self._rng = rng
        self._held: list[tuple[float, int, Outgoing]] = []  # a heap by release
        self._numbers = count()
        self._last = 0.0  # when the newest event of the source was due

    @property
    def next_due(self) -> float | None:
        """When the next event is due; None when there are no more."""
        arrives = self._source.next_due
        if not self._held:
            return arrives
        return self._last if arrives is None else min(arrives, self._held[0][0])

    def due(self, elapsed: float) -> Iterator[Outgoing]:
        """Yield the events due by `elapsed`, one by one: what is not taken stays due."""
        while (now := self.next_due) is not None and now <= elapsed:
            arrives = self._source.next_due
            if arrives is None or (self._held and self._held[0][0] <= arrives):
                yield heappop(self._held)[2]
                continue
            self._last = arrives
            outgoing = next(self._source.due(arrives))
            if self._rng.random() < self._share:
                release = arrives + self._rng.uniform(0.0, HELD_MOST)
                heappush(self._held, (release, next(self._numbers), outgoing))
            else:
                yield outgoing
