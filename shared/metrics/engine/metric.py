"""What a metric says of itself: what it reads, what it answers, what of that is a ranking."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from shared.storage.database import Document

if TYPE_CHECKING:
    from shared.metrics.engine.last_seen import LastSeen

Pipeline = list[Document]
Rows = list[Document]  # what a pipeline found

MAX_LISTED: Final = 100  # rows of any ranking
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Source:
    """What is read at an instant: a pipeline over a collection. Metrics that share it read once."""

    collection: str
    pipeline: Callable[[datetime], Pipeline]
    hint: Document | None = None
    rollup: "LastSeen | None" = None  # what keeps the collection; None: raw documents, or steps


@dataclass(frozen=True)
class Ranking:
    """The field of an answer that ranks, and how many rows are shown unless more are asked for."""

    field: str
    shown: int


@dataclass(frozen=True, eq=False)
class Metric:
    """All that the engine and the API know of one metric.

    `answer` takes the rows of each of the `reads`, by its name, and returns the metric's part of
    the document, a `model`. `totals` is the model without the ranking, which is what snapshots
    show in the history; None: snapshots do without the metric.
    """

    name: str
    summary: str
    model: type[BaseModel]
    reads: Mapping[str, Source]
    answer: Callable[..., BaseModel]
    totals: type[BaseModel] | None
    ranking: Ranking | None = None

    @property
    def path(self) -> str:
        """Return where the metric is answered by itself."""
        return f"/v1/metrics/{self.name.replace('_', '-')}"


def within(at: datetime, length: timedelta) -> Document:
    """Return the condition of the window of `length` at `at`: `at − length < x ≤ at`."""
    return {"$gt": at - length, "$lte": at}


def number(rows: Rows, field: str) -> int:
    """Return a number of the only row, or 0 where there is none."""
    return int(rows[0][field]) if rows else 0


def fingerprint(*parts: Any) -> str:  # noqa: ANN401 - whatever a shape is made of
    """Return a short name for the shape of stored documents, which changes whenever they do."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=4).hexdigest()
