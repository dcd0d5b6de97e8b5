"""Every failure a client can meet, in one table, and its one shape (RFC 9457)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, Field
from starlette.responses import Response

from shared.schema import MAX_BATCH, FieldError


class ProblemDocument(BaseModel):
    """RFC 9457 problem details: the one shape of every error."""

    type: str = Field(
        description="which kind of problem: an address that says what to do",
        examples=["/docs#bad-json"],
    )
    title: str = Field(description="the kind in words", examples=["The body is not JSON"])
    status: int = Field(description="the HTTP status again", examples=[400])
    detail: str = Field(
        description="what was wrong this time", examples=["The body is not JSON: EOF at line 1"]
    )
    errors: list[FieldError] | None = Field(default=None, description="where fields are at fault")


@dataclass(frozen=True)
class Failure:
    """A kind of failure: its tag, its status, what to do, how loud it is logged, when to retry."""

    tag: str
    status: int
    title: str
    what_to_do: str
    log_level: int = logging.DEBUG
    retry_after: int | None = None  # seconds; None: the same request will fail again


BAD_JSON: Final = Failure(
    "bad-json",
    400,
    "The body is not JSON",
    "Send JSON in UTF-8, without NaN or Infinity; detail says where reading it ended.",
)
BAD_REQUEST: Final = Failure(
    "bad-request",
    400,
    "The request is not understood",
    "Send a well-formed HTTP/1.1 request. For a preflight request: list the page's origin in "
    "FOOTFALL_CORS_ORIGINS.",
)
BAD_ENCODING: Final = Failure(
    "bad-encoding",
    400,
    "The body cannot be decompressed",
    "Send a whole gzip stream, or leave Content-Encoding out.",
)
INCOMPLETE_BODY: Final = Failure(
    "incomplete-body",
    400,
    "The body ended early",
    "Send as many bytes as Content-Length says; nothing of the body was stored.",
)
UNAUTHENTICATED: Final = Failure(
    "unauthenticated",
    401,
    "A key is needed",
    "Send a key as Authorization: Bearer KEY or as X-API-Key: KEY; see Keys.",
)
FORBIDDEN: Final = Failure(
    "forbidden",
    403,
    "The key does not open this",
    "Use a write key to send and a read key to read, and look for a typing error in it.",
)
NOT_FOUND: Final = Failure(
    "not-found", 404, "There is nothing here", "Look for the path among the operations."
)
METHOD_NOT_ALLOWED: Final = Failure(
    "method-not-allowed", 405, "The method does not fit", "Use a method that Allow names."
)
SLOW_BODY: Final = Failure(
    "slow-body",
    408,
    "The body took too long",
    "Send it again, in smaller batches or compressed; nothing of it was stored.",
    retry_after=1,
)
TOO_LARGE: Final = Failure(
    "too-large",
    413,
    "The body is too large",
    f"Send less at once: at most {MAX_BATCH} events and 1 MiB after decompression.",
)
MEDIA_TYPE: Final = Failure(
    "unsupported-media-type",
    415,
    "The media type is not understood",
    "Send Content-Type: application/json, or application/x-ndjson with one event a line.",
)
CONTENT_CODING: Final = Failure(
    "unsupported-encoding",
    415,
    "The encoding is not understood",
    "Compress with gzip, or not at all.",
)
INVALID_EVENTS: Final = Failure(
    "invalid-events",
    422,
    "No event in the body was valid",
    "Mend the fields that errors names: index is the event in the batch, pointer the field in it.",
)
INVALID_PARAMETER: Final = Failure(
    "invalid-parameter",
    422,
    "A parameter is out of range",
    "Mend the parameter that errors names; the operation lists its range.",
)
HEAD_TOO_LARGE: Final = Failure(
    "head-too-large",
    431,
    "The request's head is too large",
    "Send fewer and shorter headers and a shorter address; cookies are not needed.",
)
RATE_LIMITED: Final = Failure(
    "rate-limited",
    429,
    "The rate limit is reached",
    "Wait as long as Retry-After says, then send the same again; see Rate limits.",
    retry_after=1,
)
BATCH_EXCEEDS_LIMIT: Final = Failure(
    "batch-exceeds-limit",
    429,
    "The batch is larger than the rate limit",
    "Send smaller batches: this one would never fit. RateLimit-Policy tells the limit.",
    retry_after=1,
)
INTERNAL: Final = Failure(
    "internal",
    500,
    "Something went wrong here",
    "Look for the X-Request-ID in the service's log. Sending the same events again is safe if each "
    "has an event_id.",
    logging.ERROR,
)
OVERLOADED: Final = Failure(
    "overloaded",
    503,
    "Too much is waiting to be stored",
    "Wait as long as Retry-After says, then send the same again; nothing of it was stored.",
    logging.WARNING,
    retry_after=1,
)
TOO_MANY_READS: Final = Failure(
    "too-many-reads",
    503,
    "Too much is being read",
    "Wait as long as Retry-After says, and ask less often: metrics change once a second.",
    logging.WARNING,
    retry_after=1,
)
STORAGE_UNAVAILABLE: Final = Failure(
    "storage-unavailable",
    503,
    "MongoDB does not answer",
    "Wait as long as Retry-After says, then send the same again with the same event_ids: nothing "
    "of it is promised, and nothing is counted twice.",
    logging.WARNING,
    retry_after=2,
)
REBUILDING: Final = Failure(
    "rebuilding",
    503,
    "The metrics are being rebuilt",
    "Wait; detail says how far it is. Events are taken meanwhile.",
    logging.WARNING,
    retry_after=2,
)
CLOCK_SKEW: Final = Failure(
    "clock-skew",
    503,
    "The clock of this machine is not MongoDB's",
    "Have the operator set the clocks, by NTP; then send the same again.",
    retry_after=5,
)  # not logged here: shared.storage.clock_skew says so once
NOT_READY: Final = Failure(
    "not-ready",
    503,
    "Not ready to serve",
    "Wait; detail says what is missing.",
    retry_after=1,
)

FAILURES: Final = [it for it in globals().values() if isinstance(it, Failure)]


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """A failure met while answering one request."""

    def __init__(
        self,
        failure: Failure,
        detail: str,
        *,
        errors: Sequence[FieldError] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}


def problem_response(problem: Problem) -> Response:
    """Put a problem on the wire as `application/problem+json`."""
    failure = problem.failure
    document = ProblemDocument(
        type=f"/docs#{failure.tag}",
        title=failure.title,
        status=failure.status,
        detail=problem.detail,
        errors=None if problem.errors is None else list(problem.errors),
    )
    headers = {"Cache-Control": "no-store"} | problem.headers
    if failure.retry_after is not None:
        headers.setdefault("Retry-After", str(failure.retry_after))
    return Response(
        document.model_dump_json(exclude_none=problem.errors is None),
        failure.status,
        headers,
        media_type="application/problem+json",
    )
