"""Slices: what has arrived since the newest rollup, counted after an answer for those to come.

Without them the next answer counts one by one all that arrived in the last six seconds, and more
while a rollup is being made. They serve until a rollup ends later, and go by TTL. Where one is
missing, or short of an event that landed late, raw events count instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bson import ObjectId

from shared.metrics import pipelines
from shared.metrics.rollups import VALID, Counted, Rollup, arrivals
from shared.metrics.segments import SETTLE, make_segment, step_end
from shared.storage.database import Database, read_deadline, run_to_end, write_deadline

_KIND: Final = {"kind": "slice", "form": 1}
_KEPT: Final = timedelta(minutes=1)
_MANY: Final = 1000  # events: counting them one by one takes 10 ms
_ROWS: Final = 2000  # in a document: of 1 KiB each at most, 2 MB


@dataclass(frozen=True)
class Slice(Counted):
    """Also the sessions that came."""

    sessions: list[ObjectId]  # owners, by share of the users


async def published_slices(database: Database, at: datetime) -> list[Slice]:
    """List the slices that matter at `at`, oldest first."""
    query = _KIND | {"until": {"$gt": at - VALID, "$lte": at}}
    async with read_deadline():
        found = await database.rollups.find(query).sort("until", 1).to_list(None)
    return [Slice.of(document) for document in found]


def linked_slices(slices: Sequence[Slice], since: datetime) -> list[Slice]:
    """Take from slices, oldest first, those that begin at `since` and where the one before ends."""
    # Of several that begin at the same time, made by several processes, the longest.
    starting = {some.since: some for some in slices}
    linked = []
    while since in starting:
        linked.append(starting[since])
        since = linked[-1].until
    return linked


async def make_slices(
    database: Database, newest: Rollup, now: datetime, worth: int = _MANY
) -> None:
    """Slice what has arrived since the newest rollup and the last slice, if it is worth that."""
    slices = linked_slices(await published_slices(database, now), newest.until)
    since = slices[-1].until if slices else newest.until
    settled = now - SETTLE
    if await arrivals(database, since, settled) < worth:
        return
    while since < settled:
        until = min(step_end(since), settled)  # a slice across the next rollup's end is lost to it
        await _make_slice(database, since, until, now + _KEPT)
        since = until


async def _make_slice(
    database: Database, since: datetime, until: datetime, expires_at: datetime
) -> None:
    # The segment first, as in a fold: the count of arrivals tells what it missed.
    segment, events = await make_segment(database, since, until, expires_at)
    sessions = [ObjectId() for _ in range(pipelines.SHARES)]
    documents = 1 + events // pipelines.SHARES // _ROWS
    written = pipelines.sessions_of_slice(since, until, sessions, documents, expires_at)
    await run_to_end(database.events, written)
    made = Slice(since, until, segment, events, sessions)
    async with write_deadline():
        await database.rollups.insert_one(_KIND | vars(made) | {"expires_at": expires_at})
