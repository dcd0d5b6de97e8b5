"""Which steps a tick verifies: the newest and those that are missing; the older ones in turn."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from shared import deadlines
from shared.metrics.engine.counts import STEP, step_of
from shared.metrics.engine.metric import EPOCH
from shared.metrics.engine.steps import Events, Steps
from shared.windows import VIEWS

NEWEST: Final = timedelta(seconds=deadlines.VERIFIED)
# The others: all if the steps have fewer events than this (1 ms of mongod); else one part of 15 s,
# another one every second (30 ms of mongod at 5,000 events a second). The number of turns is prime,
# so that ticks at any interval reach all parts: within a minute at a tick a second, within ten at
# one every ten seconds, while nobody looks. It is one more than a window has parts, so that no turn
# covers both ends of a window.
FEW: Final = 3_000
_PART: Final = timedelta(seconds=15)
_TURN: Final = timedelta(seconds=1)
TURNS: Final = 61

assert _PART * (TURNS - 1) >= VIEWS  # noqa: S101 - of constants


class Verifier:
    """Finds the steps that miss an event, or have one too many."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._pause: tuple[datetime, datetime] | None = None

    async def shortfalls(
        self, now: datetime, reach: timedelta, last: datetime
    ) -> tuple[Events, Events]:
        """Return the number of events in each step of the last `reach`, and how many some lack.

        `last` is the time up to which the last tick saw arrivals.
        """
        first, end = step_of(now - reach), step_of(now)
        steps = [first + n * STEP for n in range((end - first) // STEP)]
        made = await self._steps.events(first, end)
        since = self._always_from(last, now)
        turn = _number(now, _TURN)
        few = sum(made.values()) < FEW
        looked_at = [
            step
            for step in steps
            if few or step not in made or step + STEP > since or _number(step, _PART) == turn
        ]
        found = await asyncio.gather(
            *[self._steps.shortfalls(run, made) for run in _runs(looked_at)]
        )
        short = {step: events for run in found for step, events in run.items()}
        # What is older than a window may have gone by the events' own TTL.
        return made, {step: n for step, n in short.items() if n > 0 or step > now - VIEWS}

    def _always_from(self, last: datetime, now: datetime) -> datetime:
        """Return the time since which every step is verified, as events may have landed late.

        After a pause in ticking, MongoDB may have been away, and writes that it held back may still
        land: for a minute, everything since before the pause is verified.
        """
        since = last - NEWEST
        if EPOCH < last < now - NEWEST:
            self._pause = since, now + timedelta(minutes=1)
        if self._pause and now < self._pause[1]:
            return min(since, self._pause[0])
        return since


def _number(instant: datetime, length: timedelta) -> int:
    return int(instant.timestamp() // length.total_seconds()) % TURNS


def _runs(steps: Sequence[datetime]) -> list[list[datetime]]:
    """Return the steps in runs of such that follow each other."""
    runs: list[list[datetime]] = []
    for step in steps:
        if runs and runs[-1][-1] + STEP == step:
            runs[-1].append(step)
        else:
            runs.append([step])
    return runs
