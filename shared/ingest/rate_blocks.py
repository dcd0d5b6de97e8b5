"""The storage of `limits` that several processes share: blocks of a limit, drawn from MongoDB.

The library's own MongoDB storage does not fit: it opens its own client, and after several idle
windows each of as many hits moves the window on by one, which lets a full limit through each time.
"""

import asyncio
from datetime import UTC, datetime
from math import ceil
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from shared.clock import Clock
from shared.ingest.rate_storage import Counter, MemoryWindows
from shared.storage.database import Collection, Document, write_deadline, written

BLOCKS: Final = 20  # of a limit, at least: a process draws no more of it at once
_AHEAD: Final = 5.0  # seconds that another process's clock may be ahead of ours
_WITHOUT_LIMIT: Final = 2**53


class Hit(NamedTuple):
    """What is asked for: `amount` hits of a key, and leave to draw a block beyond them."""

    key: str
    limit: int
    expiry: int  # seconds, the window's length
    amount: int
    block: int


class MongoWindows(MemoryWindows):
    """Counts in a TTL collection that several processes share.

    A process draws hits from there in blocks, each by one atomic update, and spends them by itself.
    A block is a twentieth of the limit, or what the process has spent lately if that is less, so
    that one with little to do holds little back. When the window ends, what was not spent counts
    as if it were.

    So no more than the limit is let through, and a hit can be refused that would fit while other
    processes hold blocks. A limit below 20 has none.
    """

    def __init__(self, collection: Collection, clock: Clock) -> None:
        super().__init__(clock)
        self._collection = collection
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def base_exceptions(self) -> type[Exception]:
        """Name what the driver raises."""
        return PyMongoError

    async def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Count `amount` hits if they fit; return whether they do."""
        return await self._hit(Hit(key, limit, expiry, amount, limit // BLOCKS))

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count `amount` hits, whether they fit or not; return those of this window."""
        await self._hit(Hit(key, _WITHOUT_LIMIT, expiry, amount, block=0))
        return self._counter(key).current

    async def clear(self, key: str) -> None:
        """Forget the hits of one key."""
        await super().clear(key)
        await self._collection.delete_one({"_id": key})

    async def reset(self) -> int:
        """Forget all hits; return of how many keys."""
        await super().reset()
        return (await self._collection.delete_many({})).deleted_count

    async def check(self) -> bool:
        """Return whether MongoDB answers."""
        async with write_deadline():
            await self._collection.find_one({"_id": ""})
        return True

    async def _hit(self, hit: Hit) -> bool:
        counter = self._counter(hit.key)
        fits = self._spend(counter, hit)
        if fits is None:
            async with write_deadline(), self._turns.setdefault(hit.key, asyncio.Lock()):
                fits = self._spend(counter, hit)  # of what was drawn meanwhile
                if fits is None:
                    fits = await self._draw(counter, hit)
        return fits

    def _spend(self, counter: Counter, hit: Hit) -> bool | None:
        """Spend what was drawn; return False where nothing fits, None where more is to be drawn."""
        window, left = self._window(hit.expiry)
        counter.roll(window)
        if not counter.fits(hit.amount, hit.limit, left):
            return False  # nor in MongoDB, which has counted at least as many hits
        if counter.unspent < hit.amount:
            return None
        counter.unspent -= hit.amount
        counter.spent += hit.amount
        counter.current += hit.amount
        return True

    async def _draw(self, counter: Counter, hit: Hit) -> bool:
        """Draw what is missing, and a block beyond it; return whether that much fits."""
        window, left = self._window(hit.expiry)
        held, missing = counter.unspent, hit.amount - counter.unspent
        counter.unspent = 0  # concurrent hits wait for the lock; a failed draw loses these
        update = _drawn(window, left, hit, missing, missing + min(counter.spent, hit.block))

        async def draw() -> Document:
            while True:
                try:
                    return await self._collection.find_one_and_update(
                        {"_id": hit.key}, update, upsert=True, return_document=ReturnDocument.AFTER
                    )
                except DuplicateKeyError:
                    continue  # another process made the document first: now it is there

        document = await written(draw)  # whose answer was lost is made twice: no harm
        drawn, seen, *counts = (
            int(document[name]) for name in ("drawn", "window", "previous", "current")
        )
        fits = drawn >= missing
        if fits:
            held, window = drawn - missing, seen
        counter.roll(seen)
        if counter.window == window:  # else it has ended meanwhile, and what is held with it
            counter.spent += hit.amount * fits
            counter.unspent = held
        if counter.window == seen:
            counter.previous, counter.current = counts[0], counts[1] - counter.unspent
        return fits


def _drawn(window: int, left: float, hit: Hit, least: int, most: int) -> list[Document]:
    """Draw from a document, as an update: `Counter.roll`, then up to `most` if `least` fit.

    A document that is damaged, or whose window is too far ahead for any clock, counts as none.
    """
    latest = window + max(1, ceil(_AHEAD / hit.expiry))
    counts = ("$previous", "$current")
    sound = {
        "$and": [
            {"$isNumber": "$window"},
            {"$lte": ["$window", latest]},
            *({"$isNumber": count} for count in counts),
            *({"$gte": [count, 0]} for count in counts),
            *({"$lte": [count, _WITHOUT_LIMIT]} for count in counts),
        ]
    }
    rolled = [
        {"case": {"$not": sound}, "then": {"previous": 0, "current": 0}},
        {
            "case": {"$gte": ["$window", window]},
            "then": {"previous": "$previous", "current": "$current", "window": "$window"},
        },
        {
            "case": {"$eq": ["$window", window - 1]},
            "then": {"previous": "$current", "current": 0},
        },
    ]
    expires_at = datetime.fromtimestamp((window + 2) * hit.expiry, UTC)
    fresh = {"window": window, "previous": 0, "current": 0, "expires_at": expires_at}
    switch = {"$switch": {"branches": rolled, "default": {}}}
    weighted = {"$add": [{"$floor": {"$multiply": ["$previous", left]}}, "$current"]}
    room = {"$subtract": [hit.limit, weighted]}
    return [
        {"$replaceWith": {"$mergeObjects": [{"_id": "$_id", **fresh}, switch]}},
        {"$set": {"drawn": {"$cond": [{"$gte": [room, least]}, {"$min": [room, most]}, 0]}}},
        {"$set": {"current": {"$add": ["$current", "$drawn"]}}},
    ]
