"""Stored metrics: what the requirement calls calculate and store, and the history for charts."""

from datetime import UTC, datetime, timedelta
from typing import Final

from pymongo.errors import DuplicateKeyError

from shared.metrics import pipelines
from shared.metrics.compute import compute_metrics
from shared.schema import History, Snapshot
from shared.storage.database import Database, all_of, read_deadline, write_deadline

EVERY: Final = timedelta(seconds=10)
_MAX_POINTS: Final = 360  # an hour at full resolution; a longer history is thinned to this many


def due_at(now: datetime) -> datetime:
    """Give the newest instant that a snapshot is due for: a whole multiple of 10 s."""
    return datetime.fromtimestamp(now.timestamp() // EVERY.seconds * EVERY.seconds, UTC)


async def store_snapshot(database: Database, at: datetime) -> bool:
    """Compute the metrics at `at` and store them; tell whether nobody had done so before."""
    async with read_deadline():
        if await database.snapshots.find_one({"_id": at}, {"_id": 1}):
            return False
    document = (await compute_metrics(database, at)).model_dump(mode="python")
    document |= {"_id": at, "as_of": at}
    try:
        async with write_deadline():
            await database.snapshots.insert_one(document)
    except DuplicateKeyError:
        return False
    return True


async def read_history(database: Database, at: datetime, minutes: int) -> History:
    """Read the snapshots of the last `minutes`, oldest first, evenly thinned to about 360."""
    step = max(EVERY.seconds, minutes * 60 // _MAX_POINTS)
    found = await all_of(database.snapshots, pipelines.history(at, minutes, step))
    snapshots = [Snapshot.model_validate(document) for document in found]
    return History(as_of=at, minutes=minutes, snapshots=snapshots)


async def newest_snapshot_at(database: Database) -> datetime | None:
    """Tell when the newest snapshot was taken."""
    async with read_deadline():
        found = await database.snapshots.find_one({}, {"as_of": 1}, sort=[("as_of", -1)])
    return found["as_of"] if found else None
