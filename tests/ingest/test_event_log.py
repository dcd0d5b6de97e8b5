"""The event log: one write for many requests, every event once, whatever MongoDB does."""

import asyncio
from datetime import UTC, datetime
from typing import cast

import pytest
from bson import ObjectId
from pymongo.errors import BulkWriteError

from shared.http.problems import OVERLOADED, STORAGE_UNAVAILABLE, Problem
from shared.ingest.event_log import EventLog
from shared.storage.database import Collection, Database, Document
from tests.connection import LOST_ANSWER, LOST_REQUEST, FaultyConnection

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)


def document(key: str | None = None) -> Document:
    return {"_id": key or ObjectId(), "user_id": "u", "received_at": NOW, "occurred_at": NOW}


class Connection(FaultyConnection):
    """The collection behind a connection that can break and block."""

    def __init__(self, events: Collection) -> None:
        super().__init__(events)
        self.faults: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.under_way = 0

    async def _next_fault(self) -> str:
        self.under_way += 1
        await self.gate.wait()
        self.under_way -= 1
        return self.faults.pop(0) if self.faults else ""


@pytest.fixture
def connection(database: Database) -> Connection:
    return Connection(database.events)


@pytest.fixture
def log(connection: Connection) -> EventLog:
    return EventLog(cast("Collection", connection))


async def test_requests_in_flight_together_share_writes(
    log: EventLog, connection: Connection, database: Database
) -> None:
    stored = await asyncio.gather(*[log.append([document()], 100) for _ in range(200)])
    assert [len(new) for new in stored] == [1] * 200
    assert await database.events.count_documents({}) == 200
    assert len(connection.writes) <= 3
    assert log.waiting == 0


async def test_a_lone_request_is_written_at_once(log: EventLog, connection: Connection) -> None:
    await log.append([document()], 100)
    assert connection.writes == [1]


@pytest.mark.parametrize(
    ("behind", "writes"), [([1], 1), ([500, 499], 1), ([500, 500], 2), ([1000] * 3, 2)]
)
async def test_only_a_full_group_is_written_beside_another(
    log: EventLog, connection: Connection, database: Database, behind: list[int], writes: int
) -> None:
    connection.gate.clear()
    requests = []
    for size in [1, *behind]:
        requests.append(asyncio.create_task(log.append([document() for _ in range(size)], 100)))
        await asyncio.sleep(0.01)
    assert connection.under_way == writes
    connection.gate.set()
    assert [len(new) for new in await asyncio.gather(*requests)] == [1, *behind]
    assert await database.events.count_documents({}) == 1 + sum(behind)


async def test_a_hundred_identical_requests_store_one_event(
    log: EventLog, database: Database
) -> None:
    stored = await asyncio.gather(*[log.append([document("same")], 100) for _ in range(100)])
    assert sum(len(new) for new in stored) == 1
    assert await database.events.count_documents({}) == 1


@pytest.mark.parametrize("fault", [LOST_REQUEST, LOST_ANSWER])
async def test_a_retry_tells_its_own_events_from_duplicates(
    log: EventLog, connection: Connection, database: Database, fault: str
) -> None:
    await log.append([document("before")], 100)
    connection.faults = [fault]
    first, second = await asyncio.gather(
        log.append([document("before"), document("new"), document("new"), document()], 100),
        log.append([document("new"), document("other")], 100),
    )
    assert [d["_id"] for d in first if isinstance(d["_id"], str)] == ["new"]
    assert len(first) == 2
    assert [d["_id"] for d in second] == ["other"]
    assert await database.events.count_documents({}) == 4


async def test_each_request_is_told_its_own_duplicates(
    log: EventLog, connection: Connection
) -> None:
    await log.append([document(key) for key in "bdefh"], 100)
    connection.gate.clear()
    waiting = [
        asyncio.create_task(log.append([document(key) for key in keys], 100))
        for keys in ("0", "abcd", "efg", "hij")
    ]
    await asyncio.sleep(0)
    connection.gate.set()
    new = await asyncio.gather(*waiting)
    assert ["".join(stored["_id"] for stored in mine) for mine in new] == ["0", "ac", "g", "ij"]


async def test_without_mongodb_everybody_gets_503_and_later_requests_work(
    log: EventLog, connection: Connection
) -> None:
    connection.faults = [LOST_REQUEST] * 2
    connection.gate.clear()
    waiting = [asyncio.create_task(log.append([document()] * 600, 100)) for _ in range(4)]
    await asyncio.sleep(0)
    connection.gate.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [cast("Problem", outcome).failure for outcome in outcomes] == [STORAGE_UNAVAILABLE] * 4
    assert log.waiting == 0
    assert len(await log.append([document()], 100)) == 1


@pytest.mark.parametrize(
    ("waiting", "new", "is_refused"),
    [
        ((19_999, 100), (1, 100), False),
        ((20_000, 100), (1, 100), True),
        ((1, 100), (20_000, 100), True),
        ((10_001, 100), (10_001, 100), True),
        ((1, 17_000_000), (1, 17_000_000), True),
        ((1, 33_554_332), (1, 100), False),
        ((1, 33_554_331), (1, 102), True),
    ],
)
async def test_what_waits_is_bounded(
    log: EventLog,
    connection: Connection,
    waiting: tuple[int, int],
    new: tuple[int, int],
    *,
    is_refused: bool,
) -> None:
    async def release() -> None:
        connection.gate.set()

    for _ in range(2):  # what was answered waits no more
        connection.gate.clear()
        stored, outcome, _ = await asyncio.gather(
            *[log.append([document() for _ in range(n)], size) for n, size in (waiting, new)],
            release(),
            return_exceptions=True,
        )
        assert len(cast("list[Document]", stored)) == waiting[0]
        if is_refused:
            assert cast("Problem", outcome).failure is OVERLOADED
        else:
            assert len(cast("list[Document]", outcome)) == new[0]
        assert log.waiting == 0


@pytest.mark.parametrize(
    "details",
    [
        {"writeErrors": [{"code": 10334, "index": 0}]},
        {"writeErrors": [{"code": 13388, "index": 0}]},
        {"writeErrors": [{"code": 11000, "index": 0}, {"code": 10334, "index": 1}]},
        {
            "writeErrors": [{"code": 11000, "index": 0}],
            "writeConcernErrors": [{"code": 64, "errmsg": "waiting for replication timed out"}],
        },
    ],
)
async def test_a_failure_that_is_no_duplicate_is_told(
    log: EventLog, connection: Connection, monkeypatch: pytest.MonkeyPatch, details: Document
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise BulkWriteError(details)

    monkeypatch.setattr(connection, "insert_many", fail)
    with pytest.raises(Problem) as told:
        await log.append([document("a"), document("b")], 100)
    assert told.value.failure is STORAGE_UNAVAILABLE
    assert log.waiting == 0


async def test_what_waits_too_long_is_refused_and_fresh_requests_are_written(
    connection: Connection, database: Database
) -> None:
    times = iter([0.0, 1.0, 4.0, 4.0, 7.0])  # three arrivals, the first write, the next turn
    log = EventLog(cast("Collection", connection), seconds=lambda: next(times))
    connection.gate.clear()
    first, stale, fresh = (
        asyncio.create_task(log.append([document() for _ in range(n)], 100)) for n in (1000, 1, 2)
    )
    await asyncio.sleep(0)
    connection.gate.set()
    outcomes = await asyncio.gather(first, stale, fresh, return_exceptions=True)
    assert cast("Problem", outcomes[1]).failure is OVERLOADED
    assert len(cast("list[Document]", outcomes[2])) == 2
    assert log.waiting == 0
    assert await database.events.count_documents({}) == 1000 + 2


async def test_a_client_that_leaves_takes_nobody_with_it(
    log: EventLog, connection: Connection, database: Database
) -> None:
    connection.gate.clear()
    leaving = asyncio.create_task(log.append([document()], 100))
    staying = asyncio.create_task(log.append([document()], 100))
    await asyncio.sleep(0)
    leaving.cancel()
    connection.gate.set()
    assert len(await staying) == 1
    assert await database.events.count_documents({}) == 2


async def test_an_event_that_cannot_be_stored_leaves_nobody_waiting(log: EventLog) -> None:
    outcomes = await asyncio.gather(
        log.append([document() | {"user_id": object()}], 100),
        log.append([document()], 100),
        return_exceptions=True,
    )
    assert all(isinstance(outcome, Exception) for outcome in outcomes)
    assert len(await log.append([document()], 100)) == 1
