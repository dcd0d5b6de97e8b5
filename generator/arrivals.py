"""When events happen: endless, rising offsets in seconds from the start of a run."""

import math
import random
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count, repeat

DAY = 86_400.0
TROUGH = 4 * 3600.0  # the quietest moment of the day, in seconds after midnight UTC
SWING = 0.8  # the trough has 0.2 of the mean rate, the peak twelve hours later 1.8

Expected = Callable[[float], float]  # events expected in the first so many seconds


def flat(rate: float) -> Expected:
    """Expect `rate` events in every second."""
    return lambda elapsed: rate * elapsed


def daily(rate: float, begins: datetime) -> Expected:
    """Expect a day's ebb and flow, in UTC, whose mean over 24 hours is `rate` a second."""
    midnight = begins.replace(hour=0, minute=0, second=0, microsecond=0)
    start = (begins - midnight).total_seconds()

    def since_midnight(second: float) -> float:
        return second - SWING * DAY / math.tau * math.sin(math.tau * (second - TROUGH) / DAY)

    return lambda elapsed: rate * (since_midnight(start + elapsed) - since_midnight(start))


def at_random(expected: Expected, rng: random.Random) -> Iterator[float]:
    """Scatter the events of each second over it, as a Poisson process of known count does.

    A free Poisson process strays: 1,200 events expected in a minute are 1,200 ± 35. Fixing the
    count of each second holds the rate exactly and leaves the gaps between events random.
    """
    sent = 0
    for second in count():
        due = math.floor(expected(second + 1.0)) - sent
        yield from sorted(second + rng.random() for _ in range(due))
        sent += due


def at_intervals(expected: Expected, interval: float) -> Iterator[float]:
    """Send what is expected in each `interval` seconds together, at its end."""
    sent = 0
    for tick in count(1):
        now = tick * interval
        due = math.floor(expected(now)) - sent
        yield from repeat(now, due)
        sent += due
