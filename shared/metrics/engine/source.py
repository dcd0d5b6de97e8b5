"""What a metric says of itself: what it reads, what it answers, what of that is a ranking."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from pydantic import BaseModel
from pymongo import IndexModel

from shared.storage.database import Database, Document

Pipeline = list[Document]
Found = Mapping[str, list[Document]]  # what each read of a metric found

MAX_LISTED: Final = 100  # rows of any ranking
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Rollup(Protocol):
    """What a tick keeps up to date beside the steps, in a collection of its own."""

    @property
    def collection(self) -> str:
        """Return the collection's name."""

    @property
    def indexes(self) -> list[IndexModel]:
        """Return the collection's indexes, one with a TTL among them."""

    async def catch_up(
        self, database: Database, ends: Sequence[tuple[datetime, int]], now: datetime
    ) -> None:
        """Write what arrived since the last time up to `now`, in pieces, and keep each.

        `ends` are instants between, with the number of events that arrived since the one before.
        """

    async def move_back(self, database: Database, to: datetime) -> None:
        """Have what arrived after `to` written once more, at the next `catch_up`."""


@dataclass(frozen=True, eq=False)
class Source:
    """A collection, and the stages at some instant that all who read from it share."""

    collection: str
    stages: Callable[[datetime], Pipeline]
    hint: Document | None = None
    rollup: Rollup | None = None  # what keeps the collection; None: raw documents, or the steps


@dataclass(frozen=True)
class Read:
    """One reading of a metric: its own stages after those of the source."""

    source: Source
    stages: Pipeline


@dataclass(frozen=True)
class Ranking:
    """The field of an answer that ranks, and how many rows are shown unless more are asked for."""

    field: str
    shown: int


@dataclass(frozen=True, eq=False)
class Metric:
    """All that the engine and the API know of one metric.

    `answer` turns what the `reads` found, by their names, into the metric's part of the document,
    a `model`. `totals` is the model without the ranking, which is what snapshots show in the
    history; None: snapshots do without the metric.
    """

    name: str
    summary: str
    model: type[BaseModel]
    reads: Mapping[str, Read]
    answer: Callable[[Found], BaseModel]
    totals: type[BaseModel] | None
    ranking: Ranking | None = None

    @property
    def path(self) -> str:
        """Return where the metric is answered by itself."""
        return f"/v1/metrics/{self.name.replace('_', '-')}"


def within(at: datetime, length: timedelta) -> Document:
    """Return the condition of the window of `length` at `at`: `at − length < x ≤ at`."""
    return {"$gt": at - length, "$lte": at}


def number(found: list[Document], field: str) -> int:
    """Return a number of the only document found, or 0 where there is none."""
    return int(found[0][field]) if found else 0


def fingerprint(*parts: Any) -> str:  # noqa: ANN401 - whatever a shape is made of
    """Return a short name for the shape of stored documents, which changes whenever they do."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=4).hexdigest()
