"""Making the state of a rollup: the sessions active at its end, and the totals of firm users."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bson import ObjectId
from pymongo.errors import ExecutionTimeout, OperationFailure

from shared.http.parameters import MAX_LISTED
from shared.metrics import pipelines
from shared.metrics.courtesy import GiveWay
from shared.metrics.rollups import STATE_KEPT, Rollup, arrivals, firm_sessions_after
from shared.storage.database import (
    Database,
    Document,
    all_of,
    first_of,
    read_deadline,
    run_to_end,
    write_deadline,
)
from shared.windows import ACTIVE

# Users and sessions in a document: of 0.5 KiB each, 2.5 MB. One user may have more.
_ENTRIES: Final = 5000
# Users and sessions in a part: made in 0.1 s, by which an answer may be held up.
_PART: Final = 60_000


@dataclass(frozen=True)
class Step:
    """The arrivals in `(since, until]`, to be folded at `now`."""

    since: datetime
    until: datetime
    now: datetime


@dataclass(frozen=True)
class State:
    """What a rollup holds of a state."""

    state: list[ObjectId]  # owners of the sessions, by part
    firm: ObjectId  # the document of totals
    known: int  # users
    entries: int  # sessions
    hot: list[str]  # users whose sessions are in many rows


async def make_state(
    database: Database, previous: Rollup | None, step: Step, give_way: GiveWay
) -> State:
    """Make the state at the end of a step of the one before it and what arrived in the step.

    Where a document would become too large it finds out which users are hot, and begins again.
    """
    hot = pipelines.HotUsers(await _still_hot(database, previous, step.until))
    try:
        return await _make_state(database, previous, step, hot, give_way)
    except ExecutionTimeout:
        raise
    except OperationFailure:
        found = await _found_hot(database, step.until)
        anew = sorted(found.keys() - set(hot.users))
        if not anew:
            raise
        events = sum(found[user] for user in anew)
        hot = pipelines.HotUsers([*hot.users, *anew], anew, events)
        return await _make_state(database, previous, step, hot, give_way)


async def _still_hot(database: Database, previous: Rollup | None, until: datetime) -> list[str]:
    """List the hot users of whom there is anything in the window."""
    still = []
    async with read_deadline():
        for user in previous.hot if previous else []:
            query = {"user_id": user, "occurred_at": {"$gt": until - ACTIVE}}
            if await database.events.find_one(query, {"_id": 1}):
                still.append(user)
    return still


async def _found_hot(database: Database, until: datetime) -> dict[str, int]:
    """Give the users that may have too many sessions, and the number of their events."""
    found = await all_of(database.events, pipelines.hot_users(until))
    return {row["_id"]: row["events"] for row in found}


async def _make_state(
    database: Database,
    previous: Rollup | None,
    step: Step,
    hot: pipelines.HotUsers,
    give_way: GiveWay,
) -> State:
    since, until = step.since, step.until
    before = previous.state if previous else None
    if before is None:
        since = until - ACTIVE
    arrived = await arrivals(database, since, until)
    new = 2 * (arrived + hot.events)  # an event brings at most a user and a session
    entries = (previous.known + previous.entries if previous else 0) + new
    owners = [ObjectId() for _ in range(_parts_for(entries, len(before or [])))]
    came = [ObjectId() for _ in owners]
    expires_at, firm_after = step.now + STATE_KEPT, firm_sessions_after(until)
    await give_way()
    await run_to_end(
        database.events,
        pipelines.sessions_that_came(
            pipelines.Arrived(since, until, hot),
            came,
            _documents_for(new // len(came)),
            expires_at,
        ),
    )
    # Of 20,000 users with 25,000 arrivals two halves cost mongod 0.80 s, one pass over all 0.74 s;
    # of 250,000 users one pass took 10 s, for it spilled to disk.
    whole = previous is None or previous.touch_most(arrived)
    documents = _documents_for(entries // len(owners))
    for number, owner in enumerate(owners):
        await give_way()
        part = pipelines.StatePart(
            owner,
            number,
            len(owners),
            before=_before(before, number, len(owners)),
            came=came[number],
            anew=hot.anew,
            until=until,
            firm_after=firm_after,
            expires_at=expires_at,
        )
        await _make_part(database, part, documents, whole=whole)
    totals = await _added_up(database, owners)
    firm = await _store_totals(database, owners, totals, firm_after, expires_at)
    return State(owners, firm, totals["known"], totals["entries"], list(hot.users))


async def _make_part(
    database: Database, part: pipelines.StatePart, documents: int, *, whole: bool
) -> None:
    halves = [
        run_to_end(database.rollups, pipelines.touched_sessions(part, documents, whole=whole))
    ]
    if part.before and not whole:
        untouched = pipelines.untouched_sessions(part.before, part)
        halves.append(run_to_end(database.rollups, untouched))
    await asyncio.gather(*halves)


def _before(state: Sequence[ObjectId] | None, number: int, parts: int) -> pipelines.Before | None:
    if not state:
        return None
    if len(state) == parts:
        return pipelines.Before([state[number]], divided_alike=True)
    return pipelines.Before(state, divided_alike=False)


def _parts_for(entries: int, parts: int) -> int:
    """Give a number of parts: so many as before, if that serves, for dividing anew costs more."""
    needed = 1 + entries // _PART
    if needed <= parts <= 4 * needed:
        return parts
    return 1 << (needed - 1).bit_length()  # the next power of two


async def _added_up(database: Database, owners: list[ObjectId]) -> Document:
    """Add up a written state."""
    totals = await first_of(database.rollups, pipelines.totals_of_state(owners))
    return totals or dict.fromkeys(("known", "entries", *pipelines.TOTALS), 0)


async def _store_totals(
    database: Database,
    owners: list[ObjectId],
    totals: Document,
    firm_after: datetime,
    expires_at: datetime,
) -> ObjectId:
    """Store the totals of firm users in one document for the answers to read."""
    firm = ObjectId()
    document = totals | {"_id": firm, "expires_at": expires_at}
    document["top"] = await _first(database, owners, firm_after, totals)
    async with write_deadline():
        await database.rollups.insert_one(document)
    return firm


async def _first(
    database: Database, state: Sequence[ObjectId], firm_after: datetime, totals: Document
) -> list[Document]:
    """List the first firm users; leave out those that cannot be among them, most of all."""
    most, more = totals["three_or_more"], totals["three_or_more"] + totals["two"]
    least = 3 if most >= MAX_LISTED else 2 if more >= MAX_LISTED else 1
    pipeline = pipelines.first_of_state(state, firm_after, least, MAX_LISTED)
    return await all_of(database.rollups, pipeline)


def _documents_for(entries: int) -> int:
    return 1 + entries // _ENTRIES
