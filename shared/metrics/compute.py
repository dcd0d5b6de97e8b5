"""The metrics document: computed by pipelines, from rollups where they serve, else from events."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from shared.http.parameters import MAX_LISTED
from shared.metrics import pipelines
from shared.metrics.basis import Basis, basis_at, sound
from shared.metrics.rollups import whole_buckets_after
from shared.metrics.session_counts import SessionCounts, count_sessions
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
from shared.storage.database import Database, Document, first_of
from shared.windows import ACTIVE, VIEWS, seconds


async def compute_metrics(database: Database, at: datetime) -> Metrics:
    """Compute every metric at `at`, with rankings of up to 100 rows."""
    basis = await basis_at(database, at)
    if basis is None:
        return await _compute(database, at, None)
    metrics, sound_basis = await asyncio.gather(
        _compute(database, at, basis), sound(database, basis, at)
    )
    return metrics if sound_basis == basis else await _compute(database, at, sound_basis)


async def _compute(database: Database, at: datetime, basis: Basis | None) -> Metrics:
    views, sessions, late, rejected = await asyncio.gather(
        _views(database, at, basis),
        count_sessions(database, at, basis),
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


async def _views(database: Database, at: datetime, basis: Basis | None) -> Document:
    if basis is None:
        every = pipelines.views_of_events(at, MAX_LISTED, MAX_LISTED)
        return await first_of(database.events, every)
    newest, total = basis.newest, None
    if newest.total and newest.has_totals_for(at):
        total = pipelines.Total(newest.total, whole_buckets_after(newest.until))
    counted = pipelines.SegmentsUntil(
        basis.until,
        [rollup.segment for rollup in basis.chain],
        total,
        [some.segment for some in basis.slices],
    )
    pipeline = pipelines.views_of_segments(at, counted, MAX_LISTED, MAX_LISTED)
    return await first_of(database.rollups, pipeline)


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
