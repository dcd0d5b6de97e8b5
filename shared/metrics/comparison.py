"""Comparison: what the stored snapshots nearest to 15 minutes and to a day before said."""

from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, Field, ValidationError

from shared.metrics.active_sessions import ActiveSessionTotals
from shared.metrics.active_users import ActiveUsers
from shared.metrics.engine.metric import Metric, Pipeline, Rows, Source
from shared.metrics.page_views import PageViews
from shared.schema import AsOf, Instant


class _Stored(BaseModel):
    """The part of a stored snapshot that is compared with."""

    as_of: Instant
    active_users: ActiveUsers
    page_views: PageViews
    active_sessions: ActiveSessionTotals


class Before(BaseModel):
    """The numbers of an earlier instant."""

    as_of: AsOf = Field(examples=["2026-11-22T14:15:00.098Z"])
    active_users: int = Field(description="distinct users then", examples=[40])
    page_views: int = Field(description="page views then", examples=[1100])
    active_sessions: int = Field(description="distinct sessions then", examples=[51])
    pages: dict[str, int] = Field(
        description="views then, of pages that were ranked then",
        examples=[{"/products/electronics": 190}],
    )


class Comparison(BaseModel):
    """The same numbers earlier; null where no snapshot was stored near that time."""

    previous: Before | None = Field(description="15 minutes before, within 30 s")
    yesterday: Before | None = Field(
        description="24 hours before, within 5 minutes", examples=[None]
    )


def _snapshot(before: timedelta, tolerance: timedelta) -> Source:
    def nearest(at: datetime) -> Pipeline:
        wanted = at - before
        near = {"$gte": wanted - tolerance, "$lte": wanted + tolerance}
        return [
            {"$match": {"as_of": near}},
            {"$set": {"off": {"$abs": {"$subtract": ["$as_of", wanted]}}}},
            {"$sort": {"off": 1}},
            {"$limit": 1},
        ]

    return Source("snapshots", nearest)


def _before(snapshots: Rows) -> Before | None:
    try:
        stored = _Stored.model_validate(snapshots[0])
    except (IndexError, ValidationError):  # none, or another release's
        return None
    return Before(
        as_of=stored.as_of,
        active_users=stored.active_users.count,
        page_views=stored.page_views.total,
        active_sessions=stored.active_sessions.total,
        pages={row.page_url: row.views for row in stored.page_views.top},
    )


def _answer(previous: Rows, yesterday: Rows) -> Comparison:
    return Comparison(previous=_before(previous), yesterday=_before(yesterday))


COMPARISON: Final = Metric(
    name="comparison",
    summary="The same numbers 15 minutes and 24 hours before",
    model=Comparison,
    totals=None,
    reads={
        "previous": _snapshot(timedelta(minutes=15), timedelta(seconds=30)),
        "yesterday": _snapshot(timedelta(hours=24), timedelta(minutes=5)),
    },
    answer=_answer,
)
