"""Watermarks: up to when arrivals are in a rollup, and which tick may say so.

A tick takes the watermark of each rollup when it begins, as one takes a fencing token: whatever
an earlier tick still does to it then fails, be it a process that was stopped or a write that hung.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId

from shared.metrics.engine.metric import EPOCH
from shared.storage.database import Collection, Document, written

_ID = {"_id": 0}  # those of what was seen are strings


class OvertakenError(Exception):
    """A later tick has begun: what this one has found may be neither's."""


class Watermark:
    """The watermark of one rollup, in its collection, in the hand of one tick."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._tick = ObjectId()
        self.up_to = EPOCH  # nothing is in

    async def take(self) -> None:
        """Take it from whoever had it.

        One that cannot be read was written by somebody else, and so were the documents: they go.
        Where there is none, any that are left were seen all the same.
        """
        held = {"$set": {"tick": self._tick}}
        before = await written(lambda: self._collection.find_one_and_update(_ID, held, upsert=True))
        up_to = before and before.get("up_to")
        if isinstance(up_to, datetime):
            self.up_to = up_to
            return
        if before:
            await written(lambda: self._collection.delete_many({"_id": {"$ne": 0}}))
        await self._update({"$set": {"up_to": EPOCH}})

    async def hold(self, at_most: datetime) -> None:
        """Move it back to `at_most`, if it is later; raise `OvertakenError` if it was taken."""
        self.up_to = min(self.up_to, at_most)
        await self._update({"$min": {"up_to": at_most}})

    async def advance(self, up_to: datetime) -> None:
        """Say that everything up to then is in; raise `OvertakenError` if it was taken."""
        await self._update({"$set": {"up_to": up_to}})
        self.up_to = up_to

    async def _update(self, change: Document) -> None:
        mine = _ID | {"tick": self._tick}
        result = await written(lambda: self._collection.update_one(mine, change))
        if not result.matched_count:
            raise OvertakenError


async def hold(marks: Sequence[Watermark], at_most: datetime) -> None:
    """Hold each of them: see `Watermark.hold`."""
    await asyncio.gather(*[mark.hold(at_most) for mark in marks])
