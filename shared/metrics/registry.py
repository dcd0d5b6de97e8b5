"""Every metric: a line here puts it into the document, its own route, snapshots and history."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, Field, create_model
from pymongo import IndexModel

from shared.metrics.active_sessions import ACTIVE_SESSIONS
from shared.metrics.active_users import ACTIVE_USERS
from shared.metrics.arrivals import ARRIVALS
from shared.metrics.carts import CARTS
from shared.metrics.comparison import COMPARISON
from shared.metrics.engine import counts
from shared.metrics.engine.metric import Metric, fingerprint
from shared.metrics.engine.tick import rollups_of
from shared.metrics.events import EVENTS
from shared.metrics.page_views import PAGE_VIEWS
from shared.schema import AsOf
from shared.storage.database import Document

METRICS: Final[Sequence[Metric]] = (
    ACTIVE_USERS,
    PAGE_VIEWS,
    ACTIVE_SESSIONS,
    EVENTS,
    ARRIVALS,
    CARTS,
    COMPARISON,
)


def _model(name: str, doc: str, fields: Mapping[str, Any]) -> type[BaseModel]:
    return create_model(name, __doc__=doc, as_of=(AsOf, ...), **fields)


Metrics: Final = _model(
    "Metrics",
    "Everything the dashboard shows, at one instant.",
    {metric.name: (metric.model, Field(description=metric.summary)) for metric in METRICS},
)
Snapshot: Final = _model(
    "Snapshot",
    "The metrics as they were stored, without rankings; null what that release did not know.",
    {
        metric.name: (metric.totals | None, Field(default=None, description=metric.summary))
        for metric in METRICS
        if metric.totals
    },
)
ANSWERS: Final[Mapping[str, type[BaseModel]]] = {
    metric.name: _model(
        f"{metric.model.__name__}Answer",
        f"`GET {metric.path}`.",
        {metric.name: (metric.model, Field(description=metric.summary))},
    )
    for metric in METRICS
}
# Keeps this release from taking another release's document for its own.
SHAPE: Final = fingerprint(Metrics.model_json_schema())


def indexes() -> dict[str, list[IndexModel]]:
    """Return the indexes of what is rolled up, by collection."""
    kept = {rollup.collection: rollup.indexes for rollup in rollups_of(METRICS)}
    return kept | {counts.COLLECTION: counts.INDEXES}


def shown(document: Document) -> Document:
    """Return the document with as many rows of each ranking as are shown unless asked for more."""
    parts = {m.name: shortened(m, document[m.name]) for m in METRICS}
    pages = {row["page_url"] for row in parts[PAGE_VIEWS.name]["top"]}
    parts[COMPARISON.name] = {
        when: before
        and before | {"pages": {url: n for url, n in before["pages"].items() if url in pages}}
        for when, before in parts[COMPARISON.name].items()
    }
    return {"as_of": document["as_of"]} | parts


def shortened(metric: Metric, part: Document, limit: int | None = None) -> Document:
    """Return a metric's part of the document with at most `limit` rows of its ranking."""
    if metric.ranking is None:
        return part
    field = metric.ranking.field
    return part | {field: part[field][: limit or metric.ranking.shown]}
