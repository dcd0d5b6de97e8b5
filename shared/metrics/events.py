"""Events by type in the last 15 minutes; late and refused ones by their arrival."""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, Field

from shared.metrics.engine.metric import Metric, Pipeline, Rows, Source, number, within
from shared.metrics.engine.window import WINDOW, Counted
from shared.schema import PAGE_VIEW, WindowSeconds
from shared.windows import VIEWS, seconds


class EventCounts(BaseModel):
    """Events by type in the window; `late` and `rejected` count by arrival.

    `by_type` names the 100 most frequent types; `total` and `types` count them all.
    """

    window_seconds: WindowSeconds = Field(examples=[900])
    total: int = Field(description="events of every type", examples=[1314])
    types: int = Field(description="distinct types", examples=[2])
    unlisted: int = Field(
        default=0,
        description="events in `total` whose type `types` and `by_type` lack: of five seconds with "
        "more types and pages than there was room for; 0: all are exact",
        examples=[0],
    )
    by_type: dict[str, int] = Field(
        description="events of each of the 100 most frequent types, most first",
        examples=[{PAGE_VIEW: 1234, "add_to_cart": 80}],
    )
    late: int = Field(
        description="events that were older than every window when they arrived", examples=[2]
    )
    rejected: int = Field(description="events that were refused", examples=[1])


def _late(at: datetime) -> Pipeline:
    return [{"$match": {"late": True, "received_at": within(at, VIEWS)}}, {"$count": "n"}]


def _rejected(at: datetime) -> Pipeline:
    return [
        {"$match": {"rejected_at": within(at, VIEWS)}},
        {"$group": {"_id": None, "n": {"$sum": "$count"}}},
    ]


def _answer(window: Rows, late: Rows, rejected: Rows) -> EventCounts:
    types = Counted.of(window[0] if window else None)
    return EventCounts(
        window_seconds=seconds(VIEWS),
        total=types.n,
        types=types.names,
        unlisted=types.unnamed,
        by_type=types.top,
        late=number(late, "n"),
        rejected=number(rejected, "n"),
    )


EVENTS: Final = Metric(
    name="events",
    summary="Events by type in the last 15 minutes, with late and refused ones",
    model=EventCounts,
    totals=EventCounts,
    reads={
        "window": WINDOW,
        "late": Source("events", _late),
        "rejected": Source("rejections", _rejected),
    },
    answer=_answer,
)
