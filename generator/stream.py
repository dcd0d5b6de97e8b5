"""The shop's events at their times: what a run sends."""

import random
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import takewhile

from generator.arrivals import at_intervals, at_random, daily, flat
from generator.mischief import Mischief, OutOfOrder
from generator.outgoing import Outgoing, Source
from generator.plan import Plan
from generator.shop import Shop

Draw = Callable[[float], Outgoing]


class Stream:
    """A `Source` that draws an event for each arrival; the same for the same arrivals."""

    def __init__(self, arrivals: Iterator[float], draw: Draw) -> None:
        self._arrivals = arrivals
        self._draw = draw
        self._next = next(arrivals, None)

    @property
    def next_due(self) -> float | None:
        """When the next event is due; None when there are no more."""
        return self._next

    def due(self, elapsed: float) -> Iterator[Outgoing]:
        """Yield the events due by `elapsed`, one by one: what is not taken stays due."""
        while self._next is not None and self._next <= elapsed:
            offset = self._next
            self._next = next(self._arrivals, None)
            yield self._draw(offset)


def shop_stream(plan: Plan, begins: datetime) -> Source:
    """Return the events of a run of `plan` that begins at `begins`; both decide it entirely."""
    run = f"{plan.seed:x}-{int(begins.timestamp() * 1000):x}"
    shop = Shop(_random(plan, "shop"), plan.users, begins, run)
    mischief = Mischief(plan.faults, shop.next_event, begins, _random(plan, "faults"))
    stream = Stream(_arrivals(plan, begins), mischief.draw)
    if not plan.faults.out_of_order:
        return stream
    return OutOfOrder(stream, plan.faults.out_of_order, _random(plan, "order"))


def _arrivals(plan: Plan, begins: datetime) -> Iterator[float]:
    expected = daily(plan.rate, begins) if plan.curve == "daily" else flat(plan.rate)
    offsets = (
        at_intervals(expected, plan.interval)
        if plan.interval is not None
        else at_random(expected, _random(plan, "arrivals"))
    )
    if plan.duration is None:
        return offsets
    limit = plan.duration
    return takewhile(lambda offset: offset <= limit, offsets)


def _random(plan: Plan, purpose: str) -> random.Random:
    """Return a stream of its own for each purpose, so that one fault more moves no visitor."""
    return random.Random(f"{plan.seed}/{purpose}")  # noqa: S311 - a simulation, not a secret
