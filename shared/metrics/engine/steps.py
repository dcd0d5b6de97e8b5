"""Steps: what arrived in five seconds, counted by bucket of event time, type and page.

A step has rows, in a few documents, and one head that says what they were made from. Whoever has
all heads of a window knows by a count of arrivals which steps miss an event that landed later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared import deadlines
from shared.metrics.engine.source import EPOCH, Pipeline, Source, fingerprint
from shared.schema import PAGE_VIEW
from shared.storage.database import (
    Database,
    Document,
    all_of,
    index,
    read_deadline,
    run_to_end,
    ttl,
    written,
)
from shared.windows import VIEWS

STEP: Final = timedelta(seconds=5)
HOUR: Final = timedelta(minutes=60)  # how far back minutes of event time are counted
_ROWS_KEPT: Final = VIEWS + timedelta(minutes=10)
_HEADS_KEPT: Final = HOUR + timedelta(minutes=15)
_CHUNK: Final = 128  # bytes of URL that a row may have, on average, in one document

_IS_VIEW: Final = {"$eq": ["$event_type", PAGE_VIEW]}
_BUCKET: Final = {
    "$subtract": [
        "$occurred_at",
        {"$mod": [{"$toLong": "$occurred_at"}, STEP // timedelta(milliseconds=1)]},
    ]
}


@dataclass(frozen=True)
class Head:
    """What the rows of a step were made from: the `events` that arrived in `(step, until]`."""

    step: datetime
    until: datetime
    events: int

    @property
    def is_closed(self) -> bool:
        """Return whether the step is over; an open one is made anew at each tick."""
        return self.until == self.step + STEP


def step_of(instant: datetime) -> datetime:
    """Return the beginning of the step that `instant` is in."""
    return datetime.fromtimestamp(instant.timestamp() // STEP.seconds * STEP.seconds, UTC)


def whole_step_after(instant: datetime) -> datetime:
    """Return the first beginning of a step that is not before `instant`."""
    begin = step_of(instant)
    return begin if begin == instant else begin + STEP


def rows_of(step: datetime, until: datetime, made_at: datetime) -> Pipeline:
    """Count the arrivals of a step, on `events`.

    What is too old for every window needs no page, and what is older than an hour no bucket. A
    document holds the rows of one bucket, and long URLs are spread over several by their hash, so
    that 80,000 different ones fit whatever their length: a document has 16 MB.
    """
    bucket = {"$cond": [{"$gt": ["$occurred_at", step - HOUR]}, _BUCKET, None]}
    in_window = {"$gt": ["$occurred_at", step - VIEWS]}
    page = {"$cond": [{"$and": [_IS_VIEW, in_window]}, "$page_url", None]}
    chunks = {
        "$add": [
            1,
            {"$floor": {"$divide": [{"$strLenBytes": {"$ifNull": ["$_id.p", ""]}}, _CHUNK]}},
        ]
    }
    chunk = {"$mod": [{"$toHashedIndexKey": "$_id.p"}, chunks]}
    views = {"$cond": [{"$eq": ["$_id.t", PAGE_VIEW]}, "$n", 0]}
    return [
        {"$match": {"received_at": {"$gt": step, "$lte": until}}},
        {"$group": {"_id": {"b": bucket, "t": "$event_type", "p": page}, "n": {"$sum": 1}}},
        {
            "$group": {
                "_id": {"b": "$_id.b", "c": chunk},
                "events": {"$sum": "$n"},
                "page_views": {"$sum": views},
                "rows": {"$push": {"t": "$_id.t", "p": "$_id.p", "n": "$n"}},
            }
        },
        {
            "$project": {
                "_id": {"step": step, "bucket": "$_id.b", "chunk": "$_id.c"},
                "step": step,
                "bucket": "$_id.b",
                "events": 1,
                "page_views": 1,
                "rows": 1,
                "made_at": made_at,
                "expires_at": step + _ROWS_KEPT,
            }
        },
    ]


# Only by a later tick: one that was stopped for a while may not bring back what it had counted.
_KEEP_LATER: Final = [
    {"$replaceWith": {"$cond": [{"$gte": ["$$new.made_at", "$made_at"]}, "$$new", "$$ROOT"]}}
]


def head_of(step: datetime) -> Pipeline:
    """Add up the rows of a step, by minute of event time: `{"events", "minutes": […]}`."""
    minute = {"$dateTrunc": {"date": "$bucket", "unit": "minute"}}  # null for null
    counts = ("events", "page_views")
    return [
        {"$match": {"step": step}},
        {
            "$group": {
                "_id": minute,
                **{name: {"$sum": f"${name}"} for name in counts},
            }
        },
        {
            "$group": {
                "_id": None,
                "events": {"$sum": "$events"},
                "minutes": {
                    "$push": {"minute": "$_id", "events": "$events", "page_views": "$page_views"}
                },
            }
        },
    ]


INDEXES: Final = [ttl("expires_at", 0), index("bucket"), index("step")]
COLLECTION: Final = "steps_" + fingerprint(rows_of(EPOCH, EPOCH, EPOCH), head_of(EPOCH))


def _counts(at: datetime) -> Pipeline:
    """Add up all events of the window by type and page: `{"_id": {"t", "p"}, "n"}`.

    Buckets inside the window count as a whole; the one that the window's trailing edge cuts is
    counted from raw events.
    """
    edge = at - VIEWS
    first = step_of(edge) + STEP
    page = {"$cond": [_IS_VIEW, "$page_url", None]}
    cut = [
        {"$match": {"occurred_at": {"$gt": edge, "$lt": first}, "received_at": {"$lte": at}}},
        {"$group": {"_id": {"t": "$event_type", "p": page}, "n": {"$sum": 1}}},
    ]
    return [
        {"$match": {"bucket": {"$gte": first, "$lte": at}}},
        {"$project": {"rows": 1}},
        {"$unwind": "$rows"},
        {"$group": {"_id": {"t": "$rows.t", "p": "$rows.p"}, "n": {"$sum": "$rows.n"}}},
        {"$unionWith": {"coll": "events", "pipeline": cut}},
        {"$group": {"_id": "$_id", "n": {"$sum": "$n"}}},
    ]


COUNTS: Final = Source(COLLECTION, _counts)


class Steps:
    """The steps of one database."""

    def __init__(self, database: Database) -> None:
        self._events = database.events
        self._steps = database.collection(COLLECTION)

    async def heads(
        self, since: datetime, until: datetime
    ) -> tuple[dict[datetime, Head], list[datetime]]:
        """Return the heads of the steps that begin in `[since, until]`, and those of no use.

        Of no use is what cannot be read, or claims what arrived later than `until`.
        """
        async with read_deadline():
            found = await self._steps.find(
                {"_id": {"$gte": since, "$lte": until}}, {"until": 1, "events": 1}
            ).to_list(None)
        heads = {document["_id"]: _head(document) for document in found}
        good = {step: head for step, head in heads.items() if head and head.until <= until}
        return good, [step for step in heads if step not in good]

    async def arrivals(self, since: datetime, until: datetime) -> int:
        """Count what arrived in `(since, until]`, from the index alone."""
        async with read_deadline():
            return await self._events.count_documents(
                {"received_at": {"$gt": since, "$lte": until}},
                maxTimeMS=deadlines.READ * 1000,
            )

    async def missed(self, heads: Sequence[Head]) -> dict[datetime, int]:
        """Return, by step, how many events those heads lack that disagree with a count by arrival.

        Fewer than none where events have gone, which happens when a primary's writes roll back.
        """
        if not heads:
            return {}
        arrived = await self.arrivals(heads[0].step, heads[-1].until)
        if arrived == sum(head.events for head in heads):
            return {}
        lacking = {h.step: await self.arrivals(h.step, h.until) - h.events for h in heads}
        return {step: events for step, events in lacking.items() if events}

    async def make_rows(self, step: datetime, until: datetime, now: datetime) -> None:
        """Count anew what arrived in `(step, until]`."""
        merge = {"$merge": {"into": COLLECTION, "whenMatched": _KEEP_LATER}}
        await run_to_end(self._events, [*rows_of(step, until, now), merge])

    async def make_head(self, step: datetime, until: datetime) -> Head:
        """Publish a step: say what its rows were made from."""
        [made] = await all_of(self._steps, head_of(step)) or [{"events": 0, "minutes": []}]
        head = made | {"_id": step, "until": until, "expires_at": step + _HEADS_KEPT}
        await written(lambda: self._steps.replace_one({"_id": step}, head, upsert=True))
        return Head(step, until, made["events"])

    async def forget(self, steps: Sequence[datetime]) -> None:
        """Delete steps, heads first: one that is half deleted is then made anew."""
        wanted = {"$in": list(steps)}
        await written(lambda: self._steps.delete_many({"_id": wanted}))
        await written(lambda: self._steps.delete_many({"step": wanted}))


def _head(document: Document) -> Head | None:
    step, until, events = (document.get(name) for name in ("_id", "until", "events"))
    if isinstance(step, datetime) and isinstance(until, datetime) and isinstance(events, int):
        return Head(step, until, events)
    return None


def arrivals_of(length: timedelta) -> Source:
    """Return the number of events that arrived in the last `length`: `[{"n"}]`."""

    def stages(at: datetime) -> Pipeline:
        first = whole_step_after(at - length)
        cut = [
            {"$match": {"received_at": {"$gt": at - length, "$lte": first}}},
            {"$group": {"_id": None, "n": {"$sum": 1}}},
        ]
        return [
            {"$match": {"_id": {"$gte": first, "$lte": at}}},
            {"$group": {"_id": None, "n": {"$sum": "$events"}}},
            {"$unionWith": {"coll": "events", "pipeline": cut}},
            {"$group": {"_id": None, "n": {"$sum": "$n"}}},
        ]

    return Source(COLLECTION, stages)
