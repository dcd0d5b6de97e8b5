"""`POST /v1/events`: take events, store them durably, tell what became of each."""

from collections import Counter

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.api import BY_USER, STORED
from shared.http.application import application
from shared.http.auth import Scope
from shared.http.aws_lambda import http_handler
from shared.http.problems import INVALID_EVENTS, Problem
from shared.http.request_context import header
from shared.http.responses import json_answer
from shared.ingest.body import UNREAD, decompress, parse_body, read_body
from shared.ingest.stored_events import newest_events
from shared.ingest.validation import Sorted, sort_in_turns
from shared.resources import loop_resources, reading, resources_of
from shared.schema import MAX_BATCH, Receipt
from shared.telemetry import LATE_EVENTS, REJECTIONS, events


async def post_events(request: Request) -> Response:
    """Answer 202 with a receipt once every valid event is durable, else with a problem."""
    service = resources_of(request)
    client = service.keys.identify(request, Scope.WRITE)
    await service.clock_skew.check()
    service.rate_limits.admit(client)
    size = 0
    try:
        body = await read_body(request, service.read_budget)
        size = UNREAD
        body = await decompress(body, request, service.turns)
        size = len(body)
        values = batch_of(parse_body(body, header(request.scope, b"content-type")))
        headers = await service.rate_limits.charge(client, len(values))
    except Problem as problem:
        await service.rate_limits.fine(client, problem, size)
        raise
    received_at = service.clock()
    batch = await sort_in_turns(values, received_at, service.new_id, service.turns)
    del values  # parsed JSON can be 20 times its text; while MongoDB writes only the events stay
    stored = await service.event_log.append(batch.events, size)
    await service.rejections.keep(batch.refusals, received_at)
    receipt = Receipt(
        received_at=received_at,
        accepted=len(stored),
        duplicate=len(batch.events) - len(stored),
        late=sum("late" in event for event in stored),
        rejected=len(batch.refusals),
        errors=batch.errors,
    )
    count(receipt, batch)
    if not batch.events:
        raise Problem(INVALID_EVENTS, _summary(batch), errors=receipt.errors, headers=headers)
    return Response(receipt.model_dump_json(), 202, headers, media_type="application/json")


def batch_of(content: object) -> list[object]:
    """Give the values of a batch of 1 to 1000; a lone object is a batch of one."""
    values = content if isinstance(content, list) else [content]
    if isinstance(content, dict | list) and 1 <= len(values) <= MAX_BATCH:
        return values
    found = f"an array of {len(values)}" if isinstance(content, list) else "neither"
    raise Problem(
        INVALID_EVENTS,
        f"Send one event object or an array of 1 to {MAX_BATCH} of them; this is {found}",
        errors=[],
    )


def count(receipt: Receipt, batch: Sorted) -> None:
    """Count the outcomes of one request."""
    events("accepted").inc(receipt.accepted)
    if receipt.accepted != len(batch.events):
        events("duplicate").inc(receipt.duplicate)
    if receipt.late:
        LATE_EVENTS.inc(receipt.late)
    if not receipt.rejected:
        return
    events("rejected").inc(receipt.rejected)
    reasons = Counter(refusal.errors[0].code for refusal in batch.refusals)
    for code, refused in reasons.items():
        REJECTIONS.labels(code).inc(refused)


def _summary(batch: Sorted) -> str:
    first = batch.refusals[0].errors[0]
    refused = len(batch.refusals)
    which = "The event was" if refused == 1 else f"All {refused} events were"
    return f"{which} refused; the first error: {first.detail}"


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
