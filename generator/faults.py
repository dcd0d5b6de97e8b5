"""Faults on demand: what real clients do to events on the way."""

import random
from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from generator.shop import Shop

FAULTS = {  # the share of events, 0 to 1, can be chosen for each
    "duplicates": "sent again with the same event_id",
    "late": "long past, by 10 minutes in the mean",
    "ahead": "from a clock up to 4 minutes ahead",
    "malformed": "against the contract, to be refused",
}
LATE_MEAN, LATE_MOST = 600.0, 7200.0  # seconds; 22 % are older than the longest window, 15 minutes
AHEAD_MOST = 240.0  # the service refuses more than 300: a minute for clocks that disagree
REMEMBERED = 1000  # events that a duplicate may be a copy of

ABSENT = object()
# What replaces fields of a good event, each against one rule of the contract. All of it is valid
# JSON, as a faulty client would send.
VIOLATIONS: tuple[dict[str, object], ...] = (
    {"timestamp": ABSENT},
    {"timestamp": "2024-03-15T14:30:00"},  # no offset
    {"timestamp": "2999-01-01T00:00:00Z"},
    {"timestamp": 1_710_513_000},
    {"user_id": 5},
    {"user_id": "usr_\u0000"},
    {"user_id": {"$ne": None}},
    {"event_type": "page view"},
    {"page_url": "javascript:alert(1)"},
    {"page_url": "/" + "x" * 2048},
    {"session_id": None},
    {"properties": {"$where": "1"}},
    {"properties": {"nested": {}}},
    {"colour": "red"},
)


class Role(Enum):
    """What the service should make of an event."""

    NEW = "new"  # stored and counted
    DUPLICATE = "duplicate"  # the same event_id again: counted no second time
    MALFORMED = "malformed"  # refused


class Outgoing(NamedTuple):
    """One event, as it goes into the body of a request."""

    event: dict[str, object]
    role: Role = Role.NEW


Batch = list[Outgoing]


def outgoing(
    shop: Shop, offsets: Iterable[float], shares: dict[str, float], seed: int
) -> Iterator[Outgoing]:
    """Yield an event for each of `offsets`, in seconds; `shares` of them have one of FAULTS."""
    rng = random.Random(f"faults {seed}")  # noqa: S311 - a simulation, not a secret
    names = [*shares, ""]
    weights = [*shares.values(), max(1.0 - sum(shares.values()), 0.0)]
    recent: deque[dict[str, object]] = deque(maxlen=REMEMBERED)
    for offset in offsets:
        [fault] = rng.choices(names, weights)
        if fault == "duplicates" and recent:
            yield Outgoing(rng.choice(recent), Role.DUPLICATE)
            continue
        event = shop.next_event(offset)
        if fault == "malformed":
            changed = event | rng.choice(VIOLATIONS)
            event = {name: value for name, value in changed.items() if value is not ABSENT}
            yield Outgoing(event, Role.MALFORMED)
        elif fault == "late":
            lateness = min(rng.expovariate(1 / LATE_MEAN), LATE_MOST)
            yield Outgoing(event | {"timestamp": shop.timestamp(offset - lateness)})
        elif fault == "ahead":
            lead = rng.uniform(1.0, AHEAD_MOST)
            yield Outgoing(event | {"timestamp": shop.timestamp(offset + lead)})
        else:
            # Only plain events are copied: their occurred_at is their timestamp, so that it does
            # not matter whether the original or the copy arrives first.
            recent.append(event)
            yield Outgoing(event)
