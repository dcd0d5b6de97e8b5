"""What is to be sent: an event, and what the service should make of it."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from enum import Enum
from typing import NamedTuple, Protocol


class Role(Enum):
    """What the service should make of an event."""

    NEW = "new"  # stored and counted
    COPY = "copy"  # the same event_id again: counted no second time
    MALFORMED = "malformed"  # refused


class Outgoing(NamedTuple):
    """One event, as it goes into the body of a request."""

    event: Mapping[str, object]
    role: Role = Role.NEW


Batch = list[Outgoing]
Deliver = Callable[[Batch], Awaitable[None]]  # returns when every event is answered for


class Source(Protocol):
    """Events with the time at which each is due, in seconds from the start of the run."""

    @property
    def next_due(self) -> float | None:
        """When the next event is due; None when there are no more."""

    def due(self, elapsed: float) -> Iterator[Outgoing]:
        """Yield the events due by `elapsed`, one by one: what is not taken stays due."""


def batches(events: Iterator[Outgoing], size: int) -> Iterator[Batch]:
    """Cut `events` into lists of at most `size`, drawing no more than is asked for."""
    batch: Batch = []
    for event in events:
        batch.append(event)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
