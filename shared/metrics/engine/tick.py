"""The tick: take the watermarks, repair the steps, catch up, read."""

import asyncio
import logging
from collections import ChainMap
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from shared.clock import Clock
from shared.metrics.engine.counts import COLLECTION, REACH
from shared.metrics.engine.last_seen import LastSeen
from shared.metrics.engine.metric import Metric, Rows, Source
from shared.metrics.engine.repair import Progress, Repairer
from shared.metrics.engine.steps import Head, Steps
from shared.metrics.engine.watermark import Watermark, hold
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
        self._steps = Repairer(Steps(database), clock)
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
        marks = await self._take_watermarks()
        await self._steps.repair([*marks.values()], reach, progress)

    async def _tick(self, progress: Progress) -> Document:
        marks = await self._take_watermarks()
        heads = await self._steps.repair([*marks.values()], REACH, progress)
        at = heads[-1].until
        reading = [self._catch_up(*kept, heads, at) for kept in marks.items()]
        found = ChainMap(*await asyncio.gather(self._read(None, at), *reading))
        await hold([*marks.values()], at)
        return {"as_of": at} | {metric.name: _answer(metric, found) for metric in self._metrics}

    async def _take_watermarks(self) -> Watermarks:
        marks = {r: Watermark(self._database.collection(r.collection)) for r in self._rollups}
        await asyncio.gather(*[mark.take() for mark in marks.values()])
        return marks

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
