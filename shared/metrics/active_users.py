"""Active users: distinct users with any event in the last 5 minutes."""

from typing import Final

from pydantic import BaseModel, Field

from shared.metrics.engine.metric import Metric, Rows
from shared.metrics.sessions import USERS
from shared.schema import WindowSeconds
from shared.windows import ACTIVE, seconds


class ActiveUsers(BaseModel):
    """Distinct users with any event in the window."""

    window_seconds: WindowSeconds
    count: int = Field(description="distinct users", examples=[42])


def _answer(users: Rows) -> ActiveUsers:
    return ActiveUsers(window_seconds=seconds(ACTIVE), count=sum(row["users"] for row in users))


ACTIVE_USERS: Final = Metric(
    name="active_users",
    summary="Distinct users in the last 5 minutes",
    model=ActiveUsers,
    totals=ActiveUsers,
    reads={"users": USERS},
    answer=_answer,
)
