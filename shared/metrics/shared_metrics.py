"""One computation of the metrics for all who ask at the same time, in this process and others."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final

from pymongo.errors import PyMongoError

from shared.clock import Clock
from shared.metrics.compute import compute_metrics
from shared.metrics.folding import roll_up, rollup_lease
from shared.metrics.rollups import VALID, published
from shared.metrics.slices import make_slices
from shared.schema import Metrics
from shared.storage.database import Database, read_deadline, written
from shared.storage.leases import Lease

_LOG: Final = logging.getLogger("footfall.metrics")

FRESH_FOR: Final = timedelta(seconds=1)
_TERM: Final = timedelta(seconds=3)  # a computation that takes longer is not waited for
_POLL: Final = 0.02  # seconds
_NEGLECTED: Final = VALID  # totals that old serve nobody: then readers roll up


class SharedMetrics:
    """The metrics at most one second old."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lease = Lease(database.leases, "metrics", _TERM, clock)
        self._rollup_lease = rollup_lease(database, clock)
        self._latest: Metrics | None = None
        self._computing: asyncio.Task[None] | None = None
        self._tending: asyncio.Task[None] | None = None

    async def get(self) -> Metrics:
        """Give metrics whose `as_of` is at most a second before this call."""
        asked_at = self._clock()
        while True:
            if self._latest and self._is_fresh(self._latest, asked_at):
                return self._latest
            if self._computing is None:
                self._computing = asyncio.create_task(self._refresh(self._clock()))
            await asyncio.shield(self._computing)

    async def close(self) -> None:
        """Leave off what is being counted for answers to come."""
        if self._tending:
            self._tending.cancel()
            await asyncio.wait([self._tending])

    async def give_way(self) -> None:
        """Return when no answer is being computed: mostly at once, in a few seconds at most.

        After it is the time for a piece of heavy work, for the next answer is up to a second off.
        """
        if self._computing:
            await asyncio.wait([self._computing], timeout=_TERM.total_seconds())

    def _is_fresh(self, metrics: Metrics, asked_at: datetime) -> bool:
        return asked_at - FRESH_FOR < metrics.as_of <= self._clock()

    async def _refresh(self, asked_at: datetime) -> None:
        """Compute, or wait for the process that does and take what it computed."""
        try:
            while not await self._lease.take() and self._clock() < asked_at + _TERM:
                await asyncio.sleep(_POLL)
                if await self._adopt(asked_at):
                    return
            try:
                if not await self._adopt(asked_at):  # the last holder may have finished just now
                    await self._compute(self._clock())
            finally:
                await self._lease.release()
            if self._tending is None or self._tending.done():
                self._tending = asyncio.create_task(self._tend())
        finally:
            self._computing = None

    async def _compute(self, at: datetime) -> None:
        self._latest = await compute_metrics(self._database, at)
        document = self._latest.model_dump(mode="python") | {"_id": "metrics"}
        await written(
            lambda: self._database.latest.replace_one({"_id": "metrics"}, document, upsert=True)
        )

    async def _adopt(self, asked_at: datetime) -> bool:
        """Take what another process computed, if it is fresh."""
        async with read_deadline():
            document = await self._database.latest.find_one({"_id": "metrics"})
        stored = Metrics.model_validate(document) if document else None
        if stored is None or not self._is_fresh(stored, asked_at):
            return False
        self._latest = stored
        return True

    async def _tend(self) -> None:
        """Count for the answers to come: roll up where the schedule does not, else slice."""
        now = self._clock()
        try:
            rollups = await published(self._database, now, most=1)
            if rollups and rollups[0].until >= now - _NEGLECTED:
                await make_slices(self._database, rollups[0], now)
            else:
                await roll_up(self._database, self._rollup_lease, self._clock, self.give_way)
        except PyMongoError as error:
            _LOG.warning("no rollup this time: %s", type(error).__name__)
