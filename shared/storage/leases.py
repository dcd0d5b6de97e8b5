"""A lease in MongoDB, so that of many processes one does a task at a time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from bson import ObjectId
from pymongo.errors import DuplicateKeyError, PyMongoError

from shared.clock import Clock
from shared.storage.database import Collection, written


class Lease:
    """A lease by name. Each time that it is taken it has another holder's id.

    So `keep` tells its holder whether somebody else has had it, however long it was stopped.
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

        What ended, what this object had and could not release, and what no holder can have
        written (an end further away than a term, or none) is free.
        """
        now, last, self._holder = self._clock(), self._holder, ObjectId()
        others = {"$gt": now, "$lte": now + self._term}
        free = [{"holder": last}, {"ends_at": {"$not": others}}]
        try:
            await self._write({"_id": self._name, "$or": free}, upsert=True)
        except DuplicateKeyError:  # somebody else's: the upsert met it
            return False
        return True

    async def keep(self) -> bool:
        """Extend the lease; return False if somebody else has taken it since `take`."""
        return await self._write({"_id": self._name, "holder": self._holder}) > 0

    @contextlib.asynccontextmanager
    async def renewed(self) -> AsyncIterator[None]:
        """Extend the lease three times a term while the block runs, and release it at the end."""
        renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            await self.release()

    async def release(self) -> None:
        """Let the next one have it at once, or at the end of the term where MongoDB is away.

        An error here would take the place of the one that ended the task, a cancellation too.
        """
        with contextlib.suppress(PyMongoError):
            await written(
                lambda: self._leases.update_one(
                    {"_id": self._name, "holder": self._holder},
                    {"$set": {"ends_at": self._clock()}},
                )
            )

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._term.total_seconds() / 3)
            with contextlib.suppress(PyMongoError):
                await self.keep()

    async def _write(self, query: dict[str, object], *, upsert: bool = False) -> int:
        held = {"holder": self._holder, "ends_at": self._clock() + self._term}
        result = await written(
            lambda: self._leases.update_one(query, {"$set": held}, upsert=upsert)
        )
        return int(result.matched_count)
