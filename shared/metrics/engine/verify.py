"""Which steps a tick verifies: the newest always, the older ones in turn."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from shared import deadlines
from shared.metrics.engine.steps import Head, Steps
from shared.windows import VIEWS

NEWEST: Final = timedelta(seconds=deadlines.VERIFIED)
# All others where they are this few events, for 1 ms of mongod; else half a minute of the window
# in turn, another one every two seconds: 40 ms of mongod at 5,000 events a second. The number of
# turns is a prime, so that ticks at any interval meet all of them: in a minute if there is one
# every two seconds, in five if there is one in ten. There is one more than a window has parts, so
# that no window has both ends in one.
FEW: Final = 3_000
_PART: Final = timedelta(seconds=30)
_TURN: Final = timedelta(seconds=2)
_TURNS: Final = 31

assert _PART * (_TURNS - 1) >= VIEWS  # noqa: S101 - of constants


class Verifier:
    """Finds the steps that miss an event, or have one too many."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._turn: int | None = None
        self._pause: tuple[datetime, datetime] | None = None

    async def shortfalls(self, heads: Sequence[Head], now: datetime) -> dict[datetime, int]:
        """Return by how many events which of these heads, oldest first, are short."""
        if not heads:
            return {}
        since = self._always_from(heads[-1].until, now)
        newest = [head for head in heads if head.until > since]
        older = [head for head in heads if head.until <= since]
        turn = self._in_turn(older, now)
        always, others = await asyncio.gather(*map(self._steps.shortfalls, (newest, turn)))
        return always | others

    def _always_from(self, last: datetime, now: datetime) -> datetime:
        """Return from when on steps are verified now; `last` is up to when they are made.

        Where nothing was made for a while, MongoDB may have been away. What it held back may land
        any time now: for a minute, all that came since before the pause is verified.
        """
        if last < now - NEWEST:
            self._pause = last - NEWEST, now + timedelta(minutes=1)
        if self._pause and now < self._pause[1]:
            return self._pause[0]
        return last - NEWEST

    def _in_turn(self, older: Sequence[Head], now: datetime) -> Sequence[Head]:
        if sum(head.events for head in older) < FEW:
            return older
        turn = _number(now, _TURN)
        if turn == self._turn:
            return []
        self._turn = turn
        return [head for head in older if _number(head.step, _PART) == turn]


def _number(instant: datetime, length: timedelta) -> int:
    return int(instant.timestamp() // length.total_seconds()) % _TURNS
