"""The tick: take the watermarks, repair the steps, catch up, read."""

import asyncio
import logging
from collections import ChainMap
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from shared.clock import MAX_SKEW, Clock
from shared.metrics.engine.counts import COLLECTION, REACH, step_of
from shared.metrics.engine.last_seen import SPARED, LastSeen
from shared.metrics.engine.metric import EPOCH, Metric, Rows, Source
from shared.metrics.engine.repair import Progress, Repairer
from shared.metrics.engine.steps import Events, Steps
from shared.metrics.engine.verify import Verifier
from shared.metrics.engine.watermark import OvertakenError, Watermark
from shared.storage.database import Database, Document, all_of, written

_LOG: Final = logging.getLogger("footfall.metrics")

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
        self._repairer = Repairer(self._steps, self._verifier)
        self._metrics = metrics
        self._rollups = rollups_of(metrics)
        self._sources = dict.fromkeys(s for metric in metrics for s in metric.reads.values())

    async def tick(self, progress: Progress = lambda _done, _of: None) -> Document:
        """Return `as_of` and what every metric is then, by name.

        `as_of` is now, or slightly later if the last tick's process has a clock that is ahead.
        Rollups that no metric can read were not written by this release and are deleted.
        Raise `OvertakenError` if another tick began meanwhile, or this one took too long: what it
        did is kept.
        """
        try:
            return await self._tick(progress)
        except ValueError:
            _LOG.warning("the rollups are not readable: they are deleted and rebuilt")
            for name in (COLLECTION, *[rollup.collection for rollup in self._rollups]):
                await written(partial(self._database.collection(name).delete_many, {}))
            return await self._tick(progress)

    async def is_right(self, at: datetime, reach: timedelta) -> bool:
        """Return whether nothing seems to be missing in the steps of the last `reach`."""
        _made, short = await self._verifier.shortfalls(at, reach, last=at)
        return not short

    async def rebuild(self, reach: timedelta, progress: Progress) -> None:
        """Make right each step of the last `reach`."""
        marks, at = await self._begin()
        await self._repairer.repair([*marks.values()], at, reach, progress)

    async def _tick(self, progress: Progress) -> Document:
        marks, at = await self._begin()
        made = await self._repairer.repair([*marks.values()], at, REACH, progress)
        # Before any watermark is compared, so that the next tick notices what lands from now on.
        landed = await self._steps.arrivals(step_of(at), at)
        reading = [self._catch_up(*kept, made, at, landed) for kept in marks.items()]
        found = ChainMap(*await asyncio.gather(*reading, self._read(None, at)))
        if self._clock() > at + SPARED - MAX_SKEW:  # TTL may have deleted what was in the window
            raise OvertakenError
        return {"as_of": at} | {metric.name: _answer(metric, found) for metric in self._metrics}

    async def _begin(self) -> tuple[Watermarks, datetime]:
        """Take the watermarks; return the instant of this tick, later than that of any before."""
        marks = {r: Watermark(self._database.collection(r.collection)) for r in self._rollups}
        await asyncio.gather(*[mark.take() for mark in marks.values()])
        now = self._clock()
        # A clock that was set far ahead may have gone past arrivals that it took for too old.
        far = [mark for mark in marks.values() if mark.up_to > now + MAX_SKEW]
        await asyncio.gather(*[mark.move(EPOCH) for mark in far])
        return marks, max([now, *[mark.up_to for mark in marks.values()]])

    async def _catch_up(
        self, rollup: LastSeen, mark: Watermark, made: Events, at: datetime, landed: int
    ) -> dict[Source, Rows]:
        """Bring a rollup up to date, read it, and move its watermark, which fails if overtaken.

        An event that arrived before the last tick but landed after it shows up as a short step, or
        here: more has arrived between `since` and `up_to` than the watermark's `events`.
        """
        is_whole = await self._steps.arrivals(mark.since, mark.up_to) == mark.events
        since = mark.up_to if is_whole else mark.since
        await rollup.catch_up(self._database, mark, since, made, at)
        rows = await self._read(rollup, at)
        await mark.move(step_of(at), at, landed)
        return rows

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
