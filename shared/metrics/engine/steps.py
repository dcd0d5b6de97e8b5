"""Steps: arrivals counted by five seconds once these are over, and recounted if any were missed.

A step is one document, written as a whole; without arrivals there is none. Comparing each step's
number of events with a count of arrivals shows which steps miss an event that landed later.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from shared import deadlines
from shared.metrics.engine.counts import COLLECTION, MILLISECOND, STEP, counted
from shared.storage.database import Database, Document, all_of, read_deadline, run_to_end, written

# A step only ever gains events. So of two versions of it the one with more is the later, whichever
# is written last, by whatever clock: a tick that was paused for a while does no harm.
_HAS_MORE: Final = {"$gte": ["$$new.events", "$events"]}
_KEEP_MORE: Final = [{"$replaceWith": {"$cond": [_HAS_MORE, "$$new", "$$ROOT"]}}]

Events = Mapping[datetime, int]  # by step


class Steps:
    """The steps of one database."""

    def __init__(self, database: Database) -> None:
        self._events = database.events
        self._steps = database.collection(COLLECTION)

    async def events(self, first: datetime, end: datetime) -> dict[datetime, int]:
        """Return the number of events in each step in `[first, end)`, from the index alone.

        Steps that cannot be read were not written by this release and are deleted.
        """
        async with read_deadline():
            found = await self._steps.find(
                {"_id": {"$gte": first, "$lt": end}},
                {"events": 1},
                batch_size=1000,  # more than there are in an hour
            ).to_list(None)
        made = {it["_id"]: it["events"] for it in found if isinstance(it.get("events"), int)}
        if len(made) < len(found):
            await self._delete({"events": {"$not": {"$type": ["int", "long"]}}})
        return made

    async def arrivals(self, since: datetime, until: datetime) -> int:
        """Count what arrived in `(since, until]`, from the index alone."""
        async with read_deadline():
            return await self._events.count_documents(
                {"received_at": {"$gt": since, "$lte": until}},
                maxTimeMS=deadlines.READ * 1000,
            )

    async def shortfalls(self, steps: Sequence[datetime], made: Events) -> dict[datetime, int]:
        """Return those of these consecutive steps that are short, and by how many events.

        The number is negative where events are gone: a primary's writes may be rolled back.
        """
        since, until = steps[0], steps[-1] + STEP
        if await self.arrivals(since, until) == sum(made.get(step, 0) for step in steps):
            return {}
        age = {"$subtract": ["$received_at", since + MILLISECOND]}  # a step has its end in it
        number = {"$floor": {"$divide": [age, STEP // MILLISECOND]}}
        arrived = await all_of(
            self._events,
            [
                {"$match": {"received_at": {"$gt": since, "$lte": until}}},
                {"$group": {"_id": number, "events": {"$sum": 1}}},
            ],
        )
        now = {since + int(row["_id"]) * STEP: row["events"] for row in arrived}
        short = {step: now.get(step, 0) - made.get(step, 0) for step in steps}
        return {step: events for step, events in short.items() if events}

    async def make(self, step: datetime) -> None:
        """Count a step anew."""
        merge = {"$merge": {"into": COLLECTION, "whenMatched": _KEEP_MORE}}
        await run_to_end(self._events, [*counted(step), merge])

    async def forget(self, steps: Sequence[datetime], made: Events) -> None:
        """Delete steps, which are then missing and recounted if anything arrived in them.

        Only those with an unchanged count, because this write may land late.
        """
        if steps:
            await self._delete({"$or": [{"_id": step, "events": made[step]} for step in steps]})

    async def _delete(self, condition: Document) -> None:
        await written(lambda: self._steps.delete_many(condition))
