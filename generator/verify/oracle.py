"""When events can have occurred and arrived, according to the ledgers.

Where a ledger is inconclusive (an answer was lost, or an event came too shortly before the instant
to be sure to count) there are bounds instead of one number. All instants are whole milliseconds
since 1970.
"""

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from generator.verify.ledger import Line, milliseconds

FRESH = 2_000  # ms after which an acknowledged event must be in an answer
LATE = 15 * 60_000  # ms before its arrival: an event that old is outside every window


class Event(NamedTuple):
    """An event, with when it occurred as the service reckons it."""

    user_id: str
    session_id: str | None
    event_type: str
    page_url: str
    at: int


class Sent(NamedTuple):
    """An event of a ledger as it occurred at the earliest and at the latest."""

    first: Event
    last: Event  # the same object where nothing is open
    counted_by: float  # from this instant on it must be in every answer; infinity: it may be


class Request(NamedTuple):
    """A request; the numbers of its events are the fewest and the most."""

    received_from: int
    received_by: int
    counted_by: float
    accepted: tuple[int, int]
    late: tuple[int, int]
    rejected: tuple[int, int]


class Window(NamedTuple):
    """The events that certainly occurred in a stretch of time, and those that can have."""

    certain: list[Event]  # as they occurred at the earliest
    possible: list[Event]  # the same and more, at the latest


class Oracle:
    """Knows all requests and events of `lines`, in about 400 bytes of memory an event."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.requests: list[Request] = []
        self.sent: list[Sent] = []
        self.window = lru_cache(maxsize=4)(self._window)  # the windows of one answer
        names: dict[str, str] = {}  # so that equal strings are in memory once
        for line in lines:
            by = math.inf if line.acknowledged_by is None else line.acknowledged_by + FRESH
            fewest = most = 0
            for event in line.events:
                timestamp = milliseconds(event["timestamp"])
                fewest += timestamp <= line.received_from - LATE
                most += timestamp <= line.received_by - LATE
                self.sent.append(_sent(event, timestamp, line, by, names))
            accepted, late = (len(line.events),) * 2, (fewest, most)
            self.requests.append(Request(*line[:2], by, accepted, late, line.rejected))

    def _window(self, after: int, until: int, at: int) -> Window:
        """Return the events of `after < occurred_at <= until` for an answer as of `at`."""
        until = min(until, at)
        seen = [sent for sent in self.sent if sent.last.at > after and sent.first.at <= until]
        certain = [
            sent.first
            for sent in seen
            if sent.first.at > after and sent.last.at <= until and sent.counted_by <= at
        ]
        return Window(certain, [sent.last for sent in seen])


def _sent(
    event: Mapping[str, Any], timestamp: int, line: Line, counted_by: float, names: dict[str, str]
) -> Sent:
    user_id, event_type, page_url = (
        names.setdefault(event[name], event[name]) for name in ("user_id", "event_type", "page_url")
    )
    session_id = event.get("session_id")
    if session_id is not None:
        session_id = names.setdefault(session_id, session_id)
    at = min(timestamp, line.received_by)
    last = Event(user_id, session_id, event_type, page_url, at)
    earliest = min(timestamp, line.received_from)
    return Sent(last if earliest == at else last._replace(at=earliest), last, counted_by)
