"""Events by type in the last 15 minutes; late and refused ones by their arrival."""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, Field

from shared.metrics.engine.counts import COUNTS
from shared.metrics.engine.source import (
    MAX_LISTED,
    Found,
    Metric,
    Pipeline,
    Read,
    Source,
    number,
    within,
)
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
    return [{"$match": {"late": True, "received_at": within(at, VIEWS)}}]


def _rejected(at: datetime) -> Pipeline:
    return [{"$match": {"rejected_at": within(at, VIEWS)}}]


def _answer(found: Found) -> EventCounts:
    return EventCounts(
        window_seconds=seconds(VIEWS),
        total=number(found["total"], "n"),
        types=number(found["total"], "types"),
        unlisted=number(found["total"], "unlisted"),
        by_type={row["_id"]: row["n"] for row in found["by_type"]},
        late=number(found["late"], "n"),
        rejected=number(found["rejected"], "n"),
    )


_OF_TYPE: Final = {"$group": {"_id": "$_id.t", "n": {"$sum": "$n"}}}
_LISTED: Final = {"$match": {"_id": {"$ne": None}}}
_UNLISTED: Final = {"$eq": ["$_id", None]}

EVENTS: Final = Metric(
    name="events",
    summary="Events by type in the last 15 minutes, with late and refused ones",
    model=EventCounts,
    totals=EventCounts,
    reads={
        "by_type": Read(
            COUNTS, [_OF_TYPE, _LISTED, {"$sort": {"n": -1, "_id": 1}}, {"$limit": MAX_LISTED}]
        ),
        "total": Read(
            COUNTS,
            [
                _OF_TYPE,
                {
                    "$group": {
                        "_id": None,
                        "n": {"$sum": "$n"},
                        "types": {"$sum": {"$cond": [_UNLISTED, 0, 1]}},
                        "unlisted": {"$sum": {"$cond": [_UNLISTED, "$n", 0]}},
                    }
                },
            ],
        ),
        "late": Read(Source("events", _late), [{"$count": "n"}]),
        "rejected": Read(
            Source("rejections", _rejected), [{"$group": {"_id": None, "n": {"$sum": "$count"}}}]
        ),
    },
    answer=_answer,
)
