"""Open carts: sessions that put something into a cart and have not bought since, in 10 minutes."""

from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel, Field

from shared.metrics.engine.last_seen import LastSeen
from shared.metrics.engine.metric import Metric, Pipeline, Rows, number
from shared.schema import WindowSeconds
from shared.windows import seconds

_WINDOW: Final = timedelta(minutes=10)


class Carts(BaseModel):
    """Distinct sessions in the window; an event without a session fills no cart."""

    window_seconds: WindowSeconds = Field(examples=[600])
    open: int = Field(
        description="with an add_to_cart, and no purchase at that time or later", examples=[17]
    )
    carts: int = Field(description="with an add_to_cart", examples=[24])
    purchases: int = Field(description="with a purchase", examples=[8])


def _time_of(event_type: str) -> dict[str, Any]:
    return {"$cond": [{"$eq": ["$event_type", event_type]}, "$occurred_at", None]}


def _of_window(edge: datetime) -> Pipeline:
    """Count the sessions; a time that is null or missing is less than any."""

    def sessions(*conditions: dict[str, Any]) -> dict[str, Any]:
        return {"$sum": {"$cond": [{"$and": conditions}, 1, 0]}}

    added = {"$gt": ["$added_at", edge]}
    return [
        {
            "$group": {
                "_id": None,
                "open": sessions(added, {"$gt": ["$added_at", "$bought_at"]}),
                "carts": sessions(added),
                "purchases": sessions({"$gt": ["$bought_at", edge]}),
            }
        }
    ]


def _answer(sessions: Rows) -> Carts:
    counts = {name: number(sessions, name) for name in ("open", "carts", "purchases")}
    return Carts(window_seconds=seconds(_WINDOW), **counts)


_SESSIONS: Final = LastSeen(
    "carts",
    window=_WINDOW,
    match={"event_type": {"$in": ["add_to_cart", "purchase"]}, "session_id": {"$exists": True}},
    times={"added_at": _time_of("add_to_cart"), "bought_at": _time_of("purchase")},
)

CARTS: Final = Metric(
    name="carts",
    summary="Sessions with an open cart in the last 10 minutes",
    model=Carts,
    totals=Carts,
    reads={"sessions": _SESSIONS.source(_of_window)},
    answer=_answer,
)
