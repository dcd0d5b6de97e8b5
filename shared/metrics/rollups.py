"""Rollups: what has been counted of the events that arrived up to some instant.

A rollup is published as one document when all its parts are written, and its parts are never
changed; half-written ones belong to nobody and go by TTL. Nothing is incremented, so a rollup made
twice, by two processes at once or after a kill, only replaces itself. All of it can be deleted at
any time: answers then come from raw events, and rollups are made anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final, Self

from bson import ObjectId

from shared.metrics.courtesy import GiveWay, at_once
from shared.metrics.pipelines import bucket_end
from shared.storage.database import MAX_READ_SECONDS, Database, Document, read_deadline
from shared.windows import ACTIVE, LONGEST, VIEWS

KEPT: Final = 2 * LONGEST  # a rollup and its segment
STATE_KEPT: Final = 2 * ACTIVE  # a state is 60 bytes a session, and made every five seconds
# A rollup's totals hold what is in every window up to so long after its end. The longer, the more
# is left to look at one by one; the schedule needs 7 s, and has 13 s to be late.
VALID: Final = timedelta(seconds=20)

# Count up the form when the parts of a rollup change: those of another release then serve nobody.
_KIND: Final = {"kind": "rollup", "form": 6}
# How far back from its end a chain is held against the arrivals at each use. An append is answered
# within 15 s of its arrival, and when the newest rollup was made everything before it was held
# against the arrivals too: what has landed since arrived in its last 15 s or later.
AUDITED: Final = timedelta(seconds=20)
# 30 s of arrivals: 150,000 at 5,000 a second take 40 ms. All of a window at once held up answers.
_COUNTED_AT_ONCE: Final = 6


@dataclass(frozen=True)
class Counted:
    """All events that arrived in `(since, until]`, counted by page and type."""

    since: datetime
    until: datetime
    segment: ObjectId  # owner of the counts
    events: int  # that the segment was made from

    @classmethod
    def of(cls, document: Document) -> Self:
        """Read what was published."""
        return cls(**{field.name: document[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class Rollup(Counted):
    """Also all sessions active at `until`, and totals."""

    state: list[ObjectId] | None  # owners of the sessions, by part; None: mended in a later rollup
    firm: ObjectId | None  # the document with the totals of firm users; None: as above
    total: ObjectId | None  # owner of the counts of all segments up to `until`; None: as above
    known: int  # users in the state
    entries: int  # sessions in the state
    hot: list[str]  # users whose sessions are in many rows of the state

    def has_totals_for(self, at: datetime) -> bool:
        """Tell whether the totals serve a window at `at`."""
        return at <= self.until + VALID

    def arrivals_by(self, at: datetime) -> float:
        """Guess how many events have arrived between the end and `at`."""
        return self.events * ((at - self.until) / (self.until - self.since))

    def touch_most(self, arrivals: float) -> bool:
        """Tell whether so many arrivals are likely to be of most of the users in the state."""
        return arrivals > self.known / 2

    def document(self, now: datetime) -> Document:
        """Spell a rollup as it is published."""
        return {"_id": self.until, "expires_at": now + KEPT} | _KIND | vars(self)


def firm_sessions_after(until: datetime) -> datetime:
    """Give the time after which a session's last event keeps it active while totals serve."""
    return until + VALID - ACTIVE


def whole_buckets_after(until: datetime) -> datetime:
    """Give the time such that no window cuts a later bucket while totals serve."""
    return bucket_end(until + VALID - VIEWS)


def linked(rollups: Sequence[Rollup], since: datetime) -> list[Rollup]:
    """Take from rollups, newest first, those that begin where the next one ends, back to `since`.

    Ends at a gap.
    """
    chain: list[Rollup] = []
    for rollup in rollups:
        if chain and rollup.until > chain[-1].since:
            continue  # made at the same time as the one that the chain took
        if chain and (rollup.until != chain[-1].since or chain[-1].since <= since):
            break
        chain.append(rollup)
    return chain


async def published(database: Database, at: datetime, most: int = 0) -> list[Rollup]:
    """List the published rollups that matter at `at`, newest first; 0 means all of them."""
    query = _KIND | {"until": {"$gt": at - LONGEST, "$lte": at}}
    async with read_deadline():
        found = await database.rollups.find(query).sort("until", -1).limit(most).to_list(None)
    return [Rollup.of(document) for document in found]


async def disagreeing(
    database: Database, chain: Sequence[Counted], after: datetime, give_way: GiveWay = at_once
) -> list[Counted]:
    """List those of a chain that end later than `after` and are short of an event that arrived.

    A write can land after its arrival was counted: MongoDB hung, or a primary stepped down.
    """
    recent = [counted for counted in chain if counted.until > after]
    wrong = []
    for first in range(0, len(recent), _COUNTED_AT_ONCE):
        some = recent[first : first + _COUNTED_AT_ONCE]
        await give_way()
        arrived = await arrivals(database, some[-1].since, some[0].until)
        if arrived != sum(counted.events for counted in some):
            wrong += [
                counted
                for counted in some
                if await arrivals(database, counted.since, counted.until) != counted.events
            ]
    return wrong


async def arrivals(database: Database, since: datetime, until: datetime) -> int:
    """Count the events that arrived in `(since, until]`."""
    async with read_deadline():
        return await database.events.count_documents(
            {"received_at": {"$gt": since, "$lte": until}},
            hint="received_at_ttl",
            maxTimeMS=MAX_READ_SECONDS * 1000,
        )
