"""The bodies of requests that send events, with examples, for the API's description."""

import json
from typing import Any, Final

from shared.http.openapi import Body, example_of, ref
from shared.ingest.body import JSON, LINES, NDJSON
from shared.ingest.segment import COUNTED, IGNORED
from shared.schema import MAX_BATCH, Event

_LIMITS: Final = "At most 1 MiB after decompression; Content-Encoding may be gzip."


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": MAX_BATCH}


def events_body() -> Body:
    """Return one event, an array of them, or one a line."""
    whole = example_of(Event)
    least = {name: whole[name] for name in sorted(Event.__required_keys__)}
    lines = "".join(json.dumps(it) + "\n" for it in (least, whole))
    in_lines = {
        "schema": {"type": "string", "description": "one event a line"},
        "examples": {"lines": {"summary": "Two events", "value": lines}},
    }
    in_json = {
        "schema": {"oneOf": [ref("Event"), _array(ref("Event"))]},
        "examples": {
            "one": {"summary": "One event with all that it may have", "value": whole},
            "batch": {"summary": "Two events, one with what it must have", "value": [least, whole]},
        },
    }
    others = ", ".join(it for it in LINES if it != NDJSON)
    return Body(
        f"{_LIMITS} One event a line may also be called {others}.",
        {JSON: in_json, NDJSON: in_lines},
    )


def segment_body() -> Body:
    """Return what Segment's SDKs send."""
    call = {
        "type": "object",
        "description": "A call as Segment's SDKs send it",
        "required": ["type"],
        "properties": {
            "type": {"enum": [*COUNTED, *IGNORED], "description": "track and page are stored"},
        },
        "additionalProperties": True,
    }
    sent = example_of(Event)
    page = {
        "type": "page",
        "messageId": sent["event_id"],
        "userId": sent["user_id"],
        "timestamp": sent["timestamp"],
        "context": {"page": {"path": sent["page_url"]}, "sessionId": sent["session_id"]},
    }
    order = page | {"type": "track", "messageId": "order-1017", "event": "Order Completed"}
    order["properties"] = {"order_id": "1017", "total": 129.95}
    example = {"batch": [page, order, {"type": "identify", "userId": sent["user_id"]}]}
    schema = {
        "type": "object",
        "required": ["batch"],
        "properties": {"batch": _array(call)},
        "additionalProperties": True,
    }
    examples = {"batch": {"summary": "A view, an order, and what is ignored", "value": example}}
    return Body(_LIMITS, {JSON: {"schema": schema, "examples": examples}})
