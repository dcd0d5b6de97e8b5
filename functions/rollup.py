"""The scheduled function: bring the rollups up to date and store a snapshot of the metrics."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from pymongo.errors import PyMongoError

from shared.http.aws_lambda import task_handler
from shared.metrics.folding import roll_up
from shared.metrics.segments import SETTLE, STEP, settled_at
from shared.metrics.snapshots import due_at, store_snapshot
from shared.resources import Resources, loop_resources

_LOG: Final = logging.getLogger("footfall.rollup")

Sleep = Callable[[float], Awaitable[None]]

_AFTER: Final = SETTLE + timedelta(milliseconds=200)  # what the snapshot counts is then folded


async def run(service: Resources) -> bool:
    """Roll up, and store the snapshot that is due; tell whether this process stored it."""
    await service.database.ensure_indexes()
    await roll_up(service.database, service.rollup_lease, service.clock, service.metrics.give_way)
    await service.metrics.give_way()
    return await store_snapshot(service.database, due_at(service.clock()))


async def run_schedule(service: Resources, sleep: Sleep = asyncio.sleep) -> None:
    """Run as soon as the next arrivals can be folded, for ever, whatever became of a run."""
    while True:
        began = service.clock()
        try:
            await run(service)
        except PyMongoError as error:
            _LOG.warning("no rollup this time: %s", type(error).__name__)
        except Exception:  # noqa: BLE001 - a defect; history must not end with it
            _LOG.exception("no rollup this time")
        wait = settled_at(began) + STEP + _AFTER - service.clock()
        await sleep(max(0.0, wait.total_seconds()))


async def scheduled(_event: object, _context: object) -> dict[str, bool]:
    """Run once, as a scheduled cloud function."""
    return {"stored": await run(loop_resources())}


handler = task_handler(scheduled)
