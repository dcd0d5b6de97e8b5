"""MongoDB: the client, the collections with their indexes, and nothing else.

The only module that names the driver. `_DRIVER` is Motor; its successor is PyMongo's own asyncio
client, which the suite runs on too. They differ in what must be awaited: `all_of` and
`disconnect` see to that, so nobody else calls `aggregate` or `close`.
"""

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from datetime import datetime
from typing import Any, Final, TypeVar

from bson.codec_options import CodecOptions
from bson.errors import InvalidBSON
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import ASCENDING, AsyncMongoClient, IndexModel, ReadPreference, WriteConcern
from pymongo.errors import (
    AutoReconnect,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern

from shared import deadlines
from shared.storage.pool_telemetry import PoolTelemetry

Document = dict[str, Any]
Client = AsyncIOMotorClient[Document]
Collection = AsyncIOMotorCollection[Document]
_DRIVER: Any = (
    AsyncMongoClient if os.environ.get("FOOTFALL_TEST_DRIVER") == "pymongo" else AsyncIOMotorClient
)
_Result = TypeVar("_Result")

SNAPSHOT_RETENTION: Final = 172_800  # seconds: history reaches back a day, kept twice that
REJECTION_RETENTION: Final = 86_400

_INDEX_OPTIONS_CONFLICT: Final = 85

_TZ_AWARE: Final[CodecOptions[Document]] = CodecOptions(tz_aware=True)
DURABLE: Final = WriteConcern(w="majority", j=True)
# Read only what a majority has, so that nothing is counted that a failover rolls back.
_READ_CONCERN: Final = ReadConcern("majority")
_MAJORITY: Final = WriteConcern(w="majority")


def connect(uri: str) -> Client:
    """Make a client. It connects on first use, and again after every failure, by itself."""
    client: Client = _DRIVER(
        uri,
        appname="footfall",
        serverSelectionTimeoutMS=2000,
        connectTimeoutMS=2000,
        socketTimeoutMS=deadlines.SOCKET * 1000,
        maxPoolSize=20,
        event_listeners=[PoolTelemetry()],
        tz_aware=True,
    )
    return client


async def disconnect(client: Client) -> None:
    """Drop the connections of a client, or leave them to the end of the process after 2 s.

    PyMongo 4.20 on Python 3.11 can wait for ever: an operation that is cancelled while it looks for
    a server may leave the lock of its client taken.
    """
    close: Callable[[], Any] = client.close
    closing = close()
    if inspect.isawaitable(closing):
        with suppress(TimeoutError):
            async with asyncio.timeout(deadlines.CLOSE):
                await closing


@asynccontextmanager
async def connected(uri: str) -> AsyncIterator[Client]:
    """Make a client for the block."""
    client = connect(uri)
    try:
        yield client
    finally:
        await disconnect(client)


def write_deadline() -> AbstractAsyncContextManager[None]:
    """Give up a write that takes longer than 5 s, wherever it hangs."""
    return _deadline(deadlines.WRITE)


def read_deadline() -> AbstractAsyncContextManager[None]:
    """Give up a read that takes longer than 15 s, wherever it hangs."""
    return _deadline(deadlines.READ)


@asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    # Not pymongo.timeout: that makes the search for a server as long as the whole operation, so
    # that a MongoDB that is simply down would be noticed after 5 or 15 s instead of 2.
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise NetworkTimeout(f"no answer within {seconds} s") from None


async def written(write: Callable[[], Awaitable[_Result]]) -> _Result:
    """Do an idempotent write within a deadline; retry it once if its connection was lost.

    The driver retries writes only on a replica set. After a restart of a single mongod each pooled
    connection is broken until the driver notices, and it checks only those idle for a second.
    """
    async with write_deadline():
        try:
            return await write()
        except (NetworkTimeout, ServerSelectionTimeoutError):  # that was the wait already
            raise
        except AutoReconnect:
            return await write()


async def all_of(
    collection: Collection, pipeline: list[Document], hint: Document | None = None
) -> list[Document]:
    """Run an aggregation pipeline and return its documents."""
    options: dict[str, Any] = {"allowDiskUse": True, "maxTimeMS": deadlines.READ * 1000}
    if hint:
        options["hint"] = hint
    with _legible_failure():
        async with read_deadline():
            cursor: Any = collection.aggregate(pipeline, **options)
            if inspect.isawaitable(cursor):
                cursor = await cursor
            found: list[Document] = await cursor.to_list(None)
    return found


async def run_to_end(collection: Collection, pipeline: list[Document]) -> None:
    """Run an aggregation pipeline that writes what it finds."""
    await all_of(collection, pipeline)


@contextmanager
def _legible_failure() -> Iterator[None]:
    try:
        yield
    except InvalidBSON as error:  # MongoDB quotes what is too large, cut off within a character
        raise OperationFailure("the pipeline failed, and so did the account of it") from error


def ttl(field: str, seconds: int) -> IndexModel:
    """Return an index by which MongoDB deletes a document `seconds` after the time in `field`."""
    return IndexModel([(field, ASCENDING)], name=f"{field}_ttl", expireAfterSeconds=seconds)


def index(*fields: str, **options: Any) -> IndexModel:  # noqa: ANN401 - PyMongo's own
    """Return an ascending index over `fields`."""
    return IndexModel([(field, ASCENDING) for field in fields], name="_".join(fields), **options)


def indexes(event_retention: int) -> dict[str, list[IndexModel]]:
    """Return the indexes of raw events and of what is refused, by collection."""
    return {
        "events": [
            ttl("received_at", event_retention),
            index("occurred_at"),
            index("user_id", "occurred_at"),
            index("late", "received_at", partialFilterExpression={"late": True}),
        ],
        "rejections": [ttl("rejected_at", REJECTION_RETENTION)],
        "snapshots": [ttl("as_of", SNAPSHOT_RETENTION)],
        "rate_limits": [ttl("expires_at", 0)],
    }


class Database:
    """The collections of one Footfall database."""

    def __init__(
        self, client: Client, name: str, indexes: Mapping[str, Sequence[IndexModel]]
    ) -> None:
        self.name = name
        self._client = client
        # Whatever the URI says: what is counted by one operation is read by the next.
        self._database = client.get_database(
            name,
            codec_options=_TZ_AWARE,
            read_preference=ReadPreference.PRIMARY,
            write_concern=_MAJORITY,
        )
        self._indexes = indexes
        self.events: Collection = self._database.get_collection(
            "events", write_concern=DURABLE, read_concern=_READ_CONCERN
        )
        self.rejections: Collection = self._database["rejections"]
        self.snapshots: Collection = self._database["snapshots"]
        self.latest: Collection = self._database["latest"]
        self.leases: Collection = self._database["leases"]
        self.rate_limits: Collection = self._database["rate_limits"]

    def collection(self, name: str) -> Collection:
        """Return a collection by its name, from which `events` may be read, too."""
        if name == "events":
            return self.events
        return self._database.get_collection(name, read_concern=_READ_CONCERN)

    async def ensure_indexes(self) -> None:
        """Create what is missing and change retention where the setting has changed."""
        for name, models in self._indexes.items():
            try:
                await self._database[name].create_indexes(models)
            except OperationFailure as error:
                if error.code != _INDEX_OPTIONS_CONFLICT:
                    raise
                await self._change_retention(name, models)

    async def missing_indexes(self) -> list[str]:
        """List what `ensure_indexes` would create, as `collection.index`; ask MongoDB each time."""
        missing = []
        for name, models in self._indexes.items():
            present = await self._database[name].index_information()
            wanted = (model.document["name"] for model in models)
            missing += [f"{name}.{index}" for index in wanted if index not in present]
        return missing

    async def _change_retention(self, name: str, models: Sequence[IndexModel]) -> None:
        for model in models:
            if "expireAfterSeconds" in model.document:
                await self._database.command(
                    "collMod",
                    name,
                    index={
                        "name": model.document["name"],
                        "expireAfterSeconds": model.document["expireAfterSeconds"],
                    },
                )
        await self._database[name].create_indexes(models)

    async def now(self) -> datetime:
        """Return the time by MongoDB's own clock."""
        hello = await self._database.command("hello", codec_options=_TZ_AWARE)
        server_time: datetime = hello["localTime"]
        return server_time

    async def close(self) -> None:
        """Drop the connections."""
        await disconnect(self._client)
