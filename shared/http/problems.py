"""Every failure a client can meet, in one table, and its one shape (RFC 9457)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, Field
from starlette.responses import Response

from shared.schema import FieldError


class ProblemDocument(BaseModel):
    """RFC 9457 problem details: the one shape of every error."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = Field(default=None, description="where fields are at fault")


@dataclass(frozen=True)
class Failure:
    """A kind of failure: its tag, its status, how loud it is logged, when to try again."""

    tag: str
    status: int
    title: str
    log_level: int = logging.DEBUG
    retry_after: int | None = None  # seconds; None: the same request will fail again


#                           tag                    status  title
BAD_JSON: Final = Failure("bad-json", 400, "The body is not JSON")
BAD_REQUEST: Final = Failure("bad-request", 400, "The request is not understood")
BAD_ENCODING: Final = Failure("bad-encoding", 400, "The body cannot be decompressed")
INCOMPLETE_BODY: Final = Failure("incomplete-body", 400, "The body ended early")
UNAUTHENTICATED: Final = Failure("unauthenticated", 401, "A key is needed")
FORBIDDEN: Final = Failure("forbidden", 403, "The key does not open this")
NOT_FOUND: Final = Failure("not-found", 404, "There is nothing here")
METHOD_NOT_ALLOWED: Final = Failure("method-not-allowed", 405, "The method does not fit")
SLOW_BODY: Final = Failure("slow-body", 408, "The body took too long", retry_after=1)
TOO_LARGE: Final = Failure("too-large", 413, "The body is too large")
MEDIA_TYPE: Final = Failure("unsupported-media-type", 415, "The media type is not understood")
CONTENT_CODING: Final = Failure("unsupported-encoding", 415, "The encoding is not understood")
INVALID_EVENTS: Final = Failure("invalid-events", 422, "No event in the body was valid")
INVALID_PARAMETER: Final = Failure("invalid-parameter", 422, "A parameter is out of range")
HEAD_TOO_LARGE: Final = Failure("head-too-large", 431, "The request's head is too large")
RATE_LIMITED: Final = Failure("rate-limited", 429, "The rate limit is reached", retry_after=1)
BATCH_EXCEEDS_LIMIT: Final = Failure(
    "batch-exceeds-limit", 429, "The batch is larger than the rate limit", retry_after=1
)
INTERNAL: Final = Failure("internal", 500, "Something went wrong here", logging.ERROR)
OVERLOADED: Final = Failure(
    "overloaded", 503, "Too much is waiting to be stored", logging.WARNING, retry_after=1
)
TOO_MANY_READS: Final = Failure(
    "too-many-reads", 503, "Too much is being read", logging.WARNING, retry_after=1
)
STORAGE_UNAVAILABLE: Final = Failure(
    "storage-unavailable", 503, "MongoDB does not answer", logging.WARNING, retry_after=2
)
REBUILDING: Final = Failure(
    "rebuilding", 503, "The metrics are being rebuilt", logging.WARNING, retry_after=2
)
CLOCK_SKEW: Final = Failure(
    "clock-skew", 503, "The clock of this machine is not MongoDB's", retry_after=5
)  # not logged here: shared.storage.clock_skew says so once
NOT_READY: Final = Failure("not-ready", 503, "Not ready to serve", logging.DEBUG, retry_after=1)

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
