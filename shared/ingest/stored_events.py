"""The newest stored events: for whoever asks whether an event has arrived."""

from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, Field
from pymongo import DESCENDING

from shared import deadlines
from shared.schema import AsOf, Instant
from shared.storage.database import Database, Document, read_deadline

_OURS: Final = {"_id", "receipt"}  # fields of the document that no client has sent


class StoredEvent(BaseModel):
    """One event as it is stored: what the client sent, and what the service knows of it."""

    received_at: Instant = Field(description="the server's clock when it was taken")
    occurred_at: Instant = Field(description="the earlier of timestamp and received_at")
    late: bool = Field(description="older than every window when it arrived", examples=[False])
    timestamp: Instant = Field(description="when it happened, as the client said")
    user_id: str = Field(description="who did it", examples=["usr_789"])
    event_type: str = Field(description="what was done", examples=["page_view"])
    page_url: str = Field(description="on which page", examples=["/products/electronics"])
    session_id: str | None = Field(
        default=None, description="in which session", examples=["sess_456"]
    )
    event_id: str | None = Field(
        default=None, description="the client's id of it", examples=["order-1017-page-3"]
    )
    properties: dict[str, Any] | None = Field(
        default=None, description="what the client said besides", examples=[{"price": 129.95}]
    )


class StoredEvents(BaseModel):
    """`GET /v1/events`: the newest stored events first."""

    as_of: AsOf
    events: list[StoredEvent] = Field(description="newest arrival first")


async def newest_events(
    database: Database, at: datetime, limit: int, user_id: str | None
) -> StoredEvents:
    """Read the newest events by arrival, of one user or of all."""
    query = {} if user_id is None else {"user_id": {"$eq": user_id}}
    async with read_deadline():
        found = (
            await database.events.find(query, max_time_ms=deadlines.READ * 1000)
            .sort([("received_at", DESCENDING)])
            .limit(limit)
            .to_list(limit)
        )
    return StoredEvents(as_of=at, events=[_shown(document) for document in found])


def _shown(document: Document) -> StoredEvent:
    fields = {"late": False} | {n: value for n, value in document.items() if n not in _OURS}
    if isinstance(document["_id"], str):
        fields["event_id"] = document["_id"]
    return StoredEvent(**fields)
