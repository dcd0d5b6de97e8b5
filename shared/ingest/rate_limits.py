"""How many events a client, and all clients together, may send."""

from dataclasses import dataclass
from math import ceil, floor
from typing import Final

from limits import RateLimitItem

from shared.http.problems import BATCH_EXCEEDS_LIMIT, RATE_LIMITED, Problem
from shared.ingest.rate_storage import Counter, WindowStorage


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


class RateLimits:
    """One limit for each client and one for the whole service, counted in events."""

    def __init__(
        self, per_client: RateLimitItem, total: RateLimitItem, storage: WindowStorage
    ) -> None:
        self._client: Final = Limit.of("client", per_client)
        self._total: Final = Limit.of("total", total)
        self._policy: Final = f"{self._client.policy}, {self._total.policy}"
        self._storage = storage

    async def charge(self, client: str, events: int) -> dict[str, str]:
        """Charge `events` to a client and give the headers that tell what it has left.

        Raises a 429 problem where either limit is passed. The client's own limit is charged
        first, so that one client's excess is never taken from what the others share.
        """
        headers: dict[str, str] = {}
        for limit, key in ((self._client, client), (self._total, "all")):
            if events > limit.amount:
                raise Problem(
                    BATCH_EXCEEDS_LIMIT,
                    f"A batch of {events} events can never pass the limit of {limit.item}: "
                    f"send at most {limit.amount} at once",
                    headers={"RateLimit-Policy": self._policy},
                )
            # What the strategy of `limits` does, less 10 µs of naming the key anew at each hit,
            # and less another look at the window for the headers.
            counter, left = await self._storage.hit(
                f"{limit.name}/{key}", limit.amount, limit.seconds, events
            )
            if not counter.acquired:
                raise self._refusal(limit, events, counter, left)
            headers = headers or self._headers(limit, counter, left)
        return headers

    def _refusal(self, limit: Limit, events: int, counter: Counter, left: float) -> Problem:
        wait = seconds_until(
            limit.item, events, counter.previous, left * limit.seconds, counter.current
        )
        whose = "this client" if limit is self._client else "all clients together"
        return Problem(
            RATE_LIMITED,
            f"{limit.item} is the limit for {whose}; try again in {wait} s",
            headers=self._headers(limit, counter, left) | {"Retry-After": str(wait)},
        )

    def _headers(self, limit: Limit, counter: Counter, left: float) -> dict[str, str]:
        """Spell what is left as draft-ietf-httpapi-ratelimit-headers does."""
        remaining = max(0, limit.amount - counter.current - int(counter.previous * left))
        return {
            "RateLimit-Policy": self._policy,
            "RateLimit": f'"{limit.name}";r={remaining};t={max(1, ceil(left * limit.seconds))}',
        }


def seconds_until(
    limit: RateLimitItem, events: int, previous: int, left: float, current: int
) -> int:
    """Work out after how many whole seconds `events` more will fit, if nobody else sends any.

    In this window the weight of the previous count falls in a straight line; in the next one
    this window's count takes its place.
    """
    expiry = limit.get_expiry()
    room = limit.amount + 1 - events  # the weighted count must be below this
    if current < room:
        wait = left - (room - current) * expiry / previous if previous else 0.0
    else:
        wait = left + expiry * (1 - room / current)
    return max(0, floor(wait)) + 1  # the first whole second after it
