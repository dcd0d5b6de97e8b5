"""A lease in MongoDB, so that of many processes one does a task at a time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from bson import ObjectId
from pymongo.errors import DuplicateKeyError, PyMongoError

from shared import deadlines
from shared.clock import MAX_SKEW, Clock
from shared.storage.database import Collection, written


class Lease:
    """A named lease, with a new holder id each time that it is taken.

    It keeps others from doing the same work, with clocks that may differ by `MAX_SKEW`. It cannot
    stop a holder that was frozen and resumes: work that must not overlap needs its own fence.
    """

    def __init__(self, leases: Collection, name: str, term: timedelta, clock: Clock) -> None:
        """`term` is how long a holder that was killed keeps the others waiting."""
        self._term = term
        self._leases = leases
        self._name = name
        self._clock = clock
        self._holder = ObjectId()

    async def take(self) -> bool:
        """Take the lease if it is free; return whether this process has it now.

        It is free if it has ended, if this object held it and could not release it, or if no
        holder can have written its end (none, or further ahead than the term plus the skew).
        """
        now, last, self._holder = self._clock(), self._holder, ObjectId()
        others = {"$gt": now, "$lte": now + self._term + MAX_SKEW}
        free = [{"holder": last}, {"ends_at": {"$not": others}}]
        try:
            await self._write({"_id": self._name, "$or": free}, upsert=True)
        except DuplicateKeyError:  # somebody else's: the upsert met it
            return False
        return True

    @contextlib.asynccontextmanager
    async def renewed(self) -> AsyncIterator[None]:
        """Extend the lease each second while the block runs, and release it at the end."""
        renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            await self.release()

    async def release(self) -> None:
        """Release the lease; if MongoDB is down, it ends with its term.

        Errors are suppressed: they would replace the error or cancellation that ended the task.
        """
        with contextlib.suppress(PyMongoError):
            await written(
                lambda: self._leases.update_one(
                    {"_id": self._name, "holder": self._holder},
                    # no time: by a clock that was set ahead, it would last as long as that
                    {"$unset": {"ends_at": True}},
                )
            )

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(deadlines.RENEWED)
            with contextlib.suppress(PyMongoError):
                await self._write({"_id": self._name, "holder": self._holder})

    async def _write(self, query: dict[str, object], *, upsert: bool = False) -> None:
        held = {"holder": self._holder, "ends_at": self._clock() + self._term}
        await written(lambda: self._leases.update_one(query, {"$set": held}, upsert=upsert))
