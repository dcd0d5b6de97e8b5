"""The steps of a window are made right: those that are missing, short or still open, anew."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from shared.clock import MAX_SKEW, Clock
from shared.metrics.engine.counts import STEP, step_of
from shared.metrics.engine.metric import EPOCH
from shared.metrics.engine.steps import Head, Steps
from shared.metrics.engine.verify import Verifier
from shared.metrics.engine.watermark import Watermark, hold

_AT_ONCE: Final = 4  # steps made side by side, where many are missing
_EMPTY_AT_ONCE: Final = 36  # steps in a row that are looked at together: three minutes

Progress = Callable[[int, int], None]  # steps made, of how many


class Repairer:
    """Makes steps anew, up to now."""

    def __init__(self, steps: Steps, clock: Clock) -> None:
        self._steps = steps
        self._clock = clock
        self._verifier = Verifier(steps)

    async def repair(
        self, marks: Sequence[Watermark], reach: timedelta, progress: Progress
    ) -> list[Head]:
        """Make anew each step of the last `reach` that is not right; return the heads of all.

        It is now what it is once the watermarks are taken: no earlier tick has a later instant.
        """
        now = self._clock()
        # A clock that was set far ahead may have gone past arrivals that it took for too old.
        await hold([mark for mark in marks if mark.up_to > now + MAX_SKEW], EPOCH)
        first = step_of(now - reach)
        heads, useless = await self._steps.heads(first, now + MAX_SKEW)
        now = max([now, *[head.until for head in heads.values()]])
        steps = [first + n * STEP for n in range(-((first - now) // STEP))]
        closed = [heads[step] for step in steps if step in heads and heads[step].is_closed]
        short = await self._verifier.shortfalls(closed, now)
        forgotten = [*useless, *[step for step, events in short.items() if events < 0]]
        if forgotten:
            await self._steps.forget(forgotten, now)
        new = [step for step in steps if step not in heads and step + STEP <= now]
        for begin in range(0, len(new), _EMPTY_AT_ONCE):
            for head in await self._make_empty(new[begin : begin + _EMPTY_AT_ONCE], now):
                heads[head.step] = head
        right = {step: head for step, head in heads.items() if step not in short}
        todo = [step for step in steps if step not in right or not right[step].is_closed]
        for done in range(0, len(todo), _AT_ONCE):
            progress(done, len(todo))
            for head in await self._make(todo[done : done + _AT_ONCE], right, marks, now):
                heads[head.step] = head
        progress(len(todo), len(todo))
        return [heads[step] for step in steps]

    async def _make_empty(self, steps: Sequence[datetime], now: datetime) -> list[Head]:
        """Make these steps at once, oldest first, if nothing arrived in them; else none.

        A shop is closed for hours: to make each step by itself takes 540 operations a window.
        """
        if not await self._steps.are_empty(steps):
            return []
        await self._steps.forget(steps, now)
        return await self._steps.publish([(Head(s, s + STEP, 0), []) for s in steps], now)

    async def _make(
        self,
        steps: Sequence[datetime],
        right: Mapping[datetime, Head],
        marks: Sequence[Watermark],
        now: datetime,
    ) -> list[Head]:
        """Make steps anew, up to `now`.

        When a head is published, no tick will see any more what its step had missed before. So the
        watermarks go back first, as far as that, and only then. What landed in an open step that
        was right until now counts as missed, if it lies in the part that was caught up already.
        """
        until = {step: min(step + STEP, now) for step in steps}
        await asyncio.gather(*[self._steps.make_rows(step, until[step], now) for step in steps])
        missed = [s for s in steps if s not in right or await self._steps.shortfalls([right[s]])]
        counted = await asyncio.gather(*[self._steps.count(s, until[s], now) for s in steps])
        await hold(marks, min([now, *missed]))
        return await self._steps.publish(counted, now)
