"""Answers of the service as the tests need them, made from its own models."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.ingest.rejections import Rejection, Rejections
from shared.schema import (
    ActiveSessions,
    ActiveUsers,
    EventCounts,
    History,
    Metrics,
    PageCount,
    PageViews,
    SessionActivity,
    SessionSpread,
    Snapshot,
    UserSessions,
    UserSessionsAnswer,
)

NOON = datetime(2026, 11, 22, 12, 0, 0, 123000, UTC)

PAGES = {
    "/": 412,
    "/products/electronics/headphones": 268,
    "/products/garden": 190,
    "/sale/winter?page=2": 121,
    "/cart": 64,
}
USERS = {
    "usr_789": 7,
    "usr_1042": 4,
    "anna.kowalska@example.com": 3,
    "usr_31": 3,
    "usr_550": 2,
    "usr_78": 2,
    "usr_9": 2,
    "usr_118": 1,
    "usr_119": 1,
    "usr_12": 1,
}
TYPES = {
    "page_view": 1234,
    "add_to_cart": 142,
    "checkout": 48,
    "purchase": 31,
    "search": 203,
    "login": 88,
}


def metrics(
    *,
    at: datetime = NOON,
    users: int = 342,
    pages: dict[str, int] | None = None,
    people: dict[str, int] | None = None,
    types: dict[str, int] | None = None,
    spread: tuple[int, int, int] = (301, 34, 7),
    late: int = 12,
    rejected: int = 3,
) -> Metrics:
    """`GET /v1/metrics` of a shop on a good day; each part can be another."""
    pages = PAGES if pages is None else pages
    people = USERS if people is None else people
    types = TYPES if types is None else types
    one, two, more = spread
    return Metrics(
        as_of=at,
        active_users=ActiveUsers(window_seconds=300, count=users),
        page_views=PageViews(
            window_seconds=900,
            total=types.get("page_view", 0),
            pages=87 if len(pages) == 5 else len(pages),
            top=[PageCount(page_url=url, views=views) for url, views in pages.items()],
        ),
        active_sessions=ActiveSessions(
            window_seconds=300,
            total=one + 2 * two + 3 * more,
            spread=SessionSpread(one=one, two=two, three_or_more=more),
            users=[UserSessions(user_id=user, sessions=count) for user, count in people.items()],
        ),
        events=EventCounts(
            window_seconds=900,
            total=sum(types.values()),
            types=len(types),
            by_type=dict(sorted(types.items(), key=lambda it: (-it[1], it[0]))[:100]),
            late=late,
            rejected=rejected,
        ),
    )


EMPTY: dict[str, Any] = {
    "users": 0,
    "pages": {},
    "people": {},
    "types": {},
    "spread": (0, 0, 0),
    "late": 0,
    "rejected": 0,
}


def history(now: Metrics, *, minutes: int = 60) -> History:
    """Make up a wavy past that leads to `now`, a snapshot every 10 seconds."""
    steps = minutes * 6
    return History(
        as_of=now.as_of,
        minutes=60,
        snapshots=[_snapshot(now, step) for step in range(steps, 0, -1)],
    )


def _snapshot(now: Metrics, step: int) -> Snapshot:
    wave = 1 - 0.004 * step / 3 + 0.09 * math.sin(step / 21) + 0.03 * math.sin(step / 4.7)

    def past(count: int) -> int:
        return max(0, round(count * wave))

    moment: dict[str, Any] = now.model_dump(mode="python")
    moment["as_of"] = now.as_of - timedelta(seconds=10 * step)
    moment["active_users"]["count"] = past(now.active_users.count)
    moment["page_views"]["total"] = past(now.page_views.total)
    moment["active_sessions"]["total"] = past(now.active_sessions.total)
    by_type = now.events.by_type
    moment["events"]["by_type"] = {name: past(count) for name, count in by_type.items()}
    return Snapshot.model_validate(moment)


def rejections(now: datetime = NOON) -> Rejections:
    """Three refusals, one of them a flood."""
    return Rejections(
        as_of=now,
        rejections=[
            Rejection(
                rejected_at=now - timedelta(seconds=20 + 95 * i),
                code=code,
                pointer=pointer,
                detail=detail,
                event=event,
                count=count,
            )
            for i, (code, pointer, detail, event, count) in enumerate(
                (
                    ("missing", "/user_id", "Field required", '{"event_type": "page_view"}', 1),
                    (
                        "in_the_future",
                        "/timestamp",
                        "more than 5 minutes ahead of the server's clock",
                        '{"timestamp": "2036-01-01T00:00:00Z", "user_id": "usr_5"}',
                        1,
                    ),
                    ("wrong_type", "/user_id", "Input should be a valid string", None, 240),
                )
            )
        ],
    )


def user_sessions(user: str, sessions: int, now: datetime = NOON) -> UserSessionsAnswer:
    """One user with that many sessions, of which at most 100 are told."""
    return UserSessionsAnswer(
        as_of=now,
        window_seconds=300,
        user_id=user,
        sessions=sessions,
        latest=[
            SessionActivity(
                session_id=f"sess_{i}",
                last_event_at=now - timedelta(seconds=4 + 17 * i),
                events=12 - min(i, 11),
            )
            for i in range(min(sessions, 100))
        ],
    )
