"""`POST /v1/events`: take events, store them durably, tell what became of each."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.api import BY_USER, STORED
from shared.http.application import application
from shared.http.aws_lambda import http_handler
from shared.http.request_context import header
from shared.http.responses import json_answer
from shared.ingest.stored_events import newest_events
from shared.intake import Batch, listed, take
from shared.resources import loop_resources, reading
from shared.schema import MAX_BATCH

_WANTED: Final = f"one event object or an array of 1 to {MAX_BATCH} of them"


async def post_events(request: Request) -> Response:
    """Answer 202 with a receipt once every valid event is durable, else with a problem."""
    ce_id = header(request.scope, b"ce-id")  # of CloudEvents in binary mode
    receipt, _, headers = await take(request, lambda content: _batch_of(content, ce_id))
    return Response(receipt.model_dump_json(), 202, headers, media_type="application/json")


def _batch_of(content: object, ce_id: str) -> Batch:
    """Return the events of an array; a lone object is a batch of one, with an id if it has none."""
    if isinstance(content, dict):
        values: list[object] = [{"event_id": ce_id, **content} if ce_id else content]
    else:
        values = listed(content, _WANTED)
    return Batch(values, range(len(values)))


async def get_events(request: Request) -> Response:
    """Answer with the newest stored events."""
    async with reading(request) as service:
        limit, user_id = STORED.of(request), BY_USER.of(request)
        found = await newest_events(service.database, service.clock(), limit, user_id)
        return json_answer(request, found, only_set=True)


async def send_or_read(request: Request) -> Response:
    """Let events be sent or read. Two routes would allow each but its own method."""
    endpoint = post_events if request.method == "POST" else get_events
    request.scope["endpoint"] = endpoint  # which latency is counted by
    return await endpoint(request)


routes: list[BaseRoute] = [Route("/v1/events", send_or_read, methods=["GET", "POST"])]
app = application(routes, loop_resources)
handler = http_handler(app)
