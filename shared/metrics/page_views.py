"""Page views by URL: events of type `page_view` in the last 15 minutes, by `page_url` as sent."""

from typing import Final

from pydantic import BaseModel, Field

from shared.metrics.engine.metric import Metric, Ranking, Rows
from shared.metrics.engine.window import WINDOW, Counted
from shared.schema import WindowSeconds
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


def _answer(window: Rows) -> PageViews:
    views = Counted.of(window[0]["page_views"] if window else None)
    return PageViews(
        window_seconds=seconds(VIEWS),
        total=views.n,
        pages=views.names,
        unranked=views.unnamed,
        top=[PageCount(page_url=url, views=n) for url, n in views.top.items()],
    )


PAGE_VIEWS: Final = Metric(
    name="page_views",
    summary="Page views by URL in the last 15 minutes, most viewed first",
    model=PageViews,
    totals=PageViewTotals,
    ranking=Ranking("top", shown=5),
    reads={"window": WINDOW},
    answer=_answer,
)
