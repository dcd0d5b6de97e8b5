"""Rollups: what has been counted of the events that arrived up to some instant.

A rollup is published as one document when all its parts are written, and its parts are never
changed; half-written ones belong to nobody and go by TTL. Nothing is incremented, so a rollup made
twice, by two processes at once or after a kill, only replaces itself. All of it can be deleted at
any time: answers then come from raw events, and rollups are made anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bson import ObjectId

from shared.database import MAX_READ_SECONDS, Database, Document, read_deadline
from shared.windows import ACTIVE, LONGEST

KEPT: Final = 2 * LONGEST  # a rollup and its segment
STATE_KEPT: Final = 2 * ACTIVE  # a state is 60 bytes a session, and made every ten seconds

_KIND: Final = {"kind": "rollup"}
# How far back from its end a chain is held against the arrivals at each use. An append is answered
# within 15 s of its arrival, and the chain grows by at most 20 s between two looks.
AUDITED: Final = timedelta(seconds=40)


@dataclass(frozen=True)
class Rollup:
    """All events that arrived in `(since, until]`, counted; all sessions active at `until`."""

    since: datetime
    until: datetime
    segment: ObjectId  # owner of the counts
    state: ObjectId | None  # owner of the sessions; None: they were mended in a later rollup
    events: int  # that the segment was made from

    @classmethod
    def of(cls, document: Document) -> "Rollup":
        """Read a published rollup."""
        return cls(*(document[name] for name in ("since", "until", "segment", "state", "events")))

    def document(self, now: datetime) -> Document:
        """Spell a rollup as it is published."""
        return {"_id": self.until, "expires_at": now + KEPT} | _KIND | vars(self)


async def chain_at(database: Database, at: datetime) -> list[Rollup]:
    """Give rollups, newest first, that hold every arrival of the windows at `at`, or an empty list.

    The newest ends at or before `at` and each begins where the next one ends. A chain that has a
    gap, is too old, or disagrees with a count of its newest arrivals serves nobody.
    """
    rollups = await published(database, at)
    chain: list[Rollup] = []
    for rollup in rollups:
        if chain and rollup.until > chain[-1].since:
            continue  # made at the same time as the one that the chain took
        if chain and rollup.until != chain[-1].since:
            return []
        chain.append(rollup)
        if rollup.since <= at - LONGEST:
            break
    if not chain or chain[-1].since > at - LONGEST:
        return []
    if chain[0].state is None or chain[0].until <= at - ACTIVE:
        return []
    return [] if await disagreeing(database, chain, chain[0].until - AUDITED) else chain


async def published(database: Database, at: datetime) -> list[Rollup]:
    """List the published rollups that matter at `at`, newest first."""
    query = _KIND | {"until": {"$gt": at - LONGEST, "$lte": at}}
    async with read_deadline():
        found = await database.rollups.find(query).sort("until", -1).to_list(None)
    return [Rollup.of(document) for document in found]


async def disagreeing(database: Database, chain: Sequence[Rollup], after: datetime) -> list[Rollup]:
    """List the rollups that end later than `after` and are short of an event that has arrived.

    A write can land after its arrival was counted: MongoDB hung, or a primary stepped down.
    """
    recent = [rollup for rollup in chain if rollup.until > after]
    if not recent:
        return []
    counted = sum(rollup.events for rollup in recent)
    if await _arrivals(database, recent[-1].since, recent[0].until) == counted:
        return []
    return [
        rollup
        for rollup in recent
        if await _arrivals(database, rollup.since, rollup.until) != rollup.events
    ]


async def _arrivals(database: Database, since: datetime, until: datetime) -> int:
    async with read_deadline():
        return await database.events.count_documents(
            {"received_at": {"$gt": since, "$lte": until}},
            hint="received_at_ttl",
            maxTimeMS=MAX_READ_SECONDS * 1000,
        )
