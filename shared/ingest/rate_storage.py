"""Where the rate limits are counted: in this process, or in MongoDB for several.

Storages for the sliding-window counter of `limits`, on our clock. Its own ones do not serve: the
memory one sweeps every key at each hit, so a hit costs 27 µs with one client and 1 ms with 10,000,
and the MongoDB one opens a client of its own and lets a window that was idle for several lengths
roll at each of as many hits, which lets through a full limit each time.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor
from typing import Any, Final, NamedTuple, NoReturn

from limits.aio.storage import Storage
from limits.aio.storage.base import SlidingWindowCounterSupport
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from shared.clock import Clock
from shared.storage.database import Collection, Document, write_deadline, written

MAX_KEYS: Final = 50_000  # in memory: 13 MiB
_AHEAD: Final = 5.0  # seconds that another process's clock may be ahead of ours


class Hit(NamedTuple):
    """`amount` hits of a key at `now`, in tumbling window number `window`."""

    key: str
    limit: int
    expiry: int  # seconds, the window's length
    amount: int
    now: float  # seconds
    window: int
    left: float  # the part of the window that is to come


@dataclass(slots=True)
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

    def now(self) -> float:
        """Return the time, in seconds."""
        return self._clock().timestamp()

    def _hit(self, key: str, limit: int, expiry: int, amount: int) -> Hit:
        now = self.now()
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
        """Return whether `hit` counted."""
        counter, _ = await self.hit(key, limit, expiry, amount)
        return counter.acquired

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return both counts with the seconds for which each still weighs."""
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
    """Counts in this process. Of more than `MAX_KEYS` the one that was not hit for longest goes."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._counters: dict[str, Counter] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        """Nothing can fail here."""
        return ValueError

    async def _count(self, hit: Hit) -> Counter:
        counter = self._counters.pop(hit.key, None) or Counter()
        counter = counter.rolled_to(hit.window)
        weighted = floor(counter.previous * hit.left) + counter.current
        counter.acquired = weighted + hit.amount <= hit.limit
        if counter.acquired:
            counter.current += hit.amount
        self._counters[hit.key] = counter
        if len(self._counters) > MAX_KEYS:
            del self._counters[next(iter(self._counters))]
        return counter

    async def _look_up(self, key: str) -> Counter:
        return self._counters.get(key, Counter())

    async def check(self) -> bool:
        """Return True: memory is there."""
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
        update = _counted(hit, expires_at)

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
        """Return whether MongoDB answers."""
        async with write_deadline():
            await self._collection.find_one({"_id": ""})
        return True

    async def clear(self, key: str) -> None:
        """Forget the hits of one key."""
        await self._collection.delete_one({"_id": key})

    async def reset(self) -> int:
        """Forget all hits."""
        return (await self._collection.delete_many({})).deleted_count


def _counted(hit: Hit, expires_at: datetime) -> list[Document]:
    """Count a hit in its document, as an update: `Counter.rolled_to`, then what memory does.

    A document that is damaged, or whose window is too far ahead for any clock, counts as none.
    """
    latest = hit.window + max(1, ceil(_AHEAD / hit.expiry))
    counts = ("$previous", "$current")
    sound = {
        "$and": [
            {"$isNumber": "$window"},
            {"$lte": ["$window", latest]},
            *({"$isNumber": count} for count in counts),
            *({"$gte": [count, 0]} for count in counts),
        ]
    }
    rolled = [
        {"case": {"$not": sound}, "then": {"previous": 0, "current": 0}},
        {
            "case": {"$gte": ["$window", hit.window]},
            "then": {"previous": "$previous", "current": "$current", "window": "$window"},
        },
        {
            "case": {"$eq": ["$window", hit.window - 1]},
            "then": {"previous": "$current", "current": 0},
        },
    ]
    fresh = {"window": hit.window, "previous": 0, "current": 0, "expires_at": expires_at}
    switch = {"$switch": {"branches": rolled, "default": {}}}
    weighted = {
        "$add": [{"$floor": {"$multiply": ["$previous", hit.left]}}, "$current", hit.amount]
    }
    return [
        {"$replaceWith": {"$mergeObjects": [{"_id": "$_id", **fresh}, switch]}},
        {"$set": {"acquired": {"$lte": [weighted, hit.limit]}}},
        {"$set": {"current": {"$add": ["$current", {"$cond": ["$acquired", hit.amount, 0]}]}}},
    ]


def _counter(document: dict[str, Any] | None) -> Counter:
    if document is None:
        return Counter()
    return Counter(
        document["window"], document["previous"], document["current"], document["acquired"]
    )


WindowStorage = MemoryWindows | MongoWindows
