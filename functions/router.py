"""Every function under one Starlette router, with the schedules: Footfall on one machine."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from typing import Final

from starlette.applications import Starlette

from functions import dashboard, health, ingest, metrics, rollup, segment
from shared.http.application import application
from shared.resources import Resources, loop_resources

# A request leaves no cycles, so looking for them after each 700 objects is 7 to 15 % of its cost.
_GC_THRESHOLDS: Final = (5000, 10, 10)


@contextlib.asynccontextmanager
async def schedules(app: Starlette) -> AsyncIterator[None]:
    """Run what runs on a schedule for as long as the application serves."""
    gc.set_threshold(*_GC_THRESHOLDS)
    service: Resources = app.state.resources()
    rolling = asyncio.create_task(rollup.run_schedule(service))
    try:
        yield
    finally:
        rolling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await rolling
        await service.close()


routes = [*ingest.routes, *segment.routes, *metrics.routes, *dashboard.routes, *health.routes]
app = application(routes, loop_resources, lifespan=schedules)
