"""`GET /livez`, `/readyz` and `/metrics`: for the platform that runs the service."""

import asyncio

from pymongo.errors import PyMongoError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from shared.clock import ClockSkewError
from shared.http.application import application
from shared.http.auth import Scope
from shared.http.aws_lambda import http_handler
from shared.http.problems import NOT_READY, Problem
from shared.metrics.snapshots import newest_snapshot_at
from shared.resources import loop_resources, resources_of
from shared.telemetry import FRESHNESS, exposition

_NO_STORE = {"Cache-Control": "no-store"}
_READY_SECONDS = 3.0


async def get_livez(_: Request) -> Response:
    """Tell that the process is up."""
    return JSONResponse({"status": "up"}, headers=_NO_STORE)


async def get_readyz(request: Request) -> Response:
    """Tell that MongoDB answers and every index exists."""
    service = resources_of(request)
    try:
        async with asyncio.timeout(_READY_SECONDS):
            missing = await service.database.missing_indexes()
            await service.clock_skew.check()
    except (PyMongoError, TimeoutError):
        raise Problem(NOT_READY, "MongoDB does not answer") from None
    except ClockSkewError as error:
        raise Problem(NOT_READY, str(error)) from None
    if missing:
        raise Problem(NOT_READY, f"Indexes are missing: {', '.join(missing)}")
    return JSONResponse({"status": "ready"}, headers=_NO_STORE)


async def get_telemetry(request: Request) -> Response:
    """Answer with the Prometheus text."""
    service = resources_of(request)
    service.keys.identify(request, Scope.READ)
    try:
        async with asyncio.timeout(_READY_SECONDS):
            newest = await newest_snapshot_at(service.database)
    except (PyMongoError, TimeoutError):
        newest = None  # the lag stays as it was; the alarm to have is on readyz
    if newest:
        FRESHNESS.set((service.clock() - newest).total_seconds())
    body, media_type = exposition()
    return Response(body, headers=_NO_STORE, media_type=media_type)


routes: list[BaseRoute] = [
    Route("/livez", get_livez),
    Route("/readyz", get_readyz),
    Route("/metrics", get_telemetry),
]
app = application(routes, loop_resources)
handler = http_handler(app)
