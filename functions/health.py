"""`GET /livez`, `/readyz` and `/metrics`: for the platform that runs the service."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from shared.http.application import application
from shared.http.auth import Scope
from shared.http.aws_lambda import http_handler
from shared.http.problems import NOT_READY, Problem
from shared.resources import loop_resources, resources_of
from shared.telemetry import exposition, read_from_mongodb

_NO_STORE = {"Cache-Control": "no-store"}


async def get_livez(_: Request) -> Response:
    """Answer that the process is up."""
    return JSONResponse({"status": "up"}, headers=_NO_STORE)


async def get_readyz(request: Request) -> Response:
    """Answer 200 while events can be taken and metrics answered, else say why not."""
    look = await resources_of(request).probe.look()
    if look.why_not_ready:
        raise Problem(NOT_READY, look.why_not_ready)
    return JSONResponse({"status": "ready"}, headers=_NO_STORE)


async def get_telemetry(request: Request) -> Response:
    """Answer with the Prometheus text, within about 3 s whatever MongoDB does."""
    service = resources_of(request)
    service.keys.identify(request, Scope.READ)
    look = await service.probe.look()
    read_from_mongodb(ready=look.why_not_ready is None, tick=look.tick, event=look.event)
    body, media_type = exposition(service.clock())
    return Response(body, headers=_NO_STORE, media_type=media_type)


routes: list[BaseRoute] = [
    Route("/livez", get_livez),
    Route("/readyz", get_readyz),
    Route("/metrics", get_telemetry),
]
app = application(routes, loop_resources)
handler = http_handler(app)
