"""Arrivals: events accepted in the last minute, and when the newest came."""

from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, Field

from shared.metrics.engine.metric import Metric, Pipeline, Rows, Source, number
from shared.metrics.engine.window import arrivals_of
from shared.schema import Instant, WindowSeconds
from shared.windows import seconds

_WINDOW: Final = timedelta(minutes=1)


class Arrivals(BaseModel):
    """Accepted events by arrival in the window."""

    window_seconds: WindowSeconds = Field(examples=[60])
    count: int = Field(description="events accepted in the window", examples=[1188])
    last_at: Instant | None = Field(description="when the newest arrived; null: none is stored")


def _newest(at: datetime) -> Pipeline:
    return [
        {"$match": {"received_at": {"$lte": at}}},
        {"$sort": {"received_at": -1}},
        {"$limit": 1},
        {"$project": {"_id": 0, "received_at": 1}},
    ]


def _answer(arrived: Rows, newest: Rows) -> Arrivals:
    return Arrivals(
        window_seconds=seconds(_WINDOW),
        count=number(arrived, "n"),
        last_at=newest[0]["received_at"] if newest else None,
    )


ARRIVALS: Final = Metric(
    name="arrivals",
    summary="Events accepted in the last minute, and when the newest arrived",
    model=Arrivals,
    totals=Arrivals,
    reads={"arrived": arrivals_of(_WINDOW), "newest": Source("events", _newest)},
    answer=_answer,
)
