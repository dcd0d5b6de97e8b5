"""Steps: the counts of what arrived in five seconds, verified and made anew.

A step has rows, in a few documents, and one head that says what they were made from. Whoever has
all heads of a window knows by a count of arrivals which steps miss an event that landed later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from shared import deadlines
from shared.clock import MAX_SKEW
from shared.metrics.engine.counts import (
    COLLECTION,
    HEADS_KEPT,
    MILLISECOND,
    STEP,
    head_of,
    rows_of,
)
from shared.metrics.engine.watermark import OvertakenError
from shared.storage.database import Database, Document, all_of, read_deadline, run_to_end, written

_DUPLICATE: Final = 11000

# Only by a later tick: one that was stopped for a while may not bring back what it had counted. A
# clock that is set far ahead may run one tick before that is noticed. What it made is replaced,
# for by MongoDB's own clock it is not made yet.
_IS_LATER: Final = {"$gte": ["$$new.made_at", "$made_at"]}
_IS_AHEAD: Final = {"$gt": ["$made_at", {"$add": ["$$NOW", MAX_SKEW // MILLISECOND]}]}
_KEEP_LATER: Final = [
    {"$replaceWith": {"$cond": [{"$or": [_IS_LATER, _IS_AHEAD]}, "$$new", "$$ROOT"]}}
]


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


Counted = tuple[Head, list[Document]]  # with its minutes


class Steps:
    """The steps of one database."""

    def __init__(self, database: Database) -> None:
        self._events = database.events
        self._steps = database.collection(COLLECTION)

    async def heads(
        self, since: datetime, until: datetime
    ) -> tuple[dict[datetime, Head], list[datetime]]:
        """Return the heads of the steps that begin in `[since, until]`, and those of no use.

        Of no use is what cannot be read, or claims what arrived, or was made, later than `until`.
        """
        async with read_deadline():
            found = await self._steps.find(
                {"_id": {"$gte": since, "$lte": until}}, {"until": 1, "events": 1, "made_at": 1}
            ).to_list(None)
        heads = {document["_id"]: _head(document, until) for document in found}
        good = {step: head for step, head in heads.items() if head}
        return good, [step for step in heads if step not in good]

    async def arrivals(self, since: datetime, until: datetime) -> int:
        """Count what arrived in `(since, until]`, from the index alone."""
        async with read_deadline():
            return await self._events.count_documents(
                {"received_at": {"$gt": since, "$lte": until}},
                maxTimeMS=deadlines.READ * 1000,
            )

    async def shortfalls(self, heads: Sequence[Head]) -> dict[datetime, int]:
        """Return by how many events which of these heads, oldest first, are short.

        By less than none where events have gone: a primary's writes may be rolled back.
        """
        if not heads:
            return {}
        arrived = await self.arrivals(heads[0].step, heads[-1].until)
        if arrived == sum(head.events for head in heads):
            return {}
        short = {h.step: await self.arrivals(h.step, h.until) - h.events for h in heads}
        return {step: events for step, events in short.items() if events}

    async def make_rows(self, step: datetime, until: datetime, made_at: datetime) -> None:
        """Count anew what arrived in `(step, until]`."""
        merge = {"$merge": {"into": COLLECTION, "whenMatched": _KEEP_LATER}}
        await run_to_end(self._events, [*rows_of(step, until, made_at), merge])

    async def are_empty(self, steps: Sequence[datetime]) -> bool:
        """Return whether nothing arrived from the first of these steps to the last."""
        arrived = {"received_at": {"$gt": steps[0], "$lte": steps[-1] + STEP}}
        async with read_deadline():
            return await self._events.find_one(arrived, {"_id": 1}) is None

    async def count(self, step: datetime, until: datetime, made_at: datetime) -> Counted:
        """Add up the rows that were made of a step then.

        Raise `OvertakenError` where some were made later: by a process whose clock is ahead, say,
        and that was killed before it published a head.
        """
        made = await all_of(self._steps, head_of(step, made_at))
        if not made:
            return Head(step, until, 0), []
        if made[0]["made_at"] > made_at:
            raise OvertakenError
        return Head(step, until, made[0]["events"]), made[0]["minutes"]

    async def publish(self, counted: Sequence[Counted], made_at: datetime) -> list[Head]:
        """Say what the rows of steps were made from; return the heads.

        Raise `OvertakenError` where a later tick has said so.
        """
        replace = [
            ReplaceOne(
                {"_id": head.step, "made_at": {"$not": {"$gt": made_at}}},
                {
                    "_id": head.step,
                    "until": head.until,
                    "events": head.events,
                    "minutes": minutes,
                    "made_at": made_at,
                    "expires_at": head.step + HEADS_KEPT,
                },
                upsert=True,
            )
            for head, minutes in counted
        ]
        try:
            await written(lambda: self._steps.bulk_write(replace, ordered=False))
        except BulkWriteError as error:
            if all(e["code"] == _DUPLICATE for e in error.details["writeErrors"]):
                raise OvertakenError from None
            raise
        return [head for head, _minutes in counted]

    async def forget(self, steps: Sequence[datetime], now: datetime) -> None:
        """Delete what was made of steps up to `now`, heads first: a step without is made anew."""
        wanted = {"$in": list(steps)}
        await written(lambda: self._steps.delete_many({"_id": wanted}))
        # Not what a later tick made: this may land late.
        old = {"step": wanted, "made_at": {"$not": {"$gt": now}}}
        await written(lambda: self._steps.delete_many(old))


def _head(document: Document, latest: datetime) -> Head | None:
    match document:
        case {
            "_id": datetime() as step,
            "until": datetime() as until,
            "events": int() as events,
            "made_at": datetime() as made_at,
        } if max(until, made_at) <= latest:
            return Head(step, until, events)
    return None
