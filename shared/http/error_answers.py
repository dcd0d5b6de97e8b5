"""Whatever goes wrong becomes a problem document, and a line in the log where it is ours."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final, cast

from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from shared.clock import ClockSkewError
from shared.http.problems import (
    CLOCK_SKEW,
    FAILURES,
    INTERNAL,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    STORAGE_UNAVAILABLE,
    Problem,
    problem_response,
)
from shared.http.request_context import REQUEST_ID, SAFE_HEADERS, request_id
from shared.telemetry import PROBLEMS

_LOG: Final = logging.getLogger("footfall.requests")
_ONE_LINE_EACH: Final = 1.0  # seconds: an outage is told once a second, and counted by telemetry
_told_at: dict[str, float] = {}

for _failure in FAILURES:  # start each at 0, or `rate` would miss the first failure
    PROBLEMS.labels(_failure.tag)

# All handlers are coroutines: Starlette runs a plain function in a thread, at 150 µs more.


async def answer_problem(request: Request, error: Exception) -> Response:
    """Answer with a problem; count it, and log it where it is ours."""
    problem = cast("Problem", error)
    PROBLEMS.labels(problem.failure.tag).inc()
    _tell(request, problem)
    return problem_response(problem)


def _tell(request: Request, problem: Problem) -> None:
    level, tag, now = problem.failure.log_level, problem.failure.tag, time.monotonic()
    if _LOG.isEnabledFor(level) and now - _told_at.get(tag, 0.0) >= _ONE_LINE_EACH:
        _told_at[tag] = now
        _LOG.log(level, "%s %s: %s", _name(request), tag, problem.detail)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    raised = cast("HTTPException", error)
    failure = METHOD_NOT_ALLOWED if raised.status_code == 405 else NOT_FOUND
    detail = f"{request.method} is not for {request.url.path[:200]}"
    if failure is NOT_FOUND:
        detail = f"There is nothing at {request.url.path[:200]}"
    return await answer_problem(
        request, Problem(failure, detail, headers=dict(raised.headers or {}))
    )


async def _answer_storage_failure(request: Request, error: Exception) -> Response:
    detail = f"MongoDB does not answer ({type(error).__name__}); try later"
    return await answer_problem(request, Problem(STORAGE_UNAVAILABLE, detail))


async def _answer_clock_skew(request: Request, error: Exception) -> Response:
    return await answer_problem(request, Problem(CLOCK_SKEW, str(error)))


async def _answer_crash(request: Request, error: Exception) -> Response:
    _LOG.error("%s failed", _name(request), exc_info=error)
    response = await answer_problem(
        request, Problem(INTERNAL, f"The log tells more under {request_id(request)}")
    )
    response.headers[REQUEST_ID] = request_id(request)
    response.raw_headers.extend(SAFE_HEADERS)  # outside of the middleware that adds them
    return response


def _name(request: Request) -> str:
    return f"{request_id(request)} {request.method} {request.url.path[:200]!r}"


ERROR_ANSWERS: Final[Mapping[Any, ExceptionHandler]] = {
    Problem: answer_problem,
    HTTPException: _answer_http_exception,
    PyMongoError: _answer_storage_failure,
    ClockSkewError: _answer_clock_skew,
    Exception: _answer_crash,
}
