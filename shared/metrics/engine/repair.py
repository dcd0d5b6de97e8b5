"""Repair: recount the steps of a window that are missing or wrong."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from shared.metrics.engine.counts import STEP
from shared.metrics.engine.steps import Events, Steps
from shared.metrics.engine.verify import Verifier
from shared.metrics.engine.watermark import Watermark

_AT_ONCE: Final = 4  # steps made side by side, where many are missing

Progress = Callable[[int, int], None]  # steps that are right, of how many


class Repairer:
    """Makes steps that are over, where they are missing or miss an event."""

    def __init__(self, steps: Steps, verifier: Verifier) -> None:
        self._steps = steps
        self._verifier = verifier

    async def repair(
        self, marks: Sequence[Watermark], at: datetime, reach: timedelta, progress: Progress
    ) -> Events:
        """Repair each step of the last `reach`; return the number of events in each.

        Once a step is recounted, no tick can see that it was short. So watermarks that are past
        the first short step move back to it beforehand.
        """
        last = min(mark.up_to for mark in marks)
        made, short = await self._verifier.shortfalls(at, reach, last)
        await self._steps.forget([step for step, events in short.items() if events < 0], made)
        todo = sorted(short)
        if todo:
            ahead = [mark for mark in marks if mark.since > todo[0]]
            await asyncio.gather(*[mark.move(todo[0]) for mark in ahead])
        steps = reach // STEP
        for done in range(0, len(todo), _AT_ONCE):
            progress(steps - len(todo) + done, steps)
            await asyncio.gather(*map(self._steps.make, todo[done : done + _AT_ONCE]))
        progress(steps, steps)
        return {**made, **{step: made.get(step, 0) + n for step, n in short.items()}}
