"""When events are sent, in time that is passed in."""

from dataclasses import dataclass
from itertools import count

import pytest

from generator.faults import Outgoing
from generator.schedule import Schedule

pytestmark = pytest.mark.anyio


@dataclass
class Time:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 0.5  # to see soon whether it was stopped
        self.now += max(seconds, 1e-6)  # no clock is finer


async def sent(
    rate: float, duration: float, size: int = 500, takes: float = 0.0
) -> list[tuple[float, int]]:
    """Return when each batch was sent, and its length, by a service that `takes` s for each."""
    time = Time()
    schedule = Schedule(rate, duration, monotonic=time, sleep=time.sleep)
    batches = []
    events = (Outgoing({"n": n}) for n in count())
    async for batch in schedule.batches(events, size):
        batches.append((round(schedule.elapsed(), 4), len(batch)))
        time.now += takes
    assert next(events).event["n"] == schedule.due() == schedule.drawn
    return batches


@pytest.mark.parametrize(
    ("rate", "duration", "expected"),
    [
        (4, 1, [(0.25, 1), (0.5, 1), (0.75, 1), (1.0, 1)]),  # one by one, in regular intervals
        (0.3, 10, [(3.3333, 1), (6.6667, 1), (10.0, 1)]),
        (400, 0.1, [(0.05, 20), (0.1, 20)]),  # a batch a tick
        (100_000, 0.01, [(0.005, 500), (0.01, 500)]),  # or whenever one is full
        (333.3, 0.1, [(0.048, 16), (0.096, 16), (0.099, 1)]),
    ],
)
async def test_events_are_sent_when_they_are_due(
    rate: float, duration: float, expected: list[tuple[float, int]]
) -> None:
    assert await sent(rate, duration) == expected


async def test_a_slow_service_makes_events_wait_and_none_is_left_out() -> None:
    batches = await sent(rate=100, duration=2, size=30, takes=1)
    assert [size for _, size in batches] == [5, *[30] * 6, 15]
    assert batches[-1][0] == pytest.approx(7.05)


async def test_what_is_due_does_not_depend_on_what_was_sent_until_it_is_stopped() -> None:
    time = Time()
    schedule = Schedule(20, monotonic=time, sleep=time.sleep)
    batches = schedule.batches((Outgoing({}) for _ in count()), 10)
    await anext(batches)
    time.now += 60
    assert (schedule.drawn, schedule.due()) == (1, 1201)
    await anext(batches)
    schedule.stop()
    assert [batch async for batch in batches] == []
    assert (schedule.drawn, schedule.due()) == (11, 11)
