"""Making the state of a rollup: the sessions active at its end, and the totals of firm users."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bson import ObjectId

from shared import pipelines
from shared.database import Database, Document, first_of, read_deadline, run_to_end, write_deadline
from shared.parameters import MAX_LISTED
from shared.rollups import STATE_KEPT, Rollup, arrivals, firm_sessions_after
from shared.windows import ACTIVE

# Users and sessions in a document: of 0.5 KiB each, 2.5 MB. One user may have more.
_ENTRIES: Final = 5000


@dataclass(frozen=True)
class State:
    """What a rollup holds of a state."""

    state: ObjectId  # owner of the sessions
    firm: ObjectId  # the document of totals
    known: int  # users
    entries: int  # sessions


async def make_state(
    database: Database, previous: Rollup | None, since: datetime, until: datetime, now: datetime
) -> State:
    """Make the state at `until` of the one before it and what arrived in `(since, until]`."""
    owner, came = ObjectId(), ObjectId()
    expires_at, firm_after = now + STATE_KEPT, firm_sessions_after(until)
    before = previous.state if previous else None
    since = since if before else until - ACTIVE
    arrived = await arrivals(database, since, until)
    new = 2 * arrived  # an event brings at most a user and a session
    await run_to_end(
        database.events,
        pipelines.sessions_that_came(since, until, came, _documents_for(new), expires_at),
    )
    # Of 20,000 users with 25,000 arrivals two halves cost mongod 0.80 s, one pass over all 0.74 s;
    # of 250,000 users one pass took 10 s, for it spilled to disk.
    whole = previous is None or arrived > previous.known / 2
    documents = _documents_for((previous.known + previous.entries if previous else 0) + new)
    parts = pipelines.StateParts(owner, until, firm_after, expires_at)
    touched = pipelines.touched_sessions(before, came, parts, documents, whole=whole)
    halves = [run_to_end(database.rollups, touched)]
    if before and not whole:
        untouched = pipelines.untouched_sessions(before, came, parts)
        halves.append(run_to_end(database.rollups, untouched))
    await asyncio.gather(*halves)
    return await _added_up(database, owner, firm_after, expires_at)


async def _added_up(
    database: Database, owner: ObjectId, firm_after: datetime, expires_at: datetime
) -> State:
    """Add up the firm users of a written state, in one document for the answers to read."""
    totals = await first_of(database.rollups, pipelines.totals_of_state(owner))
    if not totals:
        totals = dict.fromkeys(("known", "entries", *pipelines.TOTALS), 0)
    firm = ObjectId()
    document = totals | {"_id": firm, "expires_at": expires_at}
    document["top"] = await _first(database, owner, firm_after, totals)
    async with write_deadline():
        await database.rollups.insert_one(document)
    return State(owner, firm, totals["known"], totals["entries"])


async def _first(
    database: Database, state: ObjectId, firm_after: datetime, totals: Document
) -> list[Document]:
    """List the first firm users; leave out those that cannot be among them, most of all."""
    most, more = totals["three_or_more"], totals["three_or_more"] + totals["two"]
    least = 3 if most >= MAX_LISTED else 2 if more >= MAX_LISTED else 1
    pipeline = pipelines.first_of_state(state, firm_after, least, MAX_LISTED)
    async with read_deadline():
        found: list[Document] = await database.rollups.aggregate(pipeline).to_list(None)
    return found


def _documents_for(entries: int) -> int:
    return 1 + entries // _ENTRIES
