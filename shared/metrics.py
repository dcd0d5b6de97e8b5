"""The metrics document: computed by pipelines, from rollups where they serve, else from events."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from shared import pipelines
from shared.database import MAX_READ_SECONDS, Collection, Database, Document, read_deadline
from shared.parameters import MAX_LISTED
from shared.rollups import Rollup, chain_at
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


async def compute_metrics(database: Database, at: datetime) -> Metrics:
    """Compute every metric at `at`, with rankings of up to 100 rows."""
    chain = await chain_at(database, at)
    views, sessions, late, rejected = await asyncio.gather(
        _views(database, at, chain),
        _sessions(database, at, chain),
        _first(database.events, pipelines.late_arrivals(at)),
        _first(database.rejections, pipelines.rejected_arrivals(at)),
    )
    return Metrics(
        as_of=at,
        active_users=_active_users(sessions),
        page_views=_page_views(views),
        active_sessions=_active_sessions(sessions),
        events=_event_counts(views, late.get("count", 0), rejected.get("count", 0)),
    )


async def _views(database: Database, at: datetime, chain: Sequence[Rollup]) -> Document:
    if not chain:
        return await _first(database.events, pipelines.views_of_events(at, MAX_LISTED, MAX_LISTED))
    segments = [rollup.segment for rollup in chain]
    return await _first(
        database.rollups,
        pipelines.views_of_segments(at, segments, chain[0].until, MAX_LISTED, MAX_LISTED),
    )


async def _sessions(database: Database, at: datetime, chain: Sequence[Rollup]) -> Document:
    if not chain or chain[0].state is None:
        return await _first(database.events, pipelines.sessions_of_events(at, MAX_LISTED))
    return await _first(
        database.rollups,
        pipelines.sessions_of_state(at, chain[0].state, chain[0].until, MAX_LISTED),
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


def _active_users(sessions: Mapping[str, list[Document]]) -> ActiveUsers:
    active = sessions["active"]
    return ActiveUsers(window_seconds=seconds(ACTIVE), count=active[0]["users"] if active else 0)


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
