"""The scheduled function: a tick every ten seconds, watched or not, which stores a snapshot."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from pymongo.errors import PyMongoError

from shared.clock import ClockSkewError
from shared.http.aws_lambda import task_handler
from shared.metrics.current import RebuildingError
from shared.metrics.snapshots import EVERY, due_at
from shared.resources import Resources, loop_resources
from shared.schema import format_instant

_LOG: Final = logging.getLogger("footfall.rollup")

Sleep = Callable[[float], Awaitable[None]]


async def run(service: Resources) -> datetime:
    """Bring the rollups up to date and store the snapshot that is due; return `as_of`."""
    await service.clock_skew.check()
    await service.database.ensure_indexes()
    as_of: datetime = (await service.metrics.get())["as_of"]
    return as_of


async def run_schedule(service: Resources, sleep: Sleep = asyncio.sleep) -> None:
    """Run whenever a snapshot is due, for ever, whatever became of a run."""
    while True:
        began = service.clock()
        try:
            await run(service)
        except ClockSkewError:
            pass  # it was said when it began
        except (PyMongoError, RebuildingError) as error:
            _LOG.warning("no snapshot this time: %s", type(error).__name__)
        except Exception:  # noqa: BLE001 - a defect; history must not end with it
            _LOG.exception("no snapshot this time")
        wait = due_at(began) + EVERY - service.clock()
        await sleep(max(0.0, wait.total_seconds()))


async def scheduled(_event: object, _context: object) -> dict[str, str]:
    """Run once, as a scheduled cloud function."""
    return {"as_of": format_instant(await run(loop_resources()))}


handler = task_handler(scheduled)
