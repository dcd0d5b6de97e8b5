"""`POST /v1/segment/v1/batch`: take what Segment's SDKs send, as `POST /v1/events` takes events.

The SDKs append `/v1/batch` to the host that they are given: `https://footfall.example/v1/segment`.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.http.application import application
from shared.http.aws_lambda import http_handler
from shared.ingest.segment import event_of, is_ignored
from shared.intake import Batch, listed, take
from shared.resources import loop_resources
from shared.schema import MAX_BATCH, SegmentReceipt

_WANTED: Final = f'an object with "batch", an array of 1 to {MAX_BATCH} calls'


async def post_segment(request: Request) -> Response:
    """Answer 200, which some SDKs insist on, once every valid call is durable."""
    receipt, ignored, headers = await take(request, _batch_of)
    answer = SegmentReceipt(success=True, ignored=ignored, **receipt.model_dump())
    return Response(answer.model_dump_json(), 200, headers, media_type="application/json")


def _batch_of(content: object) -> Batch:
    """Return the calls that become events."""
    body = content if isinstance(content, dict) else {}
    calls = listed(body.get("batch"), _WANTED)
    sent_at = body.get("sentAt")
    places = [place for place, call in enumerate(calls) if not is_ignored(call)]
    return Batch(
        [calls[place] for place in places],
        places,
        ignored=len(calls) - len(places),
        translate=lambda call: event_of(call, sent_at),
    )


routes: list[BaseRoute] = [
    Route("/v1/segment/v1/batch", post_segment, methods=["POST"]),
    Route("/v1/segment/batch", post_segment, methods=["POST"]),
]
app = application(routes, loop_resources)
handler = http_handler(app)
