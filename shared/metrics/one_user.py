"""The active sessions of one user, from the user's own events."""

from datetime import datetime

from pydantic import BaseModel, Field

from shared.metrics.engine.metric import MAX_LISTED, Pipeline, number, within
from shared.schema import AsOf, Instant, WindowSeconds
from shared.storage.database import Database, all_of
from shared.windows import ACTIVE, seconds


class SessionActivity(BaseModel):
    """One active session of a user."""

    session_id: str = Field(description="the session", examples=["sess_456"])
    last_event_at: Instant = Field(description="event time of its newest event")
    events: int = Field(description="its events in the window", examples=[12])


class UserSessionsAnswer(BaseModel):
    """`GET /v1/metrics/active-sessions/{user_id}`; `latest` holds at most 100, newest first."""

    as_of: AsOf
    window_seconds: WindowSeconds
    user_id: str = Field(description="the user that was asked for", examples=["usr_789"])
    active: bool = Field(
        description="whether the user was seen in the window, in a session or not", examples=[True]
    )
    last_event_at: Instant | None = Field(description="of those in the window; null: none is")
    sessions: int = Field(description="the user's distinct sessions in the window", examples=[1])
    latest: list[SessionActivity] = Field(description="at most 100 of them, newest first")


async def sessions_of_user(database: Database, user_id: str, at: datetime) -> UserSessionsAnswer:
    """Return the sessions of one user that are active at `at`; an unknown user has none."""
    [found] = await all_of(database.events, _sessions(at, user_id))
    last = found["seen"][0]["last_event_at"] if found["seen"] else None
    return UserSessionsAnswer(
        as_of=at,
        window_seconds=seconds(ACTIVE),
        user_id=user_id,
        active=last is not None,
        last_event_at=last,
        sessions=number(found["total"], "sessions"),
        latest=[SessionActivity(session_id=row.pop("_id"), **row) for row in found["latest"]],
    )


def _sessions(at: datetime, user_id: str) -> Pipeline:
    sessions = {"$match": {"_id": {"$ne": None}}}
    return [
        {
            "$match": {
                "user_id": {"$eq": user_id},
                "occurred_at": within(at, ACTIVE),
                "received_at": {"$lte": at},
            }
        },
        {
            "$group": {
                "_id": {"$ifNull": ["$session_id", None]},
                "last_event_at": {"$max": "$occurred_at"},
                "events": {"$sum": 1},
            }
        },
        {
            "$facet": {
                "seen": [{"$group": {"_id": None, "last_event_at": {"$max": "$last_event_at"}}}],
                "latest": [
                    sessions,
                    {"$sort": {"last_event_at": -1, "_id": 1}},
                    {"$limit": MAX_LISTED},
                ],
                "total": [sessions, {"$count": "sessions"}],
            }
        },
    ]
