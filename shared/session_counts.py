"""Active users, and the sessions of each: from raw events, or from a rollup and what came since."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from pymongo.errors import ExecutionTimeout, OperationFailure

from shared import pipelines
from shared.database import Database, Document, first_of, read_deadline
from shared.parameters import MAX_LISTED
from shared.rollups import Rollup, firm_sessions_after


@dataclass(frozen=True)
class SessionCounts:
    """Active users and sessions at one instant."""

    active_users: int
    sessions: int
    spread: tuple[int, int, int]  # users with one, two, and three or more
    users: list[tuple[str, int]]  # user id and sessions, most first, ties by id


async def count_sessions(database: Database, at: datetime, rollup: Rollup | None) -> SessionCounts:
    """Count at `at`, from the newest rollup where there is one."""
    if rollup is None or rollup.state is None:
        return _counts(
            await first_of(database.events, pipelines.sessions_of_events(at, MAX_LISTED))
        )
    # Where most users did something since, looking at all of them costs less than finding out who:
    # of 20,000 users with 23,500 arrivals 317 ms against 363.
    if rollup.has_totals_for(at) and not rollup.touch_most(rollup.arrivals_by(at)):
        try:
            return await _beside_firm(database, at, rollup, rollup.state)
        except ExecutionTimeout:  # whoever asked has waited for as long as a read may take
            raise
        except OperationFailure:  # ids of 64 MB are too much to hold at once
            pass
    every = pipelines.sessions_of_state(at, rollup.state, rollup.until, MAX_LISTED)
    return _counts(await first_of(database.rollups, every))


async def _beside_firm(
    database: Database, at: datetime, rollup: Rollup, state: list[ObjectId]
) -> SessionCounts:
    others = pipelines.sessions_beside_firm(
        at, state, rollup.until, firm_sessions_after(rollup.until), MAX_LISTED
    )
    firm, beside = await asyncio.gather(_firm(database, rollup), first_of(database.events, others))
    return _with_firm(_counts(beside), beside["was"], firm)


async def _firm(database: Database, rollup: Rollup) -> Document:
    async with read_deadline():
        found: Document | None = await database.rollups.find_one({"_id": rollup.firm})
    if found is None:
        raise OperationFailure("the totals are gone")
    return found


def _counts(found: Document) -> SessionCounts:
    spread = {row["_id"]: row["users"] for row in found["spread"]}
    return SessionCounts(
        active_users=found["active"][0]["users"] if found["active"] else 0,
        sessions=sum(row["sessions"] for row in found["spread"]),
        spread=(spread.get(1, 0), spread.get(2, 0), spread.get(3, 0)),
        users=[(row["_id"], row["sessions"]) for row in found["users"]],
    )


def _with_firm(others: SessionCounts, was: list[Document], firm: Document) -> SessionCounts:
    """Add the firm users to the others, less `was`, those that are firm and yet counted there.

    The sessions of a firm user only become more while the totals serve. So whoever is among the
    first now was among the first of the firm users or is counted with the others, where the
    greater count is the true one.
    """
    counted = {row["_id"]: row["users"] for row in was}
    one, two, three_or_more = others.spread
    ranked = {row["_id"]: row["sessions"] for row in firm["top"]}
    ranked |= dict(others.users)
    return SessionCounts(
        active_users=others.active_users + firm["users"] - sum(counted.values()),
        sessions=others.sessions + firm["sessions"] - sum(row["sessions"] for row in was),
        spread=(
            one + firm["one"] - counted.get(1, 0),
            two + firm["two"] - counted.get(2, 0),
            three_or_more + firm["three_or_more"] - counted.get(3, 0),
        ),
        users=sorted(ranked.items(), key=lambda row: (-row[1], row[0]))[:MAX_LISTED],
    )
