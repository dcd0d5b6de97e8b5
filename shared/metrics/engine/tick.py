"""The tick: verify the steps, make anew what is wrong, catch up, read."""

import asyncio
import logging
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from shared.clock import MAX_SKEW, Clock
from shared.metrics.engine.counts import COLLECTION, REACH, STEP, step_of
from shared.metrics.engine.last_seen import LastSeen
from shared.metrics.engine.metric import Metric, Rows, Source
from shared.metrics.engine.steps import Head, Steps
from shared.metrics.engine.verify import Verifier
from shared.metrics.engine.watermark import Watermark
from shared.storage.database import Database, Document, all_of, written

_LOG: Final = logging.getLogger("footfall.metrics")

_AT_ONCE: Final = 4  # steps made side by side, where many are missing
_EMPTY_AT_ONCE: Final = 36  # steps in a row that are looked at together: three minutes

Progress = Callable[[int, int], None]  # steps made, of how many
Watermarks = Mapping[LastSeen, Watermark]


def rollups_of(metrics: Sequence[Metric]) -> list[LastSeen]:
    """Return what is kept beside the steps for these metrics, each once."""
    kept = [source.rollup for metric in metrics for source in metric.reads.values()]
    return list(dict.fromkeys(rollup for rollup in kept if rollup))


class Ticker:
    """Keeps the rollups of one database, and reads the metrics from them."""

    def __init__(self, database: Database, metrics: Sequence[Metric], clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._steps = Steps(database)
        self._verifier = Verifier(self._steps)
        self._metrics = metrics
        self._rollups = rollups_of(metrics)
        self._sources = dict.fromkeys(s for metric in metrics for s in metric.reads.values())

    async def tick(self, progress: Progress = lambda _done, _of: None) -> Document:
        """Return `as_of` and what every metric is then, by name.

        `as_of` is now, or a little later where a process whose clock runs ahead ticked before.
        Rollups that no metric can make sense of were not written by this release: they go.
        Raise `OvertakenError` if another tick began meanwhile.
        """
        try:
            return await self._tick(progress)
        except ValueError:
            _LOG.warning("the rollups are not readable: they are deleted and rebuilt")
            for name in (COLLECTION, *[rollup.collection for rollup in self._rollups]):
                await written(partial(self._database.collection(name).delete_many, {}))
            return await self._tick(progress)

    async def rebuild(self, reach: timedelta, progress: Progress) -> None:
        """Make whatever step is not right of those that began in the last `reach`."""
        await self._keep_steps(await self._take_watermarks(), reach, progress)

    async def _tick(self, progress: Progress) -> Document:
        marks = await self._take_watermarks()
        heads = await self._keep_steps(marks, REACH, progress)
        at = heads[-1].until
        reading = [self._catch_up(*kept, heads, at) for kept in marks.items()]
        found = ChainMap(*await asyncio.gather(self._read(None, at), *reading))
        await _hold(marks, at)
        return {"as_of": at} | {metric.name: _answer(metric, found) for metric in self._metrics}

    async def _take_watermarks(self) -> Watermarks:
        marks = {r: Watermark(self._database.collection(r.collection)) for r in self._rollups}
        await asyncio.gather(*[mark.take() for mark in marks.values()])
        return marks

    async def _keep_steps(
        self, marks: Watermarks, reach: timedelta, progress: Progress
    ) -> list[Head]:
        """Make anew each step of the last `reach` that is not right; return the heads of all.

        It is now what it is once the watermarks are taken: no earlier tick has a later instant.
        """
        now = self._clock()
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
        marks: Watermarks,
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
        await _hold(marks, min([now, *missed]))
        return await self._steps.publish(counted, now)

    async def _catch_up(
        self, rollup: LastSeen, mark: Watermark, heads: Sequence[Head], at: datetime
    ) -> dict[Source, Rows]:
        """Bring a rollup up to date, then read what is read from it."""
        await rollup.catch_up(self._database, mark, heads, at)
        return await self._read(rollup, at)

    async def _read(self, rollup: LastSeen | None, at: datetime) -> dict[Source, Rows]:
        sources = [source for source in self._sources if source.rollup is rollup]
        reading = [
            all_of(self._database.collection(s.collection), s.pipeline(at), hint=s.hint)
            for s in sources
        ]
        return dict(zip(sources, await asyncio.gather(*reading), strict=True))


def _answer(metric: Metric, found: Mapping[Source, Rows]) -> Document:
    rows = {name: found[source] for name, source in metric.reads.items()}
    return metric.answer(**rows).model_dump()


async def _hold(marks: Watermarks, at_most: datetime) -> None:
    await asyncio.gather(*[mark.hold(at_most) for mark in marks.values()])
