"""The events collection behind a connection that can lose a request or its answer."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from pymongo.errors import AutoReconnect

from shared.storage.database import Collection, Document

LOST_REQUEST = "lost request"
LOST_ANSWER = "lost answer"


class FaultyConnection(ABC):
    """What the event log uses of a collection."""

    def __init__(self, events: Collection) -> None:
        self._events = events
        self.writes: list[int] = []  # documents in each that was not lost on its way

    @abstractmethod
    async def _next_fault(self) -> str:
        """Return what befalls the next write: a lost request, a lost answer, or nothing ("")."""

    async def insert_many(self, documents: Sequence[Document], *, ordered: bool) -> None:
        """Write as the driver does, unless a fault is due."""
        fault = await self._next_fault()
        if fault == LOST_REQUEST:
            raise AutoReconnect("connection closed")
        self.writes.append(len(documents))
        try:
            await self._events.insert_many(documents, ordered=ordered)
        finally:  # an answer that tells of duplicates is lost like any other
            if fault == LOST_ANSWER:
                raise AutoReconnect("connection closed")

    def find(self, *arguments: Any) -> Any:
        """Read as the driver does."""
        return self._events.find(*arguments)
