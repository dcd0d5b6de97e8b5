"""Active sessions: distinct sessions of each user in the last 5 minutes."""

from typing import Final

from pydantic import BaseModel, Field

from shared.metrics.engine.source import MAX_LISTED, Found, Metric, Ranking, Read
from shared.metrics.sessions import USERS
from shared.schema import WindowSeconds
from shared.windows import ACTIVE, seconds


class SessionSpread(BaseModel):
    """How many users have one, two, and three or more active sessions."""

    one: int = Field(description="users with one session", examples=[35])
    two: int = Field(description="users with two sessions", examples=[5])
    three_or_more: int = Field(description="users with three sessions or more", examples=[4])


class ActiveSessionTotals(BaseModel):
    """`ActiveSessions` without its ranking."""

    window_seconds: WindowSeconds
    total: int = Field(description="distinct sessions of all users", examples=[57])
    spread: SessionSpread = Field(description="users by how many sessions they have")


class UserSessions(BaseModel):
    """How many sessions one user has."""

    user_id: str = Field(description="whose sessions", examples=["usr_789"])
    sessions: int = Field(description="the user's distinct sessions", examples=[3])


class ActiveSessions(ActiveSessionTotals):
    """Distinct sessions per user in the window; `users` is most sessions first, ties by id."""

    users: list[UserSessions] = Field(description="most sessions first, ties by id")


def _answer(found: Found) -> ActiveSessions:
    spread = {row["_id"]: row["users"] for row in found["spread"]}
    return ActiveSessions(
        window_seconds=seconds(ACTIVE),
        total=sum(row["sessions"] for row in found["spread"]),
        spread=SessionSpread(
            one=spread.get(1, 0), two=spread.get(2, 0), three_or_more=spread.get(3, 0)
        ),
        users=[UserSessions(user_id=row["_id"], sessions=row["sessions"]) for row in found["top"]],
    )


_HAS_SESSIONS: Final = {"$match": {"sessions": {"$gt": 0}}}

ACTIVE_SESSIONS: Final = Metric(
    name="active_sessions",
    summary="Users by their active sessions in the last 5 minutes, most sessions first",
    model=ActiveSessions,
    totals=ActiveSessionTotals,
    ranking=Ranking("users", shown=10),
    reads={
        "top": Read(
            USERS, [_HAS_SESSIONS, {"$sort": {"sessions": -1, "_id": 1}}, {"$limit": MAX_LISTED}]
        ),
        "spread": Read(
            USERS,
            [
                _HAS_SESSIONS,
                {
                    "$group": {
                        "_id": {"$min": ["$sessions", 3]},
                        "users": {"$sum": 1},
                        "sessions": {"$sum": "$sessions"},
                    }
                },
            ],
        ),
    },
    answer=_answer,
)
