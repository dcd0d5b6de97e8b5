from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from generator.compare import (
    compare_active_sessions,
    compare_active_users,
    compare_events,
    compare_page_views,
    compare_user,
)
from generator.ledger import Line, milliseconds
from generator.oracle import Expectation, expect
from shared.schema import Metrics, UserSessionsAnswer

AT = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
SEEN = [  # user, session, page; all views of a minute ago
    ("usr_1", "s1", "/b"),
    ("usr_1", "s2", "/a"),
    ("usr_1", "s3", "/b"),
    ("usr_2", "s4", "/a"),
    ("usr_3", None, "/c"),
]
METRICS: dict[str, Any] = {
    "as_of": AT,
    "active_users": {"window_seconds": 300, "count": 3},
    "page_views": {
        "window_seconds": 900,
        "total": 5,
        "pages": 3,
        "top": [{"page_url": "/a", "views": 2}, {"page_url": "/b", "views": 2}],
    },
    "active_sessions": {
        "window_seconds": 300,
        "total": 4,
        "spread": {"one": 1, "two": 0, "three_or_more": 1},
        "users": [{"user_id": "usr_1", "sessions": 3}, {"user_id": "usr_2", "sessions": 1}],
    },
    "events": {
        "window_seconds": 900,
        "total": 5,
        "types": 1,
        "by_type": {"page_view": 5},
        "late": 0,
        "rejected": 2,
    },
}
MINUTE_AGO = AT - timedelta(minutes=1)
USER = {
    "as_of": AT,
    "window_seconds": 300,
    "user_id": "usr_1",
    "sessions": 3,
    "latest": [
        {"session_id": f"s{n}", "last_event_at": MINUTE_AGO, "events": 1} for n in (1, 2, 3)
    ],
}


@pytest.fixture
def must() -> Expectation:
    at = milliseconds(MINUTE_AGO)
    events = [
        {
            "timestamp": MINUTE_AGO.isoformat(),
            "event_type": "page_view",
            "user_id": user,
            "session_id": session,
            "page_url": page,
        }
        for user, session, page in SEEN
    ]
    expectation = Expectation(milliseconds(AT), watched="usr_1")
    line: Any = Line(at, at, at, (2, 2), events)  # type: ignore[arg-type]  # None is a session too
    expect([line], [expectation])
    return expectation


def differences(document: dict[str, Any], must: Expectation) -> list[str]:
    got = Metrics.model_validate(document)
    return [
        *compare_active_users(got.active_users, must),
        *compare_page_views(got.page_views, must, 2),
        *compare_active_sessions(got.active_sessions, must, 10),
        *compare_events(got.events, must),
    ]


def changed(document: dict[str, Any], path: Iterable[str | int], value: Any) -> dict[str, Any]:
    first, *rest = path
    copy: Any = document.copy()
    copy[first] = changed(copy[first], rest, value) if rest else value
    return dict(copy) if isinstance(copy, dict) else copy


def test_the_right_answers_have_no_differences(must: Expectation) -> None:
    assert differences(METRICS, must) == []
    assert list(compare_user(UserSessionsAnswer.model_validate(USER), must)) == []


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (["active_users", "count"], 4, "active_users.count is 4, should be 3 (+1)"),
        (["active_users", "count"], 1, "active_users.count is 1, should be 3 (-2)"),
        (["active_users", "window_seconds"], 60, "window_seconds is 60, should be 300"),
        (["page_views", "total"], 6, "page_views.total is 6"),
        (["page_views", "pages"], 2, "page_views.pages is 2"),
        (["page_views", "top", 0, "views"], 3, "has ('/a', 3), should have ('/a', 2)"),
        (["page_views", "top", 0, "page_url"], "/c", "has ('/c', 2), should have ('/a', 2)"),
        (["page_views", "top"], [], "page_views.top has 0 rows, should have 2"),
        (["active_sessions", "total"], 5, "active_sessions.total is 5"),
        (["active_sessions", "spread", "two"], 1, "active_sessions.spread.two is 1"),
        (["active_sessions", "users", 0, "sessions"], 2, "has ('usr_1', 2)"),
        (["events", "total"], 4, "events.total is 4"),
        (["events", "types"], 2, "events.types is 2"),
        (["events", "by_type"], {"page_view": 5, "x": 1}, "events.by_type.x is 1, should be 0"),
        (["events", "by_type"], {}, "events.by_type.page_view is 0, should be 5"),
        (["events", "late"], 1, "events.late is 1, should be 0"),
        (["events", "rejected"], 1, "events.rejected is 1, should be 2"),
    ],
)
def test_a_wrong_number_is_told(
    path: list[str | int], value: Any, told: str, must: Expectation
) -> None:
    (difference,) = differences(changed(METRICS, path, value), must)
    assert told in difference


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (["sessions"], 2, "usr_1.sessions is 2, should be 3"),
        (["latest", 0, "events"], 2, "events of s1 is 2, should be 1"),
        (["latest", 2, "last_event_at"], MINUTE_AGO - timedelta(seconds=1), "last_event_at of s3"),
        (["latest", 2, "last_event_at"], AT, "out of order"),
        (["latest"], [], "rows of usr_1.latest is 0, should be 3"),
    ],
)
def test_a_wrong_session_is_told(
    path: list[str | int], value: Any, told: str, must: Expectation
) -> None:
    got = UserSessionsAnswer.model_validate(changed(USER, path, value))
    assert any(told in difference for difference in compare_user(got, must))
