"""One tick for all who ask at the same time, in this process and in others."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final, TypeVar

from pydantic import ValidationError

from shared import deadlines, telemetry
from shared.clock import MAX_SKEW, Clock
from shared.metrics.engine.tick import Ticker
from shared.metrics.engine.watermark import OvertakenError
from shared.metrics.registry import METRICS, SHAPE, Metrics
from shared.metrics.snapshots import due_at, store_snapshot
from shared.storage.database import (
    Database,
    Document,
    read_deadline,
    written,
)
from shared.storage.leases import Lease

FRESH_FOR: Final = timedelta(seconds=1)
_POLL: Final = 0.02  # seconds

_Result = TypeVar("_Result")


class RebuildingError(Exception):
    """The metrics are not ready within the time of a read: `done` of `steps` are counted."""

    def __init__(self, done: int, steps: int) -> None:
        rest = ", adding them up takes longer than a read may" if done == steps else ""
        super().__init__(f"{done} of {steps} steps of the window are counted{rest}")


class CurrentMetrics:
    """The metrics at most one second old."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        check_clock: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`check_clock` raises where the clock is too far from MongoDB's for a tick."""
        self._check_clock = check_clock
        self._database = database
        self._clock = clock
        self._lease = Lease(database.leases, "tick", timedelta(seconds=deadlines.LEASE), clock)
        self._ticker = Ticker(database, METRICS, clock)
        self._latest: Document | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._progress = (0, 0)
        self._stored: datetime | None = None

    async def get(self) -> Document:
        """Return the document with an `as_of` at most a second before this call.

        Raise `RebuildingError` where that takes longer than a read may.
        """
        asked_at = self._clock()
        async with self._read_deadline():
            while not (self._latest and self._is_fresh(self._latest, asked_at)):
                if self._refreshing is None:
                    self._refreshing = asyncio.create_task(self._refresh(asked_at))
                await asyncio.shield(self._refreshing)
        return self._latest

    async def rebuild(self, at: datetime, reach: timedelta) -> None:
        """Repair the steps of the last `reach` before `at`, possibly further back than ticks go.

        Raise `RebuildingError` if that exceeds the read deadline; recounted steps are kept.
        """
        async with self._read_deadline():
            while not await self._ticker.is_right(at, reach):
                with suppress(OvertakenError):
                    await self._alone(lambda: self._ticker.rebuild(reach, self._tell))

    async def close(self) -> None:
        """Leave off what is being computed."""
        if self._refreshing:
            self._refreshing.cancel()
            await asyncio.wait([self._refreshing])

    @asynccontextmanager
    async def _read_deadline(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(deadlines.READ):
                yield
        except TimeoutError:
            raise RebuildingError(*self._progress) from None

    def _is_fresh(self, document: Document, asked_at: datetime) -> bool:
        as_of: datetime = document["as_of"]
        return asked_at - FRESH_FOR < as_of <= self._clock() + MAX_SKEW

    async def _refresh(self, asked_at: datetime) -> None:
        """Tick, or wait for the process that does and take what it has stored."""
        try:
            await self._alone(self._tick, lambda: self._adopt(asked_at))
        finally:
            self._refreshing = None

    async def _alone(
        self,
        work: Callable[[], Awaitable[_Result]],
        is_done: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """Do `work` with the lease, unless another process has done it while we waited."""
        while not await self._lease.take():
            await asyncio.sleep(_POLL)
            if is_done and await is_done():
                return
        async with self._lease.renewed():
            if self._check_clock:  # it may have been set since the waiting requests were checked
                await self._check_clock()
            if not (is_done and await is_done()):  # the last holder may have finished just now
                await work()

    async def _tick(self) -> None:
        started = time.perf_counter()
        try:
            document = await self._ticker.tick(self._tell)
        except OvertakenError:
            return
        except Exception:
            telemetry.tick_failed()
            raise
        telemetry.tick_finished(time.perf_counter() - started, self._progress[1])
        self._latest = document
        stored = document | {"_id": SHAPE}
        await written(
            lambda: self._database.latest.replace_one({"_id": SHAPE}, stored, upsert=True)
        )
        if due_at(document["as_of"]) != self._stored:
            await store_snapshot(self._database, document)
            self._stored = due_at(document["as_of"])

    def _tell(self, done: int, steps: int) -> None:
        self._progress = (done, steps)

    async def _adopt(self, asked_at: datetime) -> bool:
        """Take what another process has stored, if it is ours to read and fresh."""
        async with read_deadline():
            found = await self._database.latest.find_one({"_id": SHAPE}, {"_id": 0})
        try:
            document = Metrics.model_validate(found).model_dump()
        except ValidationError:  # nothing, or not what this release stores
            return False
        if not self._is_fresh(document, asked_at):
            return False
        self._latest = document
        return True
