"""Where the rate limits are counted: in this process, or in MongoDB for several.

Storages for the sliding-window counter of `limits`, on our clock. Its own ones do not serve: the
memory one sweeps every key at each hit, so a hit costs 27 µs with one client and 1 ms with 10,000,
and the MongoDB one opens a client of its own and lets a window that was idle for several lengths
roll at each of as many hits, which lets through a full limit each time.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor
from typing import Any, Final, NamedTuple, NoReturn

from limits.aio.storage import Storage
from limits.aio.storage.base import SlidingWindowCounterSupport
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from shared.clock import Clock
from shared.storage.database import Collection, write_deadline, written

_SWEEP_EVERY: Final = 60.0  # seconds


class Hit(NamedTuple):
    """`amount` hits of a key at `now`, in tumbling window number `window`."""

    key: str
    limit: int
    expiry: int  # seconds, the window's length
    amount: int
    now: float  # seconds
    window: int
    left: float  # the part of the window that is to come


@dataclass
class Counter:
    """The hits of one key in the tumbling window `window` and in the one before it."""

    window: int = 0
    previous: int = 0
    current: int = 0
    acquired: bool = True

    def rolled_to(self, window: int) -> "Counter":
        """Carry the counts over to a later window: the last becomes the previous, or both are 0."""
        if window <= self.window:
            return self
        return Counter(window, self.current if window == self.window + 1 else 0, 0)


class SlidingWindows(ABC):
    """What both storages share: the arithmetic of the window."""

    # Not a `Storage` itself: `limits` wraps every method once more at each level of inheritance.

    STORAGE_SCHEME: list[str] | None = None  # made here, not from a URI

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def _hit(self, key: str, limit: int, expiry: int, amount: int) -> Hit:
        now = self._clock().timestamp()
        windows = now / expiry
        window = floor(windows)
        return Hit(key, limit, expiry, amount, now, window, 1 - (windows - window))

    async def hit(self, key: str, limit: int, expiry: int, amount: int) -> tuple[Counter, float]:
        """Count `amount` hits if previous · (part left) + current + amount ≤ limit.

        Gives the counts after it, and the part of the window that is left.
        """
        hit = self._hit(key, limit, expiry, amount)
        return await self._count(hit), hit.left

    async def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Tell whether `hit` counted."""
        counter, _ = await self.hit(key, limit, expiry, amount)
        return counter.acquired

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Give both counts with the seconds for which each still weighs."""
        hit = self._hit(key, limit=0, expiry=expiry, amount=0)
        counter = (await self._look_up(key)).rolled_to(hit.window)
        return counter.previous, hit.left * expiry, counter.current, (hit.left + 1) * expiry

    @abstractmethod
    async def _count(self, hit: Hit) -> Counter: ...

    @abstractmethod
    async def _look_up(self, key: str) -> Counter: ...

    @abstractmethod
    async def clear(self, key: str) -> None:
        """Forget the hits of one key."""

    async def clear_sliding_window(self, key: str, expiry: int) -> None:  # noqa: ARG002 - theirs
        """Forget the hits of one key."""
        await self.clear(key)

    async def incr(self, key: str, expiry: int, amount: int = 1) -> NoReturn:
        """Refuse: fixed windows are not kept here."""
        raise NotImplementedError

    async def get(self, key: str) -> NoReturn:
        """Refuse: fixed windows are not kept here."""
        raise NotImplementedError

    async def get_expiry(self, key: str) -> NoReturn:
        """Refuse: fixed windows are not kept here."""
        raise NotImplementedError


class MemoryWindows(SlidingWindows, Storage, SlidingWindowCounterSupport):
    """Counts in this process. A key that two windows passed by is dropped once a minute."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._counters: dict[str, tuple[Counter, int]] = {}
        self._swept_at = clock().timestamp()

    @property
    def base_exceptions(self) -> type[Exception]:
        """Nothing can fail here."""
        return ValueError

    async def _count(self, hit: Hit) -> Counter:
        if hit.now - self._swept_at > _SWEEP_EVERY:
            self._sweep(hit.now)
        counter = self._of(hit.key).rolled_to(hit.window)
        weighted = floor(counter.previous * hit.left) + counter.current
        counter.acquired = weighted + hit.amount <= hit.limit
        if counter.acquired:
            counter.current += hit.amount
        self._counters[hit.key] = (counter, hit.expiry)
        return counter

    async def _look_up(self, key: str) -> Counter:
        return self._of(key)

    def _of(self, key: str) -> Counter:
        found = self._counters.get(key)
        return found[0] if found else Counter()

    def _sweep(self, now: float) -> None:
        self._swept_at = now
        self._counters = {
            key: (counter, expiry)
            for key, (counter, expiry) in self._counters.items()
            if counter.window + 1 >= now // expiry
        }

    async def check(self) -> bool:
        """Tell that memory is there."""
        return True

    async def clear(self, key: str) -> None:
        """Forget the hits of one key."""
        self._counters.pop(key, None)

    async def reset(self) -> int:
        """Forget all hits."""
        count = len(self._counters)
        self._counters.clear()
        return count


class MongoWindows(SlidingWindows, Storage, SlidingWindowCounterSupport):
    """Counts in a TTL collection that several processes share: one atomic update a hit."""

    def __init__(self, collection: Collection, clock: Clock) -> None:
        super().__init__(clock)
        self._collection = collection

    @property
    def base_exceptions(self) -> type[Exception]:
        """Name what the driver raises."""
        return PyMongoError

    async def _count(self, hit: Hit) -> Counter:
        expires_at = datetime.fromtimestamp(hit.now + 2 * hit.expiry, UTC)
        update = _count_in_window(hit.window, hit.left, hit.limit, hit.amount, expires_at)

        async def charge() -> Counter:
            while True:
                try:
                    document = await self._collection.find_one_and_update(
                        {"_id": hit.key},
                        update,
                        upsert=True,
                        return_document=ReturnDocument.AFTER,
                    )
                    return _counter(document)
                except DuplicateKeyError:
                    continue  # another process made the document first: now it is there

        return await written(charge)  # a charge whose answer was lost is made twice: no harm

    async def _look_up(self, key: str) -> Counter:
        async with write_deadline():
            return _counter(await self._collection.find_one({"_id": key}))

    async def check(self) -> bool:
        """Tell whether MongoDB answers."""
        async with write_deadline():
            await self._collection.find_one({"_id": ""})
        return True

    async def clear(self, key: str) -> None:
        """Forget the hits of one key."""
        await self._collection.delete_one({"_id": key})

    async def reset(self) -> int:
        """Forget all hits."""
        return (await self._collection.delete_many({})).deleted_count


def _count_in_window(
    window: int, left: float, limit: int, amount: int, expires_at: datetime
) -> list[dict[str, Any]]:
    """Count `amount` hits in a rate limit's document, as an update.

    Rolls the counts on to tumbling window number `window`, of which the part `left` is still to
    come, then adds `amount` to `current` and sets `acquired` if the sliding window permits it.
    """
    last = {"$ifNull": ["$window", window]}
    current = {"$ifNull": ["$current", 0]}
    previous = {"$ifNull": ["$previous", 0]}
    rolled_previous = {
        "$switch": {
            "branches": [
                {"case": {"$gte": [last, window]}, "then": previous},
                {"case": {"$eq": [last, window - 1]}, "then": current},
            ],
            "default": 0,
        }
    }
    weighted = {"$add": [{"$floor": {"$multiply": ["$previous", left]}}, "$current", amount]}
    return [
        {
            "$set": {
                "previous": rolled_previous,
                "current": {"$cond": [{"$gte": [last, window]}, current, 0]},
                "window": {"$max": [last, window]},
                "expires_at": expires_at,
            }
        },
        {"$set": {"acquired": {"$lte": [weighted, limit]}}},
        {"$set": {"current": {"$add": ["$current", {"$cond": ["$acquired", amount, 0]}]}}},
    ]


def _counter(document: dict[str, Any] | None) -> Counter:
    if document is None:
        return Counter()
    return Counter(
        document["window"], document["previous"], document["current"], document["acquired"]
    )


WindowStorage = MemoryWindows | MongoWindows
