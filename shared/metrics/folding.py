"""Folding: making the next rollup from the last one and the events that arrived since."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from bson import ObjectId

from shared.clock import Clock
from shared.metrics import pipelines
from shared.metrics.courtesy import GiveWay, at_once, patient
from shared.metrics.rollups import (
    AUDITED,
    KEPT,
    STATE_KEPT,
    Rollup,
    disagreeing,
    linked,
    published,
    whole_buckets_after,
)
from shared.metrics.segments import STEP, make_segment, settled_at
from shared.metrics.states import Step, make_state
from shared.storage.database import Database, read_deadline, run_to_end
from shared.storage.leases import Lease
from shared.windows import LONGEST

_LOG: Final = logging.getLogger("footfall.rollup")

MOST: Final = timedelta(seconds=20)  # of arrivals folded at once, to leave MongoDB time for others
_TERM: Final = timedelta(seconds=20)  # longer than a step of folding takes


def rollup_lease(database: Database, clock: Clock) -> Lease:
    """Make a lease to roll up with."""
    return Lease(database.leases, "rollup", _TERM, clock)


async def roll_up(
    database: Database, lease: Lease, clock: Clock, give_way: GiveWay = at_once
) -> None:
    """Fold unless somebody else is at it; once a minute audit what was folded."""
    if not await lease.take():
        return
    try:
        await fold(database, clock, give_way)
        if settled_at(clock()).second < STEP.seconds:
            await audit(database, clock, patient(give_way))
    finally:
        await lease.release()


async def fold(database: Database, clock: Clock, give_way: GiveWay = at_once) -> int:
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
        step = Step(since, min(until, since + MOST), now)
        await _fold_next(database, rollups, step, patient(give_way))
        made += 1


async def _fold_next(
    database: Database, rollups: Sequence[Rollup], step: Step, give_way: GiveWay
) -> None:
    since, until, now = step.since, step.until, step.now
    await give_way()
    # The segment first: it then misses an event that lands between the two, as the count of
    # arrivals will tell; nothing would tell that the state had missed one.
    segment, events = await make_segment(database, since, until, now + KEPT)
    segments = [segment, *_segments(rollups, until)]
    state, total = await asyncio.gather(
        make_state(database, rollups[0] if rollups else None, step, give_way),
        _total(database, segments, until, now),
    )
    made = Rollup(since, until, segment=segment, total=total, events=events, **vars(state))
    await _publish(database, made, now)


def _segments(rollups: Sequence[Rollup], until: datetime) -> list[ObjectId]:
    return [rollup.segment for rollup in linked(rollups, until - LONGEST)]


async def audit(database: Database, clock: Clock, give_way: GiveWay = at_once) -> int:
    """Hold every rollup of the windows against a count by arrival; tell how many were made anew."""
    return await _mend(database, clock(), LONGEST, give_way)


async def _mend(
    database: Database, now: datetime, reach: timedelta, give_way: GiveWay = at_once
) -> int:
    """Make anew the segments that an event escaped, and the newest state with its session."""
    rollups = await published(database, now)
    if not rollups:
        return 0
    wrong = await disagreeing(database, rollups, rollups[0].until - reach, give_way)
    if not wrong:
        return 0
    _LOG.warning("%d rollups are short of events that landed late; making them anew", len(wrong))
    newest, first = rollups[0], min(rollup.since for rollup in wrong)
    mended = []
    for rollup in rollups:
        segment, events = rollup.segment, rollup.events
        if rollup in wrong:
            segment, events = await make_segment(database, rollup.since, rollup.until, now + KEPT)
        bare = replace(rollup, state=None, firm=None, total=None)
        mended.append(replace(bare, segment=segment, events=events))
    # After the segments, as in a fold: else an event that lands between escapes the count.
    state = await make_state(database, newest, Step(first, newest.until, now), give_way)
    total = await _total(database, _segments(mended, newest.until), newest.until, now)
    mended[0] = replace(mended[0], total=total, **vars(state))
    for rollup in mended:
        if rollup.until > first:
            await _publish(database, rollup, now)
    return len(wrong)


async def _total(
    database: Database, segments: Sequence[ObjectId], until: datetime, now: datetime
) -> ObjectId:
    owner = ObjectId()
    pipeline = pipelines.total_of_segments(
        segments, whole_buckets_after(until), owner, now + STATE_KEPT
    )
    await run_to_end(database.rollups, pipeline)
    return owner


async def _publish(database: Database, rollup: Rollup, now: datetime) -> None:
    async with read_deadline():
        await database.rollups.replace_one({"_id": rollup.until}, rollup.document(now), upsert=True)
