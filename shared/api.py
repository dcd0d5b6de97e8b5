"""One table of the API's operations, from which its description is made."""

from typing import Final

from pydantic import BaseModel, Field

from shared import VERSION
from shared.api_bodies import events_body, segment_body
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
from shared.ingest.body import JSON
from shared.ingest.rejections import Rejections
from shared.ingest.stored_events import StoredEvents
from shared.metrics.active_sessions import ACTIVE_SESSIONS
from shared.metrics.engine.metric import MAX_LISTED, Metric
from shared.metrics.one_user import UserSessionsAnswer
from shared.metrics.per_minute import PerMinute
from shared.metrics.registry import ANSWERS, METRICS, Metrics
from shared.metrics.snapshots import History
from shared.schema import Receipt, SegmentReceipt

_GUARD: Final = (UNAUTHENTICATED, FORBIDDEN)
_READING: Final = (
    *_GUARD,
    INTERNAL,
    STORAGE_UNAVAILABLE,
    CLOCK_SKEW,
    REBUILDING,
    TOO_MANY_READS,
)


TAGS: Final = {
    "events": "Send events, and see which arrived and which were refused.",
    "metrics": "Read the rolling metrics, their minutes and their history.",
    "pages": "The dashboard, this description, and the script for a shop's pages.",
    "operation": "For the platform that runs the service.",
}

STORED: Final = WholeNumber("limit", "at most so many events", default=50, high=200)
REJECTED: Final = WholeNumber("limit", "at most so many entries", default=50, high=500)
MINUTES: Final = WholeNumber("minutes", "how far back", default=60, high=1440)
PER_MINUTE: Final = WholeNumber("minutes", "how many minutes", default=30, high=60)
AFTER: Final = InstantGiven("after", "only snapshots later than this")
BY_USER: Final = UserId("user_id", "of this user alone")


def rows_of(metric: Metric) -> WholeNumber:
    """Return the parameter that says how many rows of a metric's ranking are wanted."""
    assert metric.ranking  # noqa: S101 - who asks has looked
    meaning = f"at most so many rows of {metric.ranking.field}"
    return WholeNumber("limit", meaning, default=metric.ranking.shown, high=MAX_LISTED)


def _parameters_of(metric: Metric) -> tuple[Parameter, ...]:
    limit = (rows_of(metric),) if metric.ranking else ()
    return (*limit, BY_USER) if metric is ACTIVE_SESSIONS else limit


_SENDING: Final = (
    BAD_JSON,
    BAD_ENCODING,
    INCOMPLETE_BODY,
    *_GUARD,
    SLOW_BODY,
    TOO_LARGE,
    MEDIA_TYPE,
    CONTENT_CODING,
    INVALID_EVENTS,
    RATE_LIMITED,
    BATCH_EXCEEDS_LIMIT,
    INTERNAL,
    OVERLOADED,
    STORAGE_UNAVAILABLE,
    CLOCK_SKEW,
)


def _segment(name: str, path: str) -> Operation:
    return Operation(
        name,
        "POST",
        path,
        "events",
        "Send track and page calls as Segment's SDKs do; other calls are acknowledged and ignored",
        SegmentReceipt,
        Scope.WRITE,
        body=segment_body(),
        failures=_SENDING,
    )


def _reading(
    name: str,
    path: str,
    summary: str,
    answer: type[BaseModel],
    *parameters: Parameter,
    or_answer: type[BaseModel] | None = None,
) -> Operation:
    return Operation(
        name,
        "GET",
        path,
        "metrics" if path.startswith("/v1/metrics") else "events",
        summary,
        answer,
        Scope.READ,
        parameters=parameters,
        or_answer=or_answer,
        cached=True,
        failures=(*((INVALID_PARAMETER,) if parameters else ()), *_READING),
    )


def _file(name: str, path: str, summary: str, media_type: str, example: object = None) -> Operation:
    return Operation(name, "GET", path, "pages", summary, media_type, cached=True, example=example)


class Health(BaseModel):
    """That all is well; otherwise the answer is a problem."""

    status: str = Field(description="up: the process is; ready: it can serve", examples=["ready"])


OPERATIONS: Final = (
    Operation(
        "send_events",
        "POST",
        "/v1/events",
        "events",
        "Send one event, an array of them, or one a line",
        Receipt,
        Scope.WRITE,
        status=202,
        body=events_body(),
        failures=_SENDING,
    ),
    _segment("send_segment_batch", "/v1/segment/batch"),
    _segment("send_segment_sdk_batch", "/v1/segment/v1/batch"),
    _reading(
        "list_events",
        "/v1/events",
        "The newest stored events, newest first",
        StoredEvents,
        STORED,
        BY_USER,
    ),
    _reading(
        "list_rejections",
        "/v1/rejections",
        "The newest refused events, with their reasons",
        Rejections,
        REJECTED,
    ),
    _reading(
        "get_metrics", "/v1/metrics", "Everything the dashboard needs, in one document", Metrics
    ),
    *(
        _reading(
            f"get_{metric.name}",
            metric.path,
            metric.summary,
            ANSWERS[metric.name],
            *_parameters_of(metric),
            or_answer=UserSessionsAnswer if metric is ACTIVE_SESSIONS else None,
        )
        for metric in METRICS
    ),
    _reading(
        "get_user_sessions",
        "/v1/metrics/active-sessions/{user_id}",
        "The active sessions of one user; an unknown user has none",
        UserSessionsAnswer,
        BY_USER,
    ),
    _reading(
        "get_per_minute",
        "/v1/metrics/per-minute",
        "Events and page views by whole minute of event time, oldest first",
        PerMinute,
        PER_MINUTE,
    ),
    _reading(
        "get_history",
        "/v1/metrics/history",
        "Stored snapshots of the metrics, oldest first",
        History,
        MINUTES,
        AFTER,
    ),
    _file("get_dashboard", "/", "The dashboard", "text/html"),
    _file("get_docs", "/docs", "This description, to read", "text/html"),
    _file(
        "get_openapi",
        "/openapi.json",
        "This description",
        JSON,
        {"openapi": "3.1.0", "info": {"title": "Footfall", "version": VERSION}, "paths": {}},
    ),
    _file("get_tracker", "/tracker.js", "The script for a shop's pages", "text/javascript"),
    Operation("get_livez", "GET", "/livez", "operation", "The process is up", Health),
    Operation(
        "get_readyz",
        "GET",
        "/readyz",
        "operation",
        "MongoDB answers and the indexes exist",
        Health,
        failures=(NOT_READY,),
    ),
    Operation(
        "get_telemetry",
        "GET",
        "/metrics",
        "operation",
        "Prometheus text",
        "text/plain",
        Scope.READ,
        failures=_GUARD,
        example='footfall_events_total{outcome="accepted"} 1188.0\n',
    ),
)
