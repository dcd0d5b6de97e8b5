"""A lease in MongoDB, so that of many processes one does a task at a time."""

import contextlib
from datetime import timedelta

from bson import ObjectId
from pymongo.errors import DuplicateKeyError, PyMongoError

from shared.clock import Clock
from shared.storage.database import Collection, written


class Lease:
    """A lease by name. Two holders do no harm where the task can be done twice; they cost time."""

    def __init__(self, leases: Collection, name: str, term: timedelta, clock: Clock) -> None:
        """`term` is how long a holder that was killed keeps the others waiting.

        This object is the holder. Keep it: if MongoDB was away when it was to be released, it can
        be taken again at once.
        """
        self._term = term
        self._leases = leases
        self._name = name
        self._clock = clock
        self._holder = ObjectId()

    async def take(self) -> bool:
        """Take the lease, or extend it; tell whether this process has it."""
        now = self._clock()
        free = {"$or": [{"ends_at": {"$lte": now}}, {"holder": self._holder}]}
        try:
            await written(
                lambda: self._leases.update_one(
                    {"_id": self._name} | free,
                    {"$set": {"holder": self._holder, "ends_at": now + self._term}},
                    upsert=True,
                )
            )
        except DuplicateKeyError:  # somebody else's: the upsert met it
            return False
        return True

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
