"""Page views by URL: events of type `page_view` in the last 15 minutes, by `page_url` as sent."""

from typing import Final

from pydantic import BaseModel, Field

from shared.metrics.engine.counts import COUNTS
from shared.metrics.engine.source import MAX_LISTED, Found, Metric, Ranking, Read, number
from shared.schema import PAGE_VIEW, WindowSeconds
from shared.windows import VIEWS, seconds


class PageViewTotals(BaseModel):
    """`PageViews` without its ranking."""

    window_seconds: WindowSeconds = Field(examples=[900])
    total: int = Field(description="views of all pages", examples=[1234])
    pages: int = Field(description="distinct pages viewed", examples=[87])
    unranked: int = Field(
        default=0,
        description="views in `total` that no page was told apart for, and `pages` and the ranking "
        "lack: of five seconds with more pages than there was room for; 0: all are exact",
        examples=[0],
    )


class PageCount(BaseModel):
    """How often one page was viewed."""

    page_url: str = Field(
        description="the page, exactly as it was sent", examples=["/products/electronics"]
    )
    views: int = Field(description="how often it was viewed", examples=[210])


class PageViews(PageViewTotals):
    """Views of pages in the window; `top` is most viewed first, ties by URL."""

    top: list[PageCount] = Field(description="most viewed first, ties by URL")


def _answer(found: Found) -> PageViews:
    return PageViews(
        window_seconds=seconds(VIEWS),
        total=number(found["total"], "views"),
        pages=number(found["total"], "pages"),
        unranked=number(found["total"], "unranked"),
        top=[PageCount(page_url=row["_id"]["p"], views=row["n"]) for row in found["top"]],
    )


_VIEWED: Final = {"$match": {"_id.t": PAGE_VIEW}}
_RANKED: Final = {"$match": {"_id.t": PAGE_VIEW, "_id.p": {"$ne": None}}}
_UNRANKED: Final = {"$eq": ["$_id.p", None]}

PAGE_VIEWS: Final = Metric(
    name="page_views",
    summary="Page views by URL in the last 15 minutes, most viewed first",
    model=PageViews,
    totals=PageViewTotals,
    ranking=Ranking("top", shown=5),
    reads={
        "top": Read(COUNTS, [_RANKED, {"$sort": {"n": -1, "_id.p": 1}}, {"$limit": MAX_LISTED}]),
        "total": Read(
            COUNTS,
            [
                _VIEWED,
                {
                    "$group": {
                        "_id": None,
                        "views": {"$sum": "$n"},
                        "pages": {"$sum": {"$cond": [_UNRANKED, 0, 1]}},
                        "unranked": {"$sum": {"$cond": [_UNRANKED, "$n", 0]}},
                    }
                },
            ],
        ),
    },
    answer=_answer,
)
