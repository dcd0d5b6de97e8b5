"""MongoDB's state for health checks: concurrent callers share one probe.

`/readyz` needs no key and has no rate limit, and each probe is a dozen commands. So one probe runs
at a time, callers in the meantime get its result, and it takes 3 s at most.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pymongo import DESCENDING
from pymongo.errors import PyMongoError

from shared.clock import ClockSkewError
from shared.storage.clock_skew import ClockSkew
from shared.storage.database import Collection, Database

_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Look:
    """What was found."""

    why_not_ready: str | None  # None: events can be taken and metrics answered
    tick: datetime | None  # when the last one was; None: not known
    event: datetime | None  # when the newest one arrived; None: not known


class Probe:
    """Looks at one database, when somebody asks."""

    def __init__(self, database: Database, clock_skew: ClockSkew) -> None:
        self._database = database
        self._clock_skew = clock_skew
        self._looking: asyncio.Task[Look] | None = None

    async def look(self) -> Look:
        """Return what a look finds that is under way or begins now."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> Look:
        try:
            why, (tick, event) = await asyncio.gather(self._why_not_ready(), self._last_known())
        finally:
            self._looking = None
        return Look(why, tick, event)

    async def _why_not_ready(self) -> str | None:
        try:
            async with asyncio.timeout(_SECONDS):
                missing = await self._database.missing_indexes()
                await self._clock_skew.check()
        except (PyMongoError, TimeoutError):
            return "MongoDB does not answer"
        except ClockSkewError as error:
            return str(error)
        return f"Indexes are missing: {', '.join(missing)}" if missing else None

    async def _last_known(self) -> tuple[datetime | None, datetime | None]:
        try:
            async with asyncio.timeout(_SECONDS):
                tick = await _newest(self._database.latest, "as_of")
                return tick, await _newest(self._database.events, "received_at")
        except (PyMongoError, TimeoutError):
            return None, None


async def _newest(collection: Collection, field: str) -> datetime | None:
    found = await collection.find_one({}, {field: 1}, sort=[(field, DESCENDING)])
    instant = found.get(field) if found else None
    return instant if isinstance(instant, datetime) else None
