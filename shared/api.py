"""One table of the API's operations, from which its description is made."""

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from shared.http.auth import Scope
from shared.http.parameters import MINUTES, PAGES, REJECTED, USERS, WholeNumber
from shared.http.problems import (
    BAD_ENCODING,
    BAD_JSON,
    BATCH_EXCEEDS_LIMIT,
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
    SLOW_BODY,
    STORAGE_UNAVAILABLE,
    TOO_LARGE,
    UNAUTHENTICATED,
    Failure,
)
from shared.ingest.rejections import Rejections
from shared.schema import (
    ActiveSessionsAnswer,
    ActiveUsersAnswer,
    History,
    Metrics,
    PageViewsAnswer,
    Receipt,
    UserSessionsAnswer,
)

_GUARD: Final = (UNAUTHENTICATED, FORBIDDEN)
_READING: Final = (*_GUARD, INTERNAL, STORAGE_UNAVAILABLE)


@dataclass(frozen=True)
class Operation:
    """One operation: where it is, who may call it, what it answers."""

    method: str
    path: str
    summary: str
    answer: type[BaseModel] | str  # a document, or the media type of something else
    scope: Scope | None = None
    status: int = 200
    parameter: WholeNumber | None = None
    takes_events: bool = False
    cached: bool = False  # carries an ETag and answers 304
    failures: tuple[Failure, ...] = ()


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
            CONTENT_CODING,
            INVALID_EVENTS,
            RATE_LIMITED,
            BATCH_EXCEEDS_LIMIT,
            INTERNAL,
            OVERLOADED,
            STORAGE_UNAVAILABLE,
        ),
    ),
    Operation(
        "GET",
        "/v1/metrics",
        "Everything the dashboard needs, in one document",
        Metrics,
        Scope.READ,
        cached=True,
        failures=_READING,
    ),
    Operation(
        "GET",
        "/v1/metrics/active-users",
        "Distinct users in the last 5 minutes",
        ActiveUsersAnswer,
        Scope.READ,
        cached=True,
        failures=_READING,
    ),
    Operation(
        "GET",
        "/v1/metrics/page-views",
        "Page views by URL in the last 15 minutes, most viewed first",
        PageViewsAnswer,
        Scope.READ,
        parameter=PAGES,
        cached=True,
        failures=(INVALID_PARAMETER, *_READING),
    ),
    Operation(
        "GET",
        "/v1/metrics/active-sessions",
        "Users by their active sessions in the last 5 minutes, most sessions first",
        ActiveSessionsAnswer,
        Scope.READ,
        parameter=USERS,
        cached=True,
        failures=(INVALID_PARAMETER, *_READING),
    ),
    Operation(
        "GET",
        "/v1/metrics/active-sessions/{user_id}",
        "The active sessions of one user; an unknown user has none",
        UserSessionsAnswer,
        Scope.READ,
        cached=True,
        failures=(INVALID_PARAMETER, *_READING),
    ),
    Operation(
        "GET",
        "/v1/metrics/history",
        "Stored snapshots of the metrics, oldest first",
        History,
        Scope.READ,
        parameter=MINUTES,
        cached=True,
        failures=(INVALID_PARAMETER, *_READING),
    ),
    Operation(
        "GET",
        "/v1/rejections",
        "The newest refused events, with their reasons",
        Rejections,
        Scope.READ,
        parameter=REJECTED,
        cached=True,
        failures=(INVALID_PARAMETER, *_READING),
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
