"""Watermarks: the arrival time up to which a rollup is complete, and which tick may move it.

A tick takes the watermark of each rollup when it begins, like a fencing token: any later write to
it by an earlier tick fails, whether its process was paused or the write hung.
"""

from datetime import datetime
from typing import Final

from bson import ObjectId

from shared.metrics.engine.metric import EPOCH
from shared.storage.database import Collection, Document, written

FIELDS: Final = ("since", "up_to", "events")
_ID: Final = {"_id": 0}  # those of what was seen are strings


class OvertakenError(Exception):
    """Another tick has begun, or this one took too long: its results may not be of one instant."""


class Watermark:
    """The watermark of one rollup, in its collection, in the hand of one tick.

    Everything that arrived up to `since` is in the rollup. Of the arrivals from then to `up_to`,
    which no step covers yet, `events` had landed and are in it.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._tick = ObjectId()
        self.since = self.up_to = EPOCH
        self.events = 0

    async def take(self) -> None:
        """Take the watermark from the tick that had it.

        If it cannot be read, it restarts at the epoch; the collection's documents remain valid.
        """
        held = {"$set": {"tick": self._tick}}
        before = await written(lambda: self._collection.find_one_and_update(_ID, held, upsert=True))
        match before:
            case {"since": datetime() as since, "up_to": datetime() as up_to, "events": int() as n}:
                self.since, self.up_to, self.events = since, up_to, n
                return
        await self.move(EPOCH)

    async def move(self, since: datetime, up_to: datetime | None = None, events: int = 0) -> None:
        """Say what is in; raise `OvertakenError` if it was taken."""
        self.since, self.up_to, self.events = since, up_to or since, events
        mark = {name: getattr(self, name) for name in FIELDS}
        mine: Document = _ID | {"tick": self._tick}
        result = await written(lambda: self._collection.update_one(mine, {"$set": mark}))
        if not result.matched_count:
            raise OvertakenError
