"""The append-only log of raw events: durable, counted once, written by group commit.

Requests that are in flight together share one unordered `insert_many` that MongoDB acknowledges
with `w: "majority", j: true`; each waits for the write that carries its events. While one write
is in progress the next group forms, so a single request is never delayed to fill a batch. A full
group does not wait for that write either, so that MongoDB is busy while the driver encodes.

Every wait is bounded. A write times out and is retried once, and a request that has queued too
long is rejected, so that each is answered within `deadlines.LANDED`.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bson import ObjectId
from pymongo.errors import BulkWriteError, PyMongoError

from shared import deadlines
from shared.http.problems import OVERLOADED, STORAGE_UNAVAILABLE, Problem
from shared.storage.database import Collection, Document, write_deadline
from shared.telemetry import GROUPS, QUEUE

MAX_WAITING_EVENTS: Final = 20_000
MAX_WAITING_BYTES: Final = 32 * 1_048_576
_MAX_GROUP: Final = 1000  # events in one write: 36,000 a second, against 16,000 in writes of 100
_MAX_WRITES: Final = 2  # at once: batches of 500 then pass 16 % faster than one after another
_DUPLICATE_KEY: Final = 11000


@dataclass(frozen=True)
class Append:
    """The events of one request on their way into the log."""

    documents: Sequence[Document]
    size: int
    since: float  # seconds, as `EventLog` counts them
    duplicates: asyncio.Future[set[int]]  # places of the documents that were there before


class EventLog:
    """Appends to the `events` collection."""

    def __init__(self, events: Collection, seconds: Callable[[], float] = time.monotonic) -> None:
        self._events = events
        self._seconds = seconds
        self._waiting: list[Append] = []
        self._waiting_events = 0
        self._waiting_bytes = 0
        self._queued_events = 0  # the part of those waiting whose write has not begun
        self._writers: set[asyncio.Task[None] | None] = set()

    @property
    def waiting(self) -> int:
        """Events taken and not yet answered for: the queue's depth."""
        return self._waiting_events

    async def append(self, documents: Sequence[Document], size: int) -> list[Document]:
        """Store `documents` (`size` bytes as received) and give back those that were new.

        An `_id` that is a string is the client's idempotency key: the first document with it is
        stored, every other is a duplicate, in this call or any other. Raises a 503 problem when
        too much is waiting or MongoDB does not answer; nothing is then promised.
        """
        fresh = _first_of_each_id(documents)
        if not fresh:
            return []
        if (
            self._waiting_events + len(fresh) > MAX_WAITING_EVENTS
            or self._waiting_bytes + size > MAX_WAITING_BYTES
        ):
            raise Problem(OVERLOADED, f"{self._waiting_events} events wait to be stored")
        append = Append(fresh, size, self._seconds(), asyncio.get_running_loop().create_future())
        self._waiting.append(append)
        self._queued_events += len(fresh)
        self._waiting_events += len(fresh)
        self._waiting_bytes += size
        QUEUE.set(self._waiting_events)
        if self._is_time_to_write():
            self._writers.add(asyncio.create_task(self._write_groups()))
        duplicates = await append.duplicates
        return [document for place, document in enumerate(fresh) if place not in duplicates]

    def _is_time_to_write(self) -> bool:
        is_full = self._queued_events >= _MAX_GROUP
        return not self._writers or (is_full and len(self._writers) < _MAX_WRITES)

    async def _write_groups(self) -> None:
        try:
            while self._waiting:
                self._refuse_stale()
                if group := self._next_group():
                    await self._write_group(group)
        finally:  # not in a done callback: an append in between would find no writer
            self._writers.discard(asyncio.current_task())

    def _refuse_stale(self) -> None:
        """Refuse what a slow MongoDB has kept waiting for too long."""
        latest = self._seconds() - deadlines.QUEUE
        fresh = next((n for n, a in enumerate(self._waiting) if a.since > latest), None)
        self._fail(self._take(fresh), Problem(OVERLOADED, "MongoDB is too slow for so much"))

    def _next_group(self) -> list[Append]:
        """Take what waits, in order, up to the size of one write (but at least one request)."""
        events = 0
        for place, append in enumerate(self._waiting):
            events += len(append.documents)
            if place and events > _MAX_GROUP:
                return self._take(place)
        return self._take(None)

    def _take(self, count: int | None) -> list[Append]:
        """Take the first `count`, or all, out of the queue."""
        taken = self._waiting[:count]
        del self._waiting[:count]
        self._queued_events -= sum(len(append.documents) for append in taken)
        return taken

    async def _write_group(self, group: list[Append]) -> None:
        GROUPS.observe(sum(len(append.documents) for append in group))
        try:
            duplicates = await self._insert([d for append in group for d in append.documents])
        except PyMongoError:
            # Requests queued behind this group would wait as long and fail, too.
            group += self._take(None)
            self._fail(
                group, Problem(STORAGE_UNAVAILABLE, "The events could not be stored; send again")
            )
        except Exception as error:  # noqa: BLE001 - nobody may be left waiting, whatever it is
            self._fail(group, error)
        else:
            self._succeed(group, duplicates)

    def _succeed(self, group: Sequence[Append], duplicates: set[int]) -> None:
        self._forget(group)
        start = 0
        for append in group:
            end = start + len(append.documents)
            mine = {n - start for n in duplicates if start <= n < end} if duplicates else set()
            if not append.duplicates.done():  # the client may have gone
                append.duplicates.set_result(mine)
            start = end

    def _fail(self, group: Sequence[Append], error: Exception) -> None:
        self._forget(group)
        for append in group:
            if not append.duplicates.done():
                append.duplicates.set_exception(error)

    def _forget(self, group: Sequence[Append]) -> None:
        self._waiting_events -= sum(len(append.documents) for append in group)
        self._waiting_bytes -= sum(append.size for append in group)
        QUEUE.set(self._waiting_events)

    async def _insert(self, documents: list[Document]) -> set[int]:
        """Insert, once more after a lost answer; return the places of what was there before."""
        try:
            async with write_deadline():
                return await self._already_there(documents)
        except BulkWriteError:
            raise
        except PyMongoError:
            async with write_deadline():
                places = await self._already_there(documents)
                return await self._not_ours(documents, places)

    async def _already_there(self, documents: list[Document]) -> set[int]:
        """Insert what is new; return the places of the others."""
        try:
            await self._events.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            return _duplicate_places(error)
        return set()

    async def _not_ours(self, documents: list[Document], places: set[int]) -> set[int]:
        """Tell apart what an earlier attempt of ours stored from what was there before it.

        Every document with a client's id carries a receipt that no other document has.
        """
        if not places:
            return places
        ids = [documents[place]["_id"] for place in places]
        stored = self._events.find({"_id": {"$in": ids}}, {"receipt": 1})
        receipts = {document["_id"]: document.get("receipt") async for document in stored}
        return {
            place
            for place in places
            if receipts.get(documents[place]["_id"]) != documents[place].get("receipt")
        }


def _first_of_each_id(documents: Sequence[Document]) -> list[Document]:
    """Drop repeats of an idempotency key and give each key that stays a receipt of its own."""
    seen: set[str] = set()
    first = []
    for document in documents:
        key = document["_id"]
        if isinstance(key, str):
            if key in seen:
                continue
            seen.add(key)
            document["receipt"] = ObjectId()
        first.append(document)
    return first


def _duplicate_places(error: BulkWriteError) -> set[int]:
    """Return the places of duplicate keys; raise the error again where anything else went wrong."""
    failures = error.details["writeErrors"]
    if error.details.get("writeConcernErrors") or any(
        f["code"] != _DUPLICATE_KEY for f in failures
    ):
        raise error
    return {failure["index"] for failure in failures}
