"""Every function under one Starlette router, with the schedules: Footfall on one machine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette

from functions import dashboard, health, ingest, metrics, rollup
from shared.application import application
from shared.resources import Resources


@contextlib.asynccontextmanager
async def schedules(app: Starlette) -> AsyncIterator[None]:
    """Run what runs on a schedule for as long as the application serves."""
    service: Resources = app.state.resources()
    rolling = asyncio.create_task(rollup.run_schedule(service))
    try:
        yield
    finally:
        rolling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await rolling
        await service.close()


routes = [*ingest.routes, *metrics.routes, *dashboard.routes, *health.routes]
app = application(routes, lifespan=schedules)
