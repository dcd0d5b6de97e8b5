"""`GET /livez`, `/readyz` and `/metrics`: for the platform that runs the service."""

import asyncio
from datetime import datetime

from pymongo import DESCENDING
from pymongo.errors import PyMongoError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from shared.clock import ClockSkewError
from shared.http.application import application
from shared.http.auth import Scope
from shared.http.aws_lambda import http_handler
from shared.http.problems import NOT_READY, Problem
from shared.resources import Resources, loop_resources, resources_of
from shared.storage.database import Collection, Database
from shared.telemetry import exposition, read_from_mongodb

_NO_STORE = {"Cache-Control": "no-store"}
_READY_SECONDS = 3.0


async def get_livez(_: Request) -> Response:
    """Answer that the process is up."""
    return JSONResponse({"status": "up"}, headers=_NO_STORE)


async def get_readyz(request: Request) -> Response:
    """Answer 200 while events can be taken and metrics answered, else say why not."""
    reason = await _why_not_ready(resources_of(request))
    if reason:
        raise Problem(NOT_READY, reason)
    return JSONResponse({"status": "ready"}, headers=_NO_STORE)


async def _why_not_ready(service: Resources) -> str | None:
    try:
        async with asyncio.timeout(_READY_SECONDS):
            missing = await service.database.missing_indexes()
            await service.clock_skew.check()
    except (PyMongoError, TimeoutError):
        return "MongoDB does not answer"
    except ClockSkewError as error:
        return str(error)
    return f"Indexes are missing: {', '.join(missing)}" if missing else None


async def get_telemetry(request: Request) -> Response:
    """Answer with the Prometheus text, within about 3 s whatever MongoDB does."""
    service = resources_of(request)
    service.keys.identify(request, Scope.READ)
    reason, (tick, event) = await asyncio.gather(
        _why_not_ready(service), _last_known(service.database)
    )
    read_from_mongodb(ready=reason is None, tick=tick, event=event)
    body, media_type = exposition(service.clock())
    return Response(body, headers=_NO_STORE, media_type=media_type)


async def _last_known(database: Database) -> tuple[datetime | None, datetime | None]:
    """Return when the last tick was and when the newest event arrived; None: not known."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            tick = await _newest(database.latest, "as_of")
            return tick, await _newest(database.events, "received_at")
    except (PyMongoError, TimeoutError):
        return None, None


async def _newest(collection: Collection, field: str) -> datetime | None:
    found = await collection.find_one({}, {field: 1}, sort=[(field, DESCENDING)])
    instant = found.get(field) if found else None
    return instant if isinstance(instant, datetime) else None


routes: list[BaseRoute] = [
    Route("/livez", get_livez),
    Route("/readyz", get_readyz),
    Route("/metrics", get_telemetry),
]
app = application(routes, loop_resources)
handler = http_handler(app)
