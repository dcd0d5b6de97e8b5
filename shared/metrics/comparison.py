"""Comparison: what the stored snapshots nearest to 15 minutes and to a day before said."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel, Field, ValidationError

from shared.metrics.active_sessions import ActiveSessionTotals
from shared.metrics.active_users import ActiveUsers
from shared.metrics.engine.source import Found, Metric, Pipeline, Read, Source
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


def _before(found: list[Mapping[str, Any]]) -> Before | None:
    try:
        stored = _Stored.model_validate(found[0])
    except (IndexError, ValidationError):  # none, or another release's
        return None
    return Before(
        as_of=stored.as_of,
        active_users=stored.active_users.count,
        page_views=stored.page_views.total,
        active_sessions=stored.active_sessions.total,
        pages={row.page_url: row.views for row in stored.page_views.top},
    )


def _answer(found: Found) -> Comparison:
    return Comparison(
        previous=_before([*found["previous"]]), yesterday=_before([*found["yesterday"]])
    )


_MINUTES_AGO: Final = _snapshot(timedelta(minutes=15), timedelta(seconds=30))
_A_DAY_AGO: Final = _snapshot(timedelta(hours=24), timedelta(minutes=5))

COMPARISON: Final = Metric(
    name="comparison",
    summary="The same numbers 15 minutes and 24 hours before",
    model=Comparison,
    totals=None,
    reads={"previous": Read(_MINUTES_AGO, []), "yesterday": Read(_A_DAY_AGO, [])},
    answer=_answer,
)
