"""The metrics document: computed by pipelines, from rollups where they serve, else from events."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from shared import pipelines
from shared.database import Database, Document, first_of
from shared.parameters import MAX_LISTED
from shared.rollups import Rollup, chain_at, sound, whole_buckets_after
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
from shared.session_counts import SessionCounts, count_sessions
from shared.windows import ACTIVE, VIEWS, seconds


async def compute_metrics(database: Database, at: datetime) -> Metrics:
    """Compute every metric at `at`, with rankings of up to 100 rows."""
    chain = await chain_at(database, at)
    metrics, sound_chain = await asyncio.gather(
        _compute(database, at, chain), sound(database, chain, at)
    )
    return metrics if sound_chain == chain else await _compute(database, at, sound_chain)


async def _compute(database: Database, at: datetime, chain: Sequence[Rollup]) -> Metrics:
    views, sessions, late, rejected = await asyncio.gather(
        _views(database, at, chain),
        count_sessions(database, at, chain[0] if chain else None),
        first_of(database.events, pipelines.late_arrivals(at)),
        first_of(database.rejections, pipelines.rejected_arrivals(at)),
    )
    return Metrics(
        as_of=at,
        active_users=ActiveUsers(window_seconds=seconds(ACTIVE), count=sessions.active_users),
        page_views=_page_views(views),
        active_sessions=_active_sessions(sessions),
        events=_event_counts(views, late.get("count", 0), rejected.get("count", 0)),
    )


async def _views(database: Database, at: datetime, chain: Sequence[Rollup]) -> Document:
    if not chain:
        return await first_of(
            database.events, pipelines.views_of_events(at, MAX_LISTED, MAX_LISTED)
        )
    total = None
    if chain[0].total and chain[0].has_totals_for(at):
        total = chain[0].total, whole_buckets_after(chain[0].until)
    return await first_of(
        database.rollups,
        pipelines.views_of_segments(
            at,
            [rollup.segment for rollup in chain],
            chain[0].until,
            total=total,
            pages=MAX_LISTED,
            types=MAX_LISTED,
        ),
    )


async def compute_sessions_of(database: Database, user_id: str, at: datetime) -> UserSessionsAnswer:
    """Compute the active sessions of one user at `at`."""
    found = await first_of(database.events, pipelines.sessions_of_user(at, user_id, MAX_LISTED))
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


def _page_views(events: Mapping[str, list[Document]]) -> PageViews:
    viewed = events["viewed"][0] if events["viewed"] else {"total": 0, "distinct": 0}
    return PageViews(
        window_seconds=seconds(VIEWS),
        total=viewed["total"],
        pages=viewed["distinct"],
        top=[PageCount(page_url=row["_id"], views=row["count"]) for row in events["pages"]],
    )


def _active_sessions(counted: SessionCounts) -> ActiveSessions:
    one, two, three_or_more = counted.spread
    return ActiveSessions(
        window_seconds=seconds(ACTIVE),
        total=counted.sessions,
        spread=SessionSpread(one=one, two=two, three_or_more=three_or_more),
        users=[
            UserSessions(user_id=user_id, sessions=sessions) for user_id, sessions in counted.users
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
