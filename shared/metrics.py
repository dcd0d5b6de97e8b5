"""The metrics document: computed by pipelines, shared by everyone who asks at the same time."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from shared import pipelines
from shared.clock import Clock
from shared.database import MAX_READ_SECONDS, Collection, Database, Document, read_deadline
from shared.parameters import MAX_LISTED
from shared.schema import (
    ActiveSessions,
    ActiveUsers,
    EventCounts,
    Metrics,
    PageCount,
    PageViews,
    SessionActivity,
    SessionSpread,
    UserSessions,
    UserSessionsAnswer,
)
from shared.windows import ACTIVE, VIEWS, seconds

_FRESH_FOR: Final = timedelta(seconds=1)


async def compute_metrics(database: Database, at: datetime) -> Metrics:
    """Compute every metric at `at`, with rankings of up to 100 rows."""
    users, events, sessions, late, rejected = await asyncio.gather(
        _first(database.events, pipelines.active_users(at)),
        _first(database.events, pipelines.events_by_type_and_page(at, MAX_LISTED, MAX_LISTED)),
        _first(database.events, pipelines.sessions_by_user(at, MAX_LISTED)),
        _first(database.events, pipelines.late_arrivals(at)),
        _first(database.rejections, pipelines.rejected_arrivals(at)),
    )
    return Metrics(
        as_of=at,
        active_users=ActiveUsers(window_seconds=seconds(ACTIVE), count=users.get("count", 0)),
        page_views=_page_views(events),
        active_sessions=_active_sessions(sessions),
        events=_event_counts(events, late.get("count", 0), rejected.get("count", 0)),
    )


async def compute_sessions_of(database: Database, user_id: str, at: datetime) -> UserSessionsAnswer:
    """Compute the active sessions of one user at `at`."""
    found = await _first(database.events, pipelines.sessions_of_user(at, user_id, MAX_LISTED))
    total = found["total"]
    return UserSessionsAnswer(
        as_of=at,
        window_seconds=seconds(ACTIVE),
        user_id=user_id,
        sessions=total[0]["sessions"] if total else 0,
        latest=[
            SessionActivity(
                session_id=row["_id"], last_event_at=row["last_event_at"], events=row["events"]
            )
            for row in found["latest"]
        ],
    )


class SharedMetrics:
    """The metrics at most one second old. Whoever asks while they are computed waits for that."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._latest: Metrics | None = None
        self._computing: asyncio.Task[None] | None = None

    async def get(self) -> Metrics:
        """Give metrics whose `as_of` is at most a second before this call."""
        asked_at = self._clock()
        while True:
            if self._latest and asked_at - _FRESH_FOR < self._latest.as_of <= self._clock():
                return self._latest
            if self._computing is None:
                self._computing = asyncio.create_task(self._compute(self._clock()))
            await asyncio.shield(self._computing)

    async def _compute(self, at: datetime) -> None:
        try:
            self._latest = await compute_metrics(self._database, at)
        finally:
            self._computing = None


async def _first(collection: Collection, pipeline: pipelines.Pipeline) -> Document:
    """Run a pipeline and give its first document, or an empty one."""
    async with read_deadline():
        found: list[Document] = await collection.aggregate(
            pipeline, maxTimeMS=MAX_READ_SECONDS * 1000
        ).to_list(1)
    return found[0] if found else {}


def _page_views(events: Mapping[str, list[Document]]) -> PageViews:
    viewed = events["viewed"][0] if events["viewed"] else {"total": 0, "distinct": 0}
    return PageViews(
        window_seconds=seconds(VIEWS),
        total=viewed["total"],
        pages=viewed["distinct"],
        top=[PageCount(page_url=row["_id"], views=row["count"]) for row in events["pages"]],
    )


def _active_sessions(sessions: Mapping[str, list[Document]]) -> ActiveSessions:
    users = {row["_id"]: row["users"] for row in sessions["spread"]}
    return ActiveSessions(
        window_seconds=seconds(ACTIVE),
        total=sum(row["sessions"] for row in sessions["spread"]),
        spread=SessionSpread(
            one=users.get(1, 0), two=users.get(2, 0), three_or_more=users.get(3, 0)
        ),
        users=[
            UserSessions(user_id=row["_id"], sessions=row["sessions"]) for row in sessions["users"]
        ],
    )


def _event_counts(events: Mapping[str, list[Document]], late: int, rejected: int) -> EventCounts:
    types = events["types"][0] if events["types"] else {"total": 0, "distinct": 0}
    return EventCounts(
        window_seconds=seconds(VIEWS),
        total=types["total"],
        types=types["distinct"],
        by_type={row["_id"]: row["count"] for row in events["by_type"]},
        late=late,
        rejected=rejected,
    )
