"""One table of the API's operations, from which its description is made."""

from typing import Final

from pydantic import BaseModel

from shared.http.auth import Scope
from shared.http.openapi import Operation
from shared.http.parameters import InstantGiven, Parameter, UserId, WholeNumber
from shared.http.problems import (
    BAD_ENCODING,
    BAD_JSON,
    BATCH_EXCEEDS_LIMIT,
    CLOCK_SKEW,
    CONTENT_CODING,
    FORBIDDEN,
    INCOMPLETE_BODY,
    INTERNAL,
    INVALID_EVENTS,
    INVALID_PARAMETER,
    MEDIA_TYPE,
    NOT_READY,
    OVERLOADED,
    RATE_LIMITED,
    REBUILDING,
    SLOW_BODY,
    STORAGE_UNAVAILABLE,
    TOO_LARGE,
    TOO_MANY_READS,
    UNAUTHENTICATED,
)
from shared.ingest.rejections import Rejections
from shared.ingest.stored_events import StoredEvents
from shared.metrics.active_sessions import ACTIVE_SESSIONS
from shared.metrics.engine.source import MAX_LISTED, Metric
from shared.metrics.one_user import UserSessionsAnswer
from shared.metrics.per_minute import PerMinute
from shared.metrics.registry import ANSWERS, METRICS, Metrics
from shared.metrics.snapshots import History
from shared.schema import Receipt

_GUARD: Final = (UNAUTHENTICATED, FORBIDDEN)
_READING: Final = (
    *_GUARD,
    INTERNAL,
    STORAGE_UNAVAILABLE,
    CLOCK_SKEW,
    REBUILDING,
    TOO_MANY_READS,
)


STORED: Final = WholeNumber("limit", default=50, high=200)
REJECTED: Final = WholeNumber("limit", default=50, high=500)
MINUTES: Final = WholeNumber("minutes", default=60, high=1440)
PER_MINUTE: Final = WholeNumber("minutes", default=30, high=60)
AFTER: Final = InstantGiven("after")
BY_USER: Final = UserId("user_id")


def rows_of(metric: Metric) -> WholeNumber:
    """Return the parameter that says how many rows of a metric's ranking are wanted."""
    assert metric.ranking  # noqa: S101 - who asks has looked
    return WholeNumber("limit", default=metric.ranking.shown, high=MAX_LISTED)


def _parameters_of(metric: Metric) -> tuple[Parameter, ...]:
    limit = (rows_of(metric),) if metric.ranking else ()
    return (*limit, BY_USER) if metric is ACTIVE_SESSIONS else limit


def _reading(path: str, summary: str, answer: type[BaseModel], *parameters: Parameter) -> Operation:
    has_parameters = parameters or "{" in path
    failures = (*((INVALID_PARAMETER,) if has_parameters else ()), *_READING)
    return Operation(
        "GET",
        path,
        summary,
        answer,
        Scope.READ,
        parameters=parameters,
        cached=True,
        failures=failures,
    )


OPERATIONS: Final = (
    Operation(
        "POST",
        "/v1/events",
        "Send one event, an array of them, or one a line",
        Receipt,
        Scope.WRITE,
        status=202,
        takes_events=True,
        failures=(
            BAD_JSON,
            BAD_ENCODING,
            INCOMPLETE_BODY,
            *_GUARD,
            SLOW_BODY,
            TOO_LARGE,
            MEDIA_TYPE,
            CLOCK_SKEW,
            CONTENT_CODING,
            INVALID_EVENTS,
            RATE_LIMITED,
            BATCH_EXCEEDS_LIMIT,
            INTERNAL,
            OVERLOADED,
            STORAGE_UNAVAILABLE,
            CLOCK_SKEW,
        ),
    ),
    _reading("/v1/events", "The newest stored events, newest first", StoredEvents, STORED, BY_USER),
    _reading("/v1/metrics", "Everything the dashboard needs, in one document", Metrics),
    *(
        _reading(metric.path, metric.summary, ANSWERS[metric.name], *_parameters_of(metric))
        for metric in METRICS
    ),
    _reading(
        "/v1/metrics/active-sessions/{user_id}",
        "The active sessions of one user; an unknown user has none",
        UserSessionsAnswer,
    ),
    _reading(
        "/v1/metrics/per-minute",
        "Events and page views by whole minute of event time, oldest first",
        PerMinute,
        PER_MINUTE,
    ),
    _reading(
        "/v1/metrics/history",
        "Stored snapshots of the metrics, oldest first",
        History,
        MINUTES,
        AFTER,
    ),
    _reading(
        "/v1/rejections", "The newest refused events, with their reasons", Rejections, REJECTED
    ),
    Operation("GET", "/", "The dashboard", "text/html", cached=True),
    Operation("GET", "/docs", "This description, to read", "text/html", cached=True),
    Operation("GET", "/openapi.json", "This description", "application/json", cached=True),
    Operation(
        "GET", "/tracker.js", "The script for a shop's pages", "text/javascript", cached=True
    ),
    Operation("GET", "/livez", "The process is up", "application/json"),
    Operation(
        "GET",
        "/readyz",
        "MongoDB answers and the indexes exist",
        "application/json",
        failures=(NOT_READY,),
    ),
    Operation("GET", "/metrics", "Prometheus text", "text/plain", Scope.READ, failures=_GUARD),
)
