"""How far the clock of this machine is from MongoDB's, which all processes share.

Arrivals, windows and leases go by the clock of the process that serves, so processes whose clocks
differ answer differently. Within `TOLERATED` of MongoDB's, two of them are at most `MAX_SKEW`
apart: the answers are exact, and that much less fresh. Beyond it a process takes no event and
computes no metric until its clock is right again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from pymongo.errors import PyMongoError

from shared.clock import MAX_SKEW, Clock, ClockSkewError
from shared.telemetry import CLOCK_SKEW

_LOG: Final = logging.getLogger("footfall.clock")

TOLERATED: Final = MAX_SKEW / 2
EVERY: Final = timedelta(seconds=5)  # from one measurement to the next
_PATIENCE: Final = 1.0  # seconds; an answer that took longer would tell little

ServerClock = Callable[[], Awaitable[datetime]]


class ClockSkew:
    """The skew between this process's clock and MongoDB's, measured when somebody asks."""

    def __init__(self, clock: Clock, server_clock: ServerClock) -> None:
        self._clock = clock
        self._server_clock = server_clock
        self._measuring = asyncio.Lock()
        self._asked_at: datetime | None = None
        self._refusal = ""  # why nothing is taken; empty: the clock is right

    async def check(self) -> None:
        """Raise `ClockSkewError` while the clock is off by more than `TOLERATED`.

        Asks MongoDB at the first call, every five seconds from then on, and when the clock was set
        back or far ahead; everybody waits for the answer, a second at most. While MongoDB gives
        none the last verdict stands, and whatever needs MongoDB fails by itself.
        """
        if self._is_due(self._clock()):
            async with self._measuring:
                sent = self._clock()
                if self._is_due(sent):
                    await self._measure(sent)
                    self._asked_at = sent
        if self._refusal:
            raise ClockSkewError(self._refusal)

    def _is_due(self, now: datetime) -> bool:
        return self._asked_at is None or not timedelta() <= now - self._asked_at < EVERY

    async def _measure(self, sent: datetime) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                server = await self._server_clock()
                received = self._clock()
        except (PyMongoError, TimeoutError):
            return
        # MongoDB read its clock at some time between the two: at the middle, half of it off or less
        error = (received - sent) / 2
        self._judge(sent + error - server, error)

    def _judge(self, skew: timedelta, error: timedelta) -> None:
        CLOCK_SKEW.set(skew.total_seconds())
        if abs(skew) - error > TOLERATED:
            if not self._refusal:
                _LOG.error("%s: no event is taken and no metric computed", _words(skew))
            self._refusal = _words(skew)
        elif abs(skew) + error <= TOLERATED and self._refusal:
            _LOG.warning("the clock is right again")
            self._refusal = ""


def _words(skew: timedelta) -> str:
    side = "ahead of" if skew > timedelta() else "behind"
    return (
        f"The clock of this machine is {abs(skew).total_seconds():.1f} s {side} MongoDB's, "
        f"more than {TOLERATED.total_seconds():g} s"
    )
