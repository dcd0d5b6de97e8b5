"""Folding: making the next rollup from the last one and the events that arrived since."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from bson import ObjectId

from shared import pipelines
from shared.clock import Clock
from shared.database import MAX_READ_SECONDS, Collection, Database, first_of, read_deadline
from shared.leases import Lease
from shared.parameters import MAX_LISTED
from shared.rollups import (
    AUDITED,
    KEPT,
    STATE_KEPT,
    Rollup,
    arrivals,
    disagreeing,
    firm_sessions_after,
    linked,
    published,
    whole_buckets_after,
)
from shared.windows import ACTIVE, LONGEST

_LOG: Final = logging.getLogger("footfall.rollup")

STEP: Final = timedelta(seconds=5)  # of arrivals in a segment
SETTLE: Final = timedelta(seconds=1)  # most writes have landed by then; the audit finds the others
MOST: Final = timedelta(seconds=20)  # of arrivals folded at once, to leave MongoDB time for others
_ENTRIES: Final = 5000  # in a document of a state: of 0.5 KiB, 2.5 MB; one user may have more
_TERM: Final = timedelta(seconds=20)  # longer than a step of folding takes


def rollup_lease(database: Database, clock: Clock) -> Lease:
    """Make a lease to roll up with."""
    return Lease(database.leases, "rollup", _TERM, clock)


async def roll_up(database: Database, lease: Lease, clock: Clock) -> None:
    """Fold unless somebody else is at it; once a minute audit what was folded."""
    if not await lease.take():
        return
    try:
        await fold(database, clock)
        if settled_at(clock()).second < STEP.seconds:
            await audit(database, clock)
    finally:
        await lease.release()


async def fold(database: Database, clock: Clock) -> int:
    """Bring the rollups up to date, mend those that missed an event; tell how many were made."""
    made = 0
    while True:
        now = clock()
        made += await _mend(database, now, AUDITED)
        until = settled_at(now)
        rollups = await published(database, until)
        since = rollups[0].until if rollups else until - LONGEST
        if since >= until:
            return made
        await _fold_next(database, rollups, since, min(until, since + MOST), now)
        made += 1


async def _fold_next(
    database: Database, rollups: Sequence[Rollup], since: datetime, until: datetime, now: datetime
) -> None:
    # The segment first: it then misses an event that lands between the two, as the count of
    # arrivals will tell; nothing would tell that the state had missed one.
    segment, events = await _segment(database, since, until, now)
    segments = [segment, *_segments(rollups, until)]
    (state, entries), total = await asyncio.gather(
        _state(database, rollups, since, until, now), _total(database, segments, until, now)
    )
    await _publish(database, Rollup(since, until, segment, state, total, events, entries), now)


def _segments(rollups: Sequence[Rollup], until: datetime) -> list[ObjectId]:
    return [rollup.segment for rollup in linked(rollups, until - LONGEST)]


def settled_at(now: datetime) -> datetime:
    """Give the newest whole multiple of `STEP` whose arrivals have had time to land."""
    settled = (now - SETTLE).timestamp()
    return datetime.fromtimestamp(settled // STEP.seconds * STEP.seconds, UTC)


async def audit(database: Database, clock: Clock) -> int:
    """Hold every rollup of the windows against a count by arrival; tell how many were made anew."""
    return await _mend(database, clock(), LONGEST)


async def _mend(database: Database, now: datetime, reach: timedelta) -> int:
    """Make anew the segments that an event escaped, and the newest state with its session."""
    rollups = await published(database, now)
    wrong = await disagreeing(database, rollups, rollups[0].until - reach) if rollups else []
    if not wrong:
        return 0
    _LOG.warning("%d rollups are short of events that landed late; making them anew", len(wrong))
    newest, first = rollups[0], min(rollup.since for rollup in wrong)
    state, entries = await _state(database, rollups, first, newest.until, now)
    mended = []
    for rollup in rollups:
        segment, events = rollup.segment, rollup.events
        if rollup in wrong:
            segment, events = await _segment(database, rollup.since, rollup.until, now)
        mended.append(replace(rollup, segment=segment, events=events, state=None, total=None))
    total = await _total(database, _segments(mended, newest.until), newest.until, now)
    mended[0] = replace(mended[0], state=state, total=total, entries=entries)
    for rollup in mended:
        if rollup.until > first:
            await _publish(database, rollup, now)
    return len(wrong)


async def _segment(
    database: Database, since: datetime, until: datetime, now: datetime
) -> tuple[ObjectId, int]:
    owner = ObjectId()
    await _run(database.events, pipelines.segment_of_views(since, until, owner, now + KEPT))
    return owner, await _sum(database, owner, "events")


async def _state(
    database: Database, rollups: Sequence[Rollup], since: datetime, until: datetime, now: datetime
) -> tuple[ObjectId, int]:
    owner, came = ObjectId(), ObjectId()
    previous, known = (rollups[0].state, rollups[0].entries) if rollups else (None, 0)
    since = since if previous else until - ACTIVE
    arrived = 2 * await arrivals(database, since, until)  # no event makes more than two entries
    await _run(
        database.events,
        pipelines.sessions_that_came(since, until, came, _documents_for(arrived), now + STATE_KEPT),
    )
    parts = pipelines.StateParts(
        owner, until, firm_sessions_after(until), MAX_LISTED, now + STATE_KEPT
    )
    touched = pipelines.touched_sessions(previous, came, parts, _documents_for(known + arrived))
    halves = [_run(database.rollups, touched)]
    if previous:
        untouched = pipelines.untouched_sessions(previous, came, parts)
        halves.append(_run(database.rollups, untouched))
    await asyncio.gather(*halves)
    return owner, await _sum(database, owner, "entries")


def _documents_for(entries: int) -> int:
    return 1 + entries // _ENTRIES


async def _total(
    database: Database, segments: Sequence[ObjectId], until: datetime, now: datetime
) -> ObjectId:
    owner = ObjectId()
    pipeline = pipelines.total_of_segments(
        segments, whole_buckets_after(until), owner, now + STATE_KEPT
    )
    await _run(database.rollups, pipeline)
    return owner


async def _sum(database: Database, owner: ObjectId, field: str) -> int:
    """Add up a field of the parts that belong to `owner`."""
    added = {"$group": {"_id": None, "sum": {"$sum": f"${field}"}}}
    found = await first_of(database.rollups, [{"$match": {"owner": owner}}, added])
    return int(found.get("sum", 0))


async def _run(source: Collection, pipeline: pipelines.Pipeline) -> None:
    async with read_deadline():
        await source.aggregate(
            pipeline, allowDiskUse=True, maxTimeMS=MAX_READ_SECONDS * 1000
        ).to_list(None)


async def _publish(database: Database, rollup: Rollup, now: datetime) -> None:
    async with read_deadline():
        await database.rollups.replace_one({"_id": rollup.until}, rollup.document(now), upsert=True)
