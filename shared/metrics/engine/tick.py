"""The tick: verify the steps, make anew what is wrong, catch up, read."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from shared import deadlines
from shared.clock import MAX_SKEW
from shared.metrics.engine.counts import COLLECTION, STEP, step_of
from shared.metrics.engine.source import Found, Metric, Rollup, Source
from shared.metrics.engine.steps import Head, Steps
from shared.storage.database import Database, Document, all_of, written
from shared.windows import VIEWS

_LOG: Final = logging.getLogger("footfall.metrics")

# The steps of the last 20 s are verified at each tick; of the older ones so many events' worth, in
# turn, for 1 ms of mongod: round a window in 30 ticks at 100 events a second, in 180 from 600 on.
VERIFIED: Final = timedelta(seconds=deadlines.VERIFIED)
AUDITED: Final = 3_000

_AT_ONCE: Final = 4  # steps made side by side, where many are missing

Progress = Callable[[int, int], None]  # steps made, of how many


def rollups_of(metrics: Sequence[Metric]) -> list[Rollup]:
    """Return what is kept beside the steps for these metrics, each once."""
    kept = [read.source.rollup for metric in metrics for read in metric.reads.values()]
    return list(dict.fromkeys(rollup for rollup in kept if rollup))


class Ticker:
    """Keeps the rollups of one database, and reads the metrics from them."""

    def __init__(self, database: Database, metrics: Sequence[Metric]) -> None:
        self._database = database
        self._steps = Steps(database)
        self._metrics = metrics
        self._rollups = rollups_of(metrics)
        self._audited_from: datetime | None = None

    async def tick(self, now: datetime, progress: Progress = lambda _done, _of: None) -> Document:
        """Return `as_of` and what every metric is then, by name.

        `as_of` is `now`, or a little later where a process whose clock runs ahead ticked before.
        Rollups that no metric can make sense of were not written by this release: they go.
        """
        try:
            return await self._tick(now, progress)
        except ValueError:
            _LOG.warning("the rollups are not readable: they are deleted and rebuilt")
            for name in (COLLECTION, *[rollup.collection for rollup in self._rollups]):
                await written(partial(self._database.collection(name).delete_many, {}))
            return await self._tick(now, progress)

    async def _tick(self, now: datetime, progress: Progress) -> Document:
        heads = await self.keep_steps(now, VIEWS, progress)
        at = heads[-1].until
        kept = [*self._rollups, None]  # None: what is read from the steps and from raw documents
        found: dict[str, list[Document]] = {}
        for some in await asyncio.gather(*[self._read(rollup, heads, at) for rollup in kept]):
            found |= some
        document: Document = {"as_of": at}
        for metric in self._metrics:
            mine = {name: found[f"{metric.name}_{name}"] for name in metric.reads}
            document[metric.name] = metric.answer(mine).model_dump()
        return document

    async def keep_steps(
        self, now: datetime, reach: timedelta, progress: Progress = lambda _done, _of: None
    ) -> list[Head]:
        """Make anew each step of the last `reach` that is not right; return the heads of all.

        Watermarks go back first. A step that is right tells nothing of what it once had missed,
        which has to be caught up all the same.
        """
        first = step_of(now - reach)
        heads, useless = await self._steps.heads(first, now + MAX_SKEW)
        now = max([now, *[head.until for head in heads.values()]])
        steps = [first + n * STEP for n in range(-((first - now) // STEP))]
        closed = [heads[step] for step in steps if step in heads and heads[step].is_closed]
        missed = await self._verify(closed, now)
        wrong = [step for step in steps if step not in heads or step in missed]
        if wrong:
            await self._move_back(wrong[0])
        shrunk = [step for step, events in missed.items() if events < 0]
        if useless or shrunk:
            await self._steps.forget([*useless, *shrunk])
        todo = [step for step in steps if step in wrong or not heads[step].is_closed]
        for done in range(0, len(todo), _AT_ONCE):
            progress(done, len(todo))
            some = todo[done : done + _AT_ONCE]
            made = [self._make(step, now, None if step in wrong else heads[step]) for step in some]
            for head in await asyncio.gather(*made):
                heads[head.step] = head
        progress(len(todo), len(todo))
        return [heads[step] for step in steps]

    async def _make(self, step: datetime, now: datetime, was: Head | None) -> Head:
        """Make a step anew. What landed in the part that was already caught up is caught up again.

        So that is counted after the rows are made, and before the head says that they have it.
        """
        until = min(step + STEP, now)
        await self._steps.make_rows(step, until, now)
        if was and await self._steps.missed([was]):
            await self._move_back(step)
        return await self._steps.make_head(step, until)

    async def _move_back(self, to: datetime) -> None:
        await asyncio.gather(*[rollup.move_back(self._database, to) for rollup in self._rollups])

    async def _verify(self, heads: Sequence[Head], now: datetime) -> dict[datetime, int]:
        """Return by how much heads are wrong: of the newest, and in turn of some older ones."""
        if not heads:
            return {}
        recent = heads[-1].until - VERIFIED
        if heads[-1].until < now - VERIFIED:  # MongoDB was away: what it held back may land late
            self._audited_from = None
        newest = [head for head in heads if head.until > recent]
        older = self._in_turn([head for head in heads if head.until <= recent])
        some, others = await asyncio.gather(*map(self._steps.missed, (newest, older)))
        return some | others

    def _in_turn(self, older: Sequence[Head]) -> list[Head]:
        """Take the next ones going back from the newest, `AUDITED` events of them."""
        last = self._audited_from
        left = [head for head in older if last is None or head.step < last] or list(older)
        taken: list[Head] = []
        while left and (not taken or sum(head.events for head in taken) < AUDITED):
            taken.insert(0, left.pop())
        self._audited_from = taken[0].step if taken else None
        return taken

    async def _read(self, rollup: Rollup | None, heads: Sequence[Head], at: datetime) -> Found:
        """Bring a rollup up to date, and read what is read from it, once for all metrics."""
        if rollup:
            ends = [(head.until, head.events) for head in heads]
            await rollup.catch_up(self._database, ends, at)
        sources: dict[Source, dict[str, list[Document]]] = {}
        for metric in self._metrics:
            for name, read in metric.reads.items():
                if read.source.rollup is rollup:
                    sources.setdefault(read.source, {})[f"{metric.name}_{name}"] = read.stages
        reading = [self._read_source(source, facets, at) for source, facets in sources.items()]
        return {
            name: rows for some in await asyncio.gather(*reading) for name, rows in some.items()
        }

    async def _read_source(self, source: Source, facets: Found, at: datetime) -> Found:
        collection = self._database.collection(source.collection)
        pipeline = [*source.stages(at), {"$facet": facets}]
        [found] = await all_of(collection, pipeline, hint=source.hint)
        return found
