"""Segment's calls as events of the contract: what a shop's Segment SDKs send, translated.

`track` and `page` become events; `identify`, `group`, `alias` and `screen` say nothing that is
counted here. What a call lacks the event lacks, and validation says so.
"""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from shared.schema import MAX_PROPERTIES, PAGE_VIEW, Properties

COUNTED: Final = ("track", "page")
IGNORED: Final = ("identify", "group", "alias", "screen")

# Segment's names for the stages of a purchase, and ours.
_STAGES: Final = {
    "Product Added": "add_to_cart",
    "Checkout Started": "checkout",
    "Order Completed": "purchase",
}
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.:-]+")
_PLACED: Final = {"url", "path", "session_id"}  # properties that are fields of an event
_LOOKED_AT: Final = 2 * MAX_PROPERTIES  # properties of a call, of which one event carries half
_PROPERTIES: Final = TypeAdapter[dict[str, Any]](Properties)


def is_ignored(call: object) -> bool:
    """Return whether a call is one of those that are acknowledged and not stored."""
    return isinstance(call, dict) and call.get("type") in IGNORED


def event_of(call: object, sent_at: object) -> object:
    """Translate a call into an event; what is no call stays as it is, for validation to refuse."""
    if not isinstance(call, dict):
        return call
    context, properties = _object(call.get("context")), _object(call.get("properties"))
    page = _object(context.get("page"))
    fields = {
        "timestamp": call.get("timestamp") or sent_at,
        "user_id": call.get("userId") or call.get("anonymousId"),
        "event_type": _type_of(call),
        "page_url": page.get("path")
        or properties.get("path")
        or page.get("url")
        or properties.get("url"),
        "session_id": context.get("sessionId") or properties.get("session_id"),
        "event_id": call.get("messageId"),
        "properties": _carried(properties),
    }
    return {name: value for name, value in fields.items() if value not in (None, {})}


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _type_of(call: Mapping[str, object]) -> object:
    """Return the event type: `Order Completed` is a purchase, `Coupon Applied` coupon_applied."""
    if call.get("type") == "page":
        return PAGE_VIEW
    name = call.get("event") if call.get("type") == "track" else None
    if not isinstance(name, str):
        return name
    if name in _STAGES or not _UNFIT.search(name):
        return _STAGES.get(name, name)
    return _UNFIT.sub("_", name).strip("_").lower()


def _carried(properties: Mapping[str, object]) -> dict[str, object]:
    """Return the properties that an event can carry: no lists, no objects, no long texts."""
    fitting = (
        (name, value)
        for name, value in islice(properties.items(), _LOOKED_AT)
        if name not in _PLACED and value is not None and _fits(name, value)
    )
    return dict(islice(fitting, MAX_PROPERTIES))


def _fits(name: str, value: object) -> bool:
    try:
        _PROPERTIES.validate_python({name: value}, strict=True)
    except ValidationError:
        return False
    return True
