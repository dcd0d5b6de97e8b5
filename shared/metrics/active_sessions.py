"""Active sessions: distinct sessions of each user in the last 5 minutes."""

from typing import Final

from pydantic import BaseModel, Field

from shared.metrics.engine.metric import MAX_LISTED, Metric, Ranking, Rows
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


def _answer(users: Rows) -> ActiveSessions:
    of = {row["_id"]: row["users"] for row in users if row["_id"]}  # 0: without any session
    ranked = [
        UserSessions(user_id=user, sessions=row["_id"])
        for row in sorted(users, key=lambda row: -row["_id"])
        for user in sorted(row["first"])
        if row["_id"]
    ]
    one, two = of.get(1, 0), of.get(2, 0)
    return ActiveSessions(
        window_seconds=seconds(ACTIVE),
        total=sum(sessions * number for sessions, number in of.items()),
        spread=SessionSpread(one=one, two=two, three_or_more=sum(of.values()) - one - two),
        users=ranked[:MAX_LISTED],
    )


ACTIVE_SESSIONS: Final = Metric(
    name="active_sessions",
    summary="Users by their active sessions in the last 5 minutes, most sessions first",
    model=ActiveSessions,
    totals=ActiveSessionTotals,
    ranking=Ranking("users", shown=10),
    reads={"users": USERS},
    answer=_answer,
)
