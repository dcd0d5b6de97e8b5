"""Last seen: one document per key, with the latest times at which something happened.

A tick upserts what arrived since the watermark. `$max` keeps the latest of each time, so upserting
the same arrivals twice changes nothing. TTL deletes documents that have left the window; readers
filter by time all the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import IndexModel

from shared.metrics.engine import watermark
from shared.metrics.engine.counts import STEP
from shared.metrics.engine.metric import EPOCH, Pipeline, Source, fingerprint, within
from shared.metrics.engine.steps import Events
from shared.metrics.engine.watermark import Watermark
from shared.storage.database import Database, Document, run_to_end, ttl

# TTL goes by MongoDB's clock, which may be ahead of ours, and a tick reads the window of the
# instant at which it began. So a document is kept for so long after its window has passed.
SPARED: Final = timedelta(minutes=1)
MAX_UPSERTED: Final = 50_000  # events at once: 2 s of mongod, and that much is kept

# A user's session, as one string: an `_id` that is a document takes a third more to upsert. No id
# has a line break in it; an event without a session keeps its user seen under the bare id.
SESSION: Final[Document] = {
    "$cond": [
        {"$ifNull": ["$session_id", False]},
        {"$concat": ["$user_id", "\n", "$session_id"]},
        "$user_id",
    ]
}


@dataclass(frozen=True, eq=False)
class LastSeen:
    """What is remembered by key of the events that `match`, for as long as `window`.

    `times` are expressions over an event, each a time or null; of each the latest is kept.
    `constants` are accumulators of what is the same in all events of a key.
    """

    name: str
    window: timedelta
    times: Mapping[str, Any] = field(default_factory=dict)
    key: Document = field(default_factory=lambda: SESSION)
    match: Document = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)

    @property
    def collection(self) -> str:
        """Return the name of the collection, which tells what is written into it."""
        return f"{self.name}_{fingerprint(self.upsert(EPOCH, EPOCH, EPOCH), watermark.FIELDS)}"

    @property
    def indexes(self) -> list[IndexModel]:
        """Return what deletes documents a minute after their window has passed."""
        return [ttl("last_event_at", int((self.window + SPARED).total_seconds()))]

    def upsert(self, since: datetime, until: datetime, at: datetime) -> Pipeline:
        """Return the stages, on `events`, for what arrived in `(since, until]`."""
        arrived = {"received_at": {"$gt": since, "$lte": until}}
        times = {name: {"$max": time} for name, time in self._times.items()}
        return [
            {"$match": arrived | {"occurred_at": {"$gt": at - self.window}} | self.match},
            {"$group": {"_id": self.key, **times, **self.constants}},
        ]

    def source(self, stages: Callable[[datetime], Pipeline]) -> Source:
        """Return what metrics read: the documents in the window, followed by `stages`.

        `stages` gets the window's trailing edge: `times` up to it are outside the window.
        """

        def seen(at: datetime) -> Pipeline:
            edge = at - self.window
            return [{"$match": {"last_event_at": within(at, self.window)}}, *stages(edge)]

        # By a scan of the collection, which holds little else: the index costs a fetch for each.
        return Source(self.collection, seen, hint={"$natural": 1}, rollup=self)

    @property
    def _times(self) -> Mapping[str, Any]:
        return {"last_event_at": "$occurred_at", **self.times}

    def _merge(self) -> Document:
        latest = {name: {"$max": [f"${name}", f"$$new.{name}"]} for name in self._times}
        return {"$merge": {"into": self.collection, "whenMatched": [{"$set": latest}]}}

    async def catch_up(
        self, database: Database, mark: Watermark, since: datetime, made: Events, at: datetime
    ) -> None:
        """Upsert arrivals from `since` to `at` in pieces; move `mark` after all but the last."""
        since = max(since, at - self.window)
        for until in _pieces(since, made, at):
            await run_to_end(database.events, [*self.upsert(since, until, at), self._merge()])
            if until < at:
                await mark.move(until)
            since = until


def _pieces(since: datetime, made: Events, at: datetime) -> list[datetime]:
    """Return where to stop on the way from `since` to `at`: each piece upserts so many events."""
    stops: list[datetime] = []
    upserted = 0
    for step in sorted(made):
        if since < step + STEP < at:
            upserted += made[step]
            if upserted >= MAX_UPSERTED:
                stops.append(step + STEP)
                upserted = 0
    return [*stops, at]
