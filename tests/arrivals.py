"""Events that have arrived, and what every metric must be then."""

import copy
import inspect
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from bson import ObjectId

from shared.metrics.engine.tick import Ticker
from shared.metrics.engine.watermark import OvertakenError
from shared.metrics.registry import METRICS
from shared.storage.database import Collection, Database
from tests.oracle import expected_metrics, shown_metrics


class KilledError(Exception):
    """The process was killed here."""


def event(**fields: Any) -> dict[str, Any]:
    """Make a page view, for `stored`; `age` is in seconds."""
    return {"user_id": "u", "event_type": "page_view", "page_url": "/", "session_id": "s"} | fields


def stored(at: datetime, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the documents of events that arrived at `at`, as ingest would store them."""
    documents = []
    for fields in events:
        occurred_at = at - timedelta(seconds=fields["age"])
        document = {
            "_id": ObjectId(),
            **{name: value for name, value in fields.items() if name != "age"},
            "received_at": at,
            "occurred_at": occurred_at,
        }
        if occurred_at <= at - timedelta(minutes=15):
            document["late"] = True
        documents.append(document)
    return documents


async def arrive(database: Database, at: datetime, events: Sequence[dict[str, Any]]) -> None:
    """Store events that arrived at `at`, as the event log would."""
    if events:
        await database.events.insert_many(stored(at, events))


async def tick(database: Database, at: datetime) -> dict[str, Any]:
    """Return the document of a tick, by a process that has just started.

    It ticks again, a second later, where one that died had overtaken it: with an operation on its
    way, or by a clock that was ahead.
    """
    try:
        return await Ticker(database, METRICS, lambda: at).tick()
    except OvertakenError:
        return await tick(database, at + timedelta(seconds=1))


async def assert_exact(database: Database, document: dict[str, Any], limit: int = 100) -> None:
    """Hold every metric of a document against a brute-force count at its instant."""
    expected = expected_metrics(
        await database.events.find({}).to_list(None),
        document["as_of"],
        await database.rejections.find({}).to_list(None),
    )
    for ranking in ("pages", "users"):
        expected[ranking] = expected[ranking][:limit]
    assert shown_metrics(document, document, document) == expected


Told = Callable[[str], Awaitable[None] | None]


class Tap:
    """A collection of which each operation is first told to somebody, who may hold it back."""

    def __init__(self, collection: Collection, told: Told) -> None:
        self._collection = collection
        self._told = told

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        """Tell the operation, and do it."""
        do = cast("Callable[..., Any]", getattr(self._collection, operation))
        waiting = self._told(operation)
        if waiting is None:
            return do

        async def wait_and_do(*arguments: Any, **options: Any) -> Any:
            await waiting
            result = do(*arguments, **options)
            return await result if inspect.isawaitable(result) else result

        return wait_and_do


def tapped(database: Database, told: Told) -> Database:
    """Return the database with each operation on it told before it is done."""
    tapped = copy.copy(database)
    for name in ("events", "rejections", "snapshots", "latest", "leases"):
        setattr(tapped, name, Tap(getattr(database, name), told))
    collection = database.collection
    tapped.collection = lambda name: cast("Collection", Tap(collection(name), told))  # type: ignore[method-assign]
    return tapped
