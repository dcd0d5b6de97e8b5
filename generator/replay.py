"""The events of a file, as they were or moved to now."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from generator.event_file import JsonObject, read_events
from generator.outgoing import Outgoing
from shared.schema import format_instant


def survey(path: Path) -> tuple[int, datetime | None]:
    """Return how many events the file has, and when the latest of them happened."""
    total, latest = 0, None
    for event in read_events(path):
        total += 1
        happened = _happened(event)
        if happened is not None and (latest is None or happened > latest):
            latest = happened
    return total, latest


class Replay:
    """A `Source` of the events of a file from number `start` on, counted from 0.

    `rate` is events a second; None is all at once. Timestamps move by `shift`. An event without
    an `event_id` gets one made of `run` and its number, so that sending it again is safe.
    """

    def __init__(
        self, path: Path, rate: float | None, start: int, shift: timedelta, run: str
    ) -> None:
        self._events = islice(read_events(path), start, None)
        self._rate = rate
        self._start = start
        self._shift = shift
        self._run = run
        self._sent = 0
        self._next = next(self._events, None)

    @property
    def next_due(self) -> float | None:
        """When the next event is due; None when there are no more."""
        if self._next is None:
            return None
        return self._sent / self._rate if self._rate else 0.0

    def due(self, elapsed: float) -> Iterator[Outgoing]:
        """Yield the events due by `elapsed`, one by one: what is not taken stays due."""
        while self._next is not None and (self.next_due or 0.0) <= elapsed:
            event = self._prepared(self._next)
            self._next = next(self._events, None)
            self._sent += 1
            yield Outgoing(event)

    def _prepared(self, event: JsonObject) -> JsonObject:
        if self._shift and (happened := _happened(event)) is not None:
            event["timestamp"] = format_instant(happened + self._shift)
        event.setdefault("event_id", f"{self._run}-{self._start + self._sent:x}")
        return event


def _happened(event: JsonObject) -> datetime | None:
    """Return the event's time; None where the service will refuse it for having none."""
    try:
        instant = datetime.fromisoformat(str(event.get("timestamp")).upper())
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None
