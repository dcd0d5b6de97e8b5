"""The event a client sends and every answer the service gives.

The limits below are the contract: `/openapi.json`, the error messages and the generator are all
made from them.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NotRequired

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    with_config,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

PAGE_VIEW: Final = "page_view"
MAX_BATCH: Final = 1000  # events in one request
MAX_PROPERTIES: Final = 20

_NO_CONTROL: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
_EVENT_TYPE: Final = r"^[A-Za-z0-9_.:-]*$"
_PROPERTY_KEY: Final = r"^[^$.\x00-\x1f\x7f-\x9f][^.\x00-\x1f\x7f-\x9f]*$"
_PAGE: Final = re.compile(r"/|https?://[^/?#\s]", re.IGNORECASE)
_PAGE_DESCRIBED: Final = (  # the same with _NO_CONTROL, as one pattern for the API's description
    r"^(/|[Hh][Tt][Tt][Pp][Ss]?://[^/?#\s\x00-\x1f\x7f-\x9f])[^\x00-\x1f\x7f-\x9f]*$"
)
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:[Zz]|[+-]\d\d(?::?\d\d)?)", re.ASCII
)
_INT64: Final = 2**63


def whole_milliseconds(instant: datetime) -> datetime:
    """Cut `instant` down to the millisecond, the precision of a MongoDB date."""
    beyond = instant.microsecond % 1000
    return instant.replace(microsecond=instant.microsecond - beyond) if beyond else instant


def format_instant(instant: datetime) -> str:
    """Spell `instant` as the API does: `2026-11-22T14:30:00.123Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parse_instant(text: object) -> datetime:
    """Read an ISO 8601 / RFC 3339 date and time with an offset, as UTC, cut to the millisecond."""
    if not isinstance(text, str):
        raise PydanticCustomError("wrong_type", "not a string")
    if _INSTANT.fullmatch(text):
        try:
            return whole_milliseconds(datetime.fromisoformat(text.upper()).astimezone(UTC))
        except (ValueError, OverflowError):  # 30 February, or year 1 east of Greenwich
            pass
    raise PydanticCustomError("bad_timestamp", "not a date and time with an offset")


def _check_page(url: str) -> str:
    if not _PAGE.match(url):
        raise PydanticCustomError("bad_url", "neither a path nor an absolute http(s) URL")
    return url


def _check_property(value: object) -> "PropertyScalar":
    """Let only scalars pass; a whole number that BSON cannot hold becomes a double, as in JS."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if len(value) <= 512:
            return value
        raise PydanticCustomError("too_long", "longer than 512 characters")
    if isinstance(value, int):
        if -_INT64 <= value < _INT64:
            return value
        value = _as_double(value)
    if isinstance(value, float):
        if abs(value) != float("inf"):
            return value
        raise PydanticCustomError("out_of_range", "a number too large for a double")
    raise PydanticCustomError("wrong_type", "neither a string, a number, a boolean nor null")


def _as_double(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf")


PropertyScalar = str | int | float | bool | None

Timestamp = Annotated[
    datetime,
    PlainValidator(_parse_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
    Field(
        description="an ISO 8601 / RFC 3339 date and time with Z or an offset from UTC, such as "
        "2026-11-22T14:29:58Z, 2026-11-22T14:29:58.250Z or 2026-11-22T15:29:58+01:00",
        examples=["2026-11-22T14:29:58.250Z"],
    ),
]
Identifier = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128, pattern=_NO_CONTROL),
    Field(
        description="a string of 1 to 128 characters, no control characters", examples=["usr_789"]
    ),
]
EventType = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=_EVENT_TYPE),
    Field(
        description="a string of 1 to 64 characters of A-Z a-z 0-9 _ . : -", examples=[PAGE_VIEW]
    ),
]
PageUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2048, pattern=_NO_CONTROL),
    AfterValidator(_check_page),
    Field(
        description="a string of 1 to 2048 characters, no control characters: a path that starts "
        "with / or an absolute http(s) URL",
        examples=["/products/electronics"],
        json_schema_extra={"pattern": _PAGE_DESCRIBED},
    ),
]
EventId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128),
    Field(
        description="a string of 1 to 128 characters; makes a retry safe",
        examples=["018f3c2e-7a1b-7c3d-9e4f-5a6b7c8d9e0f"],
    ),
]
PropertyKey = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_PROPERTY_KEY)]
PropertyValue = Annotated[
    object,
    BeforeValidator(_check_property),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": 512},
                {"type": "number"},
                {"type": "boolean"},
                {"type": "null"},
            ]
        }
    ),
]


def _name_pattern(described: dict[str, Any]) -> None:
    """Replace `patternProperties`, which client generators do not support, by equivalents."""
    [(pattern, value)] = described.pop("patternProperties").items()
    described["propertyNames"]["pattern"] = pattern
    described["additionalProperties"] = value


Properties = Annotated[
    dict[PropertyKey, PropertyValue],
    Field(
        max_length=MAX_PROPERTIES,
        description="a flat object of at most 20 strings, numbers, booleans or nulls; keys of 1 to "
        "64 characters without a leading $, a dot or control characters; strings up to 512 "
        "characters",
        examples=[{"category": "electronics", "price": 129.95}],
        json_schema_extra=_name_pattern,
    ),
]


@with_config(ConfigDict(extra="forbid", strict=True))
class Event(TypedDict):
    """One thing a user did."""

    # A TypedDict, so that an event is one dict from the wire to BSON and an optional field is
    # absent rather than null. Validating one takes 2.3 µs; a model took 3.8.

    timestamp: Timestamp
    user_id: Identifier
    event_type: EventType
    page_url: PageUrl
    session_id: NotRequired[Annotated[Identifier, Field(examples=["sess_456"])]]
    event_id: NotRequired[EventId]
    properties: NotRequired[Properties]


Instant = Annotated[
    datetime,
    PlainSerializer(format_instant, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
    Field(description="UTC, to the millisecond", examples=["2026-11-22T14:30:00.123Z"]),
]
AsOf = Annotated[Instant, Field(description="the instant that the answer is exact at, UTC")]
WindowSeconds = Annotated[
    int, Field(description="the window's length in seconds; it ends at as_of", examples=[300])
]


class FieldError(BaseModel):
    """What is wrong with one field of one event, or with one parameter of a request."""

    index: int | None = Field(
        description="the event's place in the batch, from 0; null: a parameter is wrong",
        examples=[4],
    )
    pointer: str = Field(
        description="JSON Pointer (RFC 6901) to the field within the event, or the parameter",
        examples=["/user_id"],
    )
    code: str = Field(description="the reason, for programs", examples=["missing"])
    detail: str = Field(
        description="the reason, for people",
        examples=[
            "user_id is required: a string of 1 to 128 characters, no control characters",
        ],
    )


class Receipt(BaseModel):
    """What became of the events of one request."""

    received_at: Instant = Field(description="the server's clock when it took the request")
    accepted: int = Field(description="stored durably by this request", examples=[3])
    duplicate: int = Field(description="already stored under the same event_id", examples=[1])
    late: int = Field(
        description="the part of accepted that is older than every window", examples=[1]
    )
    rejected: int = Field(description="refused, each for a reason in errors", examples=[1])
    errors: list[FieldError] = Field(description="why events were refused, in the order sent")


class SegmentReceipt(Receipt):
    """What became of the calls of one request; errors name fields of the events made of them."""

    success: bool = Field(description="true: every other answer is a problem", examples=[True])
    ignored: int = Field(
        description="calls that are neither track nor page: acknowledged, and not stored",
        examples=[2],
    )
