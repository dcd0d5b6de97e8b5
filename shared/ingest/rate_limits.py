"""How many events a client, and all clients together, may send.

A body that is refused costs an event for each 16 KiB of it, and at least one if it was not too many
events that were wrong with it: to read it is work too. Once not one event more fits, a client's
requests are refused before their body is read.

The total is shared fairly: a client at its own limit leaves the last tenth of the total to those
that use less of theirs, and one at half its limit leaves a twentieth.
"""

from dataclasses import dataclass
from math import ceil, floor
from typing import Final, NamedTuple

from limits import RateLimitItem

from shared.http.problems import BATCH_EXCEEDS_LIMIT, RATE_LIMITED, Problem
from shared.ingest.rate_storage import MAX_KEYS, Counter, WindowStorage

LEFT_TO_OTHERS: Final = 10  # a client at its own limit leaves 1/10 of the total
FINE_BYTES: Final = 16_384  # read in vain, to cost an event: 0.2 ms of parsing at the worst
_WITHOUT_LIMIT: Final = 2**53


class Usage(NamedTuple):
    """What is used of a limit, in two tumbling windows."""

    counter: Counter
    left: float  # the part of the window that is to come

    @property
    def events(self) -> int:
        """Count the events that weigh in the sliding window."""
        return self.counter.current + int(self.counter.previous * self.left)


@dataclass(frozen=True)
class Limit:
    """A limit with the name that the headers call it by: `amount` events in `seconds`."""

    name: str
    item: RateLimitItem
    amount: int
    seconds: int

    @classmethod
    def of(cls, name: str, item: RateLimitItem) -> "Limit":
        """Name a limit."""
        return cls(name, item, item.amount, item.get_expiry())

    @property
    def policy(self) -> str:
        """Spell the limit as a RateLimit-Policy item: `"client";q=1000;w=1`."""
        return f'"{self.name}";q={self.amount};w={self.seconds}'

    def wait_for(self, events: int, usage: Usage) -> float:
        """Work out after how many seconds `events` more will fit, if nobody else sends any.

        In this window the weight of the previous count falls in a straight line; in the next one
        this window's count takes its place.
        """
        room = self.amount + 1 - events  # the weighted count must be below this
        left, counter = usage.left * self.seconds, usage.counter
        if counter.current >= room:
            return left + self.seconds * (1 - room / counter.current)
        if not counter.previous:
            return 0.0
        return left - (room - counter.current) * self.seconds / counter.previous


class RateLimits:
    """One limit for each client and one for the whole service, counted in events."""

    def __init__(
        self, per_client: RateLimitItem, total: RateLimitItem, storage: WindowStorage
    ) -> None:
        self._client: Final = Limit.of("client", per_client)
        self._total: Final = Limit.of("total", total)
        self._policy: Final = f"{self._client.policy}, {self._total.policy}"
        self._storage = storage
        self._exhausted: dict[str, tuple[float, Usage]] = {}  # clients, until when, and why

    def admit(self, client: str) -> None:
        """Raise a 429 problem where a client has not one event left, as far as is known here."""
        if not self._exhausted:
            return
        now, (until, usage) = self._storage.now(), self._exhausted.get(client, (0.0, None))
        if usage and until > now:
            raise self._refusal(self._client, 1, usage, until - now)
        self._exhausted.pop(client, None)

    async def charge(self, client: str, events: int) -> dict[str, str]:
        """Charge `events` to a client and return the headers that tell what it has left.

        Raises a 429 problem where either limit is passed. The client's own limit is charged
        first, so that one client's excess is never taken from what the others share.
        """
        for limit in (self._client, self._total):
            if events > limit.amount:
                raise Problem(
                    BATCH_EXCEEDS_LIMIT,
                    f"A batch of {events} events can never pass the limit of {limit.item}: "
                    f"send at most {limit.amount} at once",
                    headers={"RateLimit-Policy": self._policy},
                )
        own = await self._hit_client(client, self._client.amount, events)
        if not own.counter.acquired:
            raise self._refusal(self._client, events, own)
        # What the strategy of `limits` does, less 10 µs of naming the key anew at each hit,
        # and less another look at the window for the headers.
        total = Usage(
            *await self._storage.hit("total/all", self._fair_part(own), self._total.seconds, events)
        )
        if not total.counter.acquired:
            raise self._refusal(self._total, events, total)
        return self._headers(self._client, own)

    async def fine(self, client: str, problem: Problem, size: int) -> None:
        """Charge a client for `size` bytes that were read in vain, within its limit or not.

        Not where the fault is ours, nor for what came too early: whoever waits as long as it was
        told to must find the room that it was promised.
        """
        if problem.failure.status < 500 and problem.failure.status != 429:
            await self._hit_client(client, _WITHOUT_LIMIT, 1 + size // FINE_BYTES)

    async def _hit_client(self, client: str, limit: int, events: int) -> Usage:
        hit = await self._storage.hit(f"client/{client}", limit, self._client.seconds, events)
        usage = Usage(*hit)
        if usage.events >= self._client.amount:
            wait = self._client.wait_for(1, usage)
            self._exhausted[client] = (self._storage.now() + wait, usage)
            if len(self._exhausted) > MAX_KEYS:
                del self._exhausted[next(iter(self._exhausted))]
        return usage

    def _fair_part(self, usage: Usage) -> int:
        """Return how far a client may fill the total: the less, the more of its own it uses."""
        kept = self._total.amount // LEFT_TO_OTHERS
        return (
            self._total.amount
            - kept * min(usage.events, self._client.amount) // self._client.amount
        )

    def _refusal(
        self, limit: Limit, events: int, usage: Usage, wait: float | None = None
    ) -> Problem:
        wait = limit.wait_for(events, usage) if wait is None else wait
        seconds = max(0, floor(wait)) + 1  # the first whole second after it
        whose = "this client" if limit is self._client else "all clients together"
        return Problem(
            RATE_LIMITED,
            f"{limit.item} is the limit for {whose}; try again in {seconds} s",
            headers=self._headers(limit, usage) | {"Retry-After": str(seconds)},
        )

    def _headers(self, limit: Limit, usage: Usage) -> dict[str, str]:
        """Spell what is left as draft-ietf-httpapi-ratelimit-headers does."""
        remaining = max(0, limit.amount - usage.events)
        seconds = max(1, ceil(usage.left * limit.seconds))
        return {
            "RateLimit-Policy": self._policy,
            "RateLimit": f'"{limit.name}";r={remaining};t={seconds}',
        }
