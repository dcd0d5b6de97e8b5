"""How many events a client, and all clients together, may send.

A rejected body costs one event plus one for each full 16 KiB, because reading it is work too; not
where a rate limit or a 5xx was the reason. Once a client has no event left, its requests are
rejected before their body is read.

The total is shared fairly: a client at its own limit leaves the last tenth of the total to those
that use less of theirs, and one at half its limit leaves a twentieth.
"""

from math import ceil, floor
from typing import Final, NamedTuple

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from shared.http.problems import BATCH_EXCEEDS_LIMIT, RATE_LIMITED, Problem
from shared.ingest.rate_storage import MAX_KEYS, MemoryWindows

LEFT_TO_OTHERS: Final = 10  # hundredths of the total, by a client at its own limit
FINE_BYTES: Final = 16_384  # read in vain, to cost an event: 0.2 ms of parsing at the worst
_EVERYBODY: Final = "all"


class Limit(RateLimitItemPerSecond):
    """A limit of `limits`, with its name in the headers.

    Its keys do not contain the amount, so that a part of it shares the counter of the whole.
    """

    __slots__ = ["spelled"]

    def __init__(self, name: str, item: RateLimitItem, amount: int | None = None) -> None:
        super().__init__(item.amount if amount is None else amount, item.get_expiry(), name)
        self.spelled = str(item)

    def key_for(self, *identifiers: object) -> str:
        """Return what is counted by: `client/192.0.2.1`, `total/all`."""
        return f"{self.namespace}/{identifiers[0]}"

    @property
    def policy(self) -> str:
        """Spell the limit as a RateLimit-Policy item: `"client";q=1000;w=1`."""
        return f'"{self.namespace}";q={self.amount};w={self.multiples}'


class Usage(NamedTuple):
    """What is used of a limit, in two tumbling windows of `seconds`."""

    previous: int
    left: float  # seconds of the window that are to come
    current: int
    seconds: int

    @property
    def events(self) -> int:
        """Count the events that weigh in the sliding window."""
        return self.current + floor(self.previous * self.left / self.seconds)

    def wait_for(self, events: int, limit: int) -> float:
        """Work out after how many seconds `events` more will fit, if nobody else sends any.

        In this window the weight of the previous count falls in a straight line; in the next one
        this window's count takes its place.
        """
        room = max(1, limit + 1 - events)  # the weighted count must be below this
        if self.current >= room:
            return self.left + self.seconds * (1 - room / self.current)
        if not self.previous:
            return 0.0
        return self.left - (room - self.current) * self.seconds / self.previous


class RateLimits:
    """One limit for each client and one for the whole service, counted in events."""

    def __init__(
        self, per_client: RateLimitItem, total: RateLimitItem, storage: MemoryWindows
    ) -> None:
        self._client: Final = Limit("client", per_client)
        self._total: Final = Limit("total", total)
        self._parts: Final = [
            Limit("total", total, total.amount - total.amount * hundredths // 100)
            for hundredths in range(LEFT_TO_OTHERS + 1)
        ]
        self._policy: Final = f"{self._client.policy}, {self._total.policy}"
        self._storage = storage
        self._windows = SlidingWindowCounterRateLimiter(storage)
        self._exhausted: dict[str, float] = {}  # clients, and until when they are

    async def admit(self, client: str) -> None:
        """Raise a 429 problem where a client has not one event left, as far as is known here."""
        until = self._exhausted.get(client)
        if until is None:
            return
        wait = until - self._storage.now()
        if wait > 0:
            raise self._refusal(self._client, await self._usage(self._client, client), wait)
        del self._exhausted[client]

    async def charge(self, client: str, events: int) -> dict[str, str]:
        """Charge `events` to a client and return the headers that tell what it has left.

        Raise a 429 problem where either limit is passed. The client's own limit is charged first,
        so that one client's excess is never taken from what the others share.
        """
        for limit in (self._client, self._total):
            if events > limit.amount:
                raise Problem(
                    BATCH_EXCEEDS_LIMIT,
                    f"A batch of {events} events can never pass the limit of {limit.spelled}: "
                    f"send at most {limit.amount} at once",
                    headers={"RateLimit-Policy": self._policy},
                )
        fits = await self._windows.hit(self._client, client, cost=events)
        own = await self._own_usage(client)
        if not fits:
            wait = own.wait_for(events, self._client.amount)
            raise self._refusal(self._client, own, wait)
        part = self._fair_part(max(0, own.events - events))
        if not await self._windows.hit(part, _EVERYBODY, cost=events):
            usage = await self._usage(part, _EVERYBODY)
            raise self._refusal(part, usage, usage.wait_for(events, part.amount))
        return self._headers(self._client, own)

    async def fine(self, client: str, problem: Problem, size: int) -> None:
        """Charge a client for `size` bytes that were read in vain, within its limit or not.

        Not for errors of ours, nor for a 429: a client that waits as long as `Retry-After` says
        must find the room that it was promised.
        """
        if problem.failure.status < 500 and problem.failure.status != 429:
            key, seconds = self._client.key_for(client), self._client.get_expiry()
            await self._storage.incr(key, seconds, 1 + size // FINE_BYTES)
            await self._own_usage(client)

    async def _own_usage(self, client: str) -> Usage:
        """Return what a client has used, and remember when that is all it may."""
        usage = await self._usage(self._client, client)
        if usage.events >= self._client.amount:
            wait = usage.wait_for(1, self._client.amount)
            self._exhausted[client] = self._storage.now() + wait
            if len(self._exhausted) > MAX_KEYS:
                del self._exhausted[next(iter(self._exhausted))]
        return usage

    async def _usage(self, limit: Limit, whose: str) -> Usage:
        seconds = limit.get_expiry()
        window = await self._storage.get_sliding_window(limit.key_for(whose), seconds)
        return Usage(*window[:3], seconds)

    def _fair_part(self, used: int) -> Limit:
        """Return the total that a client may fill: the less, the more of its own it has used."""
        return self._parts[LEFT_TO_OTHERS * used // self._client.amount]

    def _refusal(self, limit: Limit, usage: Usage, wait: float) -> Problem:
        seconds = max(0, floor(wait)) + 1  # the first whole second after it
        whose = "this client" if limit is self._client else "all clients together"
        return Problem(
            RATE_LIMITED,
            f"{limit.spelled} is the limit for {whose}; try again in {seconds} s",
            headers=self._headers(limit, usage) | {"Retry-After": str(seconds)},
        )

    def _headers(self, limit: Limit, usage: Usage) -> dict[str, str]:
        """Spell what is left as draft-ietf-httpapi-ratelimit-headers does."""
        remaining = max(0, limit.amount - usage.events)
        seconds = max(1, ceil(usage.left))
        return {
            "RateLimit-Policy": self._policy,
            "RateLimit": f'"{limit.namespace}";r={remaining};t={seconds}',
        }
