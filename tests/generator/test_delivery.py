import asyncio
import io
import json
import random
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from generator.delivery import Delivery, HopelessError
from generator.ledger import Ledger
from generator.outgoing import Batch, Outgoing, Role
from generator.pause import Pause
from generator.progress import Progress
from generator.service import service
from tests.generator.stubborn import Stubborn, stubborn

pytestmark = pytest.mark.anyio


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "timestamp": datetime.now(UTC).isoformat(),
        "user_id": f"usr_{number}",
        "event_type": "page_view",
        "page_url": "/",
        "event_id": f"event-{number}",
    } | fields


def batch_of(number: int) -> Batch:
    return [Outgoing(event(n)) for n in range(number)]


async def deliver(server: Stubborn, *batches: Batch) -> tuple[Progress, list[dict[str, Any]]]:
    """Deliver `batches` one after another; return the count and the lines of the ledger."""
    progress, file = Progress(time.monotonic), io.StringIO()
    ledger = Ledger(file, lambda: datetime.now(UTC))
    async with service(server.url, "the-key").client(1) as http:
        pause = Pause(time.monotonic, asyncio.sleep, random.Random(1))
        delivery = Delivery(http, progress, ledger, monotonic=time.monotonic, pause=pause)
        for batch in batches:
            progress.drawn += len(batch)
            await delivery.deliver(batch)
    return progress, [json.loads(line) for line in file.getvalue().splitlines()]


@pytest.mark.parametrize(
    "script",
    [
        ["429", "429"],
        ["503"],
        ["500"],
        ["reset"],
        ["lose"],
        ["lose", "503", "lose"],
        ["garbage"],
        ["html"],
        ["nonsense"],
        ["miscount"],
        ["429", "503", "lose", "garbage", "miscount"],
    ],
    ids=" ".join,
)
async def test_every_event_arrives_once_whatever_happens(script: list[str]) -> None:
    async with stubborn(script) as server:
        progress, ledger = await deliver(server, batch_of(3))
    assert server.stored.keys() == {"event-0", "event-1", "event-2"}
    assert server.answers == [*script, "ok"]
    assert progress.retried.total() == len(script)
    assert (progress.accepted, progress.duplicate, progress.flawless) == (3, 0, True)
    (line,) = ledger
    assert [e["event_id"] for e in line["events"]] == ["event-0", "event-1", "event-2"]
    known = line["received_from"] == line["received_by"]
    assert known == ("lose" not in script)
    first_received = min(stored["received_at"] for stored in server.stored.values())
    assert datetime.fromisoformat(line["received_from"]) <= first_received


async def test_a_lost_answer_leaves_copies_duplicates() -> None:
    batch = [*batch_of(2), Outgoing(event(0), Role.COPY)]
    async with stubborn(["lose"]) as server:
        progress, _ = await deliver(server, batch)
    assert (progress.accepted, progress.duplicate) == (2, 1)


@pytest.mark.parametrize(
    ("entry", "first", "second"),
    [("limit", [10, 5, 3, 2, 3, 2], [3, 3, 3, 1]), ("too-big", [10, 5, 3, 2, 5, 3, 2], None)],
)
async def test_a_batch_that_can_never_pass_is_split(
    entry: str, first: list[int], second: list[int] | None
) -> None:
    async with stubborn([entry] * 50, largest=3) as server:
        progress, _ = await deliver(server, batch_of(10), batch_of(10))
    assert server.sizes == first + (second or first)  # a rate limit is remembered
    assert len(server.stored) == 10
    assert (progress.accepted, progress.duplicate, progress.flawless) == (10, 10, True)


async def test_one_event_too_large_is_refused_and_takes_no_other_along() -> None:
    async with stubborn(["too-big"], largest=0) as server:
        progress, _ = await deliver(server, batch_of(2))
    assert progress.refused == {"413": 2}
    assert not progress.flawless


async def test_malformed_events_are_refused_as_intended() -> None:
    broken = Outgoing(event(9, user_id=5), Role.MALFORMED)
    async with stubborn() as server:
        progress, ledger = await deliver(server, [*batch_of(2), broken], [broken, broken])
    assert (progress.accepted, progress.rejected, progress.flawless) == (2, 3, True)
    assert [line["rejected"] for line in ledger] == [[1, 1], [2, 2]]
    assert [len(line["events"]) for line in ledger] == [2, 0]


async def test_a_valid_event_refused_and_a_malformed_one_taken_are_told() -> None:
    batch = [Outgoing(event(1)), Outgoing(event(2, user_id=5)), Outgoing(event(3), Role.MALFORMED)]
    async with stubborn() as server:
        progress, ledger = await deliver(server, batch)
    assert progress.refused == {"wrong_type": 1}
    assert progress.leaked == 1
    assert progress.accepted == 1
    assert not progress.flawless
    assert [e["event_id"] for e in ledger[0]["events"]] == ["event-1"]


async def test_it_waits_as_long_as_it_is_told() -> None:
    now = 0.0

    def monotonic() -> float:
        return now

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    progress = Progress(monotonic)
    async with stubborn(["429", "429"]) as server, service(server.url, None).client(1) as http:
        server.retry_after = 7
        pause = Pause(monotonic, sleep, random.Random(1))
        delivery = Delivery(http, progress, monotonic=monotonic, pause=pause)
        await delivery.deliver(batch_of(1))
    assert now == 14


async def test_a_wrong_key_ends_it_at_once() -> None:
    async with stubborn(["401"]) as server:
        with pytest.raises(HopelessError, match="401"):
            await deliver(server, batch_of(1))
    assert len(server.sizes) == 1
    assert b"Authorization: Bearer the-key" in server.headers[0]
