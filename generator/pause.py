"""Holding back when the service is in trouble."""

import random
from collections.abc import Awaitable, Callable

FIRST = 0.1  # seconds after a failure whose answer names no time; doubled with each in a row
LONGEST = 5.0

Sleep = Callable[[float], Awaitable[object]]  # for so many seconds


class Pause:
    """One pause for all senders: a service in trouble is not hammered by the others."""

    def __init__(self, monotonic: Callable[[], float], sleep: Sleep, rng: random.Random) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._rng = rng
        self._ends = 0.0
        self._failures = 0  # in a row

    async def over(self) -> None:
        """Return when nothing needs holding back."""
        while True:
            left = self._ends - self._monotonic()
            if left <= 0:
                return
            await self._sleep(left)

    def hold(self, seconds: float | None) -> None:
        """Hold back for `seconds`; where the service named no time, longer after each failure."""
        if seconds is None:
            longest = min(FIRST * 2 ** min(self._failures, 10), LONGEST)
            seconds = longest * self._rng.uniform(0.5, 1.0)
            self._failures += 1
        self._ends = max(self._ends, self._monotonic() + seconds)

    def all_is_well(self) -> None:
        """Forget the failures in a row."""
        self._failures = 0
