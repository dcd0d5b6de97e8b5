"""The scheduled function: compute the metrics and store a snapshot of them."""

import asyncio
import logging
from typing import Final

from pymongo.errors import PyMongoError

from shared.aws_lambda import task_handler
from shared.resources import Resources, loop_resources
from shared.snapshots import EVERY, due_at, store_snapshot

_LOG: Final = logging.getLogger("footfall.rollup")
_SETTLE: Final = 1.0  # seconds after the instant, so that writes in flight then have landed


async def roll_up(service: Resources) -> bool:
    """Store the snapshot that is due, unless another process has; tell whether this one did."""
    await service.database.ensure_indexes()
    return await store_snapshot(service.database, due_at(service.clock()))


async def run_schedule(service: Resources) -> None:
    """Roll up at every multiple of ten seconds, for ever, whatever MongoDB does meanwhile."""
    while True:
        try:
            await roll_up(service)
        except PyMongoError as error:
            _LOG.warning("no snapshot this time: %s", type(error).__name__)
        now = service.clock()
        await asyncio.sleep((due_at(now) + EVERY - now).total_seconds() + _SETTLE)


async def scheduled(_event: object, _context: object) -> dict[str, bool]:
    """Roll up once, as a scheduled cloud function."""
    return {"stored": await roll_up(loop_resources())}


handler = task_handler(scheduled)
