"""Whatever goes wrong becomes a problem document, and a line in the log where it is ours."""

import logging
from collections.abc import Mapping
from typing import Any, Final, cast

from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from shared.problems import (
    INTERNAL,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    STORAGE_UNAVAILABLE,
    Problem,
    problem_response,
)
from shared.request_context import REQUEST_ID, request_id
from shared.telemetry import PROBLEMS

_LOG: Final = logging.getLogger("footfall.requests")


def _answer_problem(request: Request, error: Exception) -> Response:
    problem = cast("Problem", error)
    PROBLEMS.labels(problem.failure.tag).inc()
    level = problem.failure.log_level
    if _LOG.isEnabledFor(level):
        _LOG.log(level, "%s %s: %s", _name(request), problem.failure.tag, problem.detail)
    return problem_response(problem)


def _answer_http_exception(request: Request, error: Exception) -> Response:
    raised = cast("HTTPException", error)
    failure = METHOD_NOT_ALLOWED if raised.status_code == 405 else NOT_FOUND
    detail = f"{request.method} is not for {request.url.path[:200]}"
    if failure is NOT_FOUND:
        detail = f"There is nothing at {request.url.path[:200]}"
    return _answer_problem(request, Problem(failure, detail, headers=dict(raised.headers or {})))


def _answer_storage_failure(request: Request, error: Exception) -> Response:
    _LOG.warning("%s MongoDB: %s", _name(request), type(error).__name__)
    return _answer_problem(
        request, Problem(STORAGE_UNAVAILABLE, "MongoDB does not answer; try later")
    )


def _answer_crash(request: Request, error: Exception) -> Response:
    _LOG.error("%s failed", _name(request), exc_info=error)
    response = _answer_problem(
        request, Problem(INTERNAL, f"The log tells more under {request_id(request)}")
    )
    response.headers[REQUEST_ID] = request_id(request)
    return response


def _name(request: Request) -> str:
    return f"{request_id(request)} {request.method} {request.url.path[:200]!r}"


ERROR_ANSWERS: Final[Mapping[Any, ExceptionHandler]] = {
    Problem: _answer_problem,
    HTTPException: _answer_http_exception,
    PyMongoError: _answer_storage_failure,
    Exception: _answer_crash,
}
