"""Delivery, against a server that behaves as badly as it is told."""

import io
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from generator.faults import Batch, Outgoing, Role
from generator.progress import Progress
from generator.schedule import Schedule
from generator.sending import PermanentError, Sender, client
from generator.verify.ledger import Ledger
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


class Delivered:
    """What came of batches: the counts, the lines of the ledger, and how long it waited."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.waits: list[float] = []
        self.file = io.StringIO()

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.getvalue().splitlines()]


async def deliver(server: Stubborn, *batches: Batch) -> Delivered:
    """Deliver `batches` one after another; waits are only noted."""
    delivered = Delivered()
    record = Ledger(delivered.file).record
    async with client(server.url) as http:
        sender = Sender(http, delivered.progress, record, sleep=delivered.sleep)
        for batch in batches:
            await sender.deliver(batch)
    return delivered


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
async def test_every_event_arrives_once_and_in_order_whatever_happens(script: list[str]) -> None:
    async with stubborn(script) as server:
        got = await deliver(server, batch_of(3), [Outgoing(event(3))])
    assert list(server.stored) == ["event-0", "event-1", "event-2", "event-3"]
    assert server.answers == [*script, "ok", "ok"]
    assert got.progress.retried.total() == len(script)
    assert (got.progress.accepted, got.progress.duplicate) == (4, 0)
    assert not got.progress.wrong
    line, _ = got.lines
    assert [e["event_id"] for e in line["events"]] == ["event-0", "event-1", "event-2"]
    assert (line["received_from"] == line["received_by"]) == ("lose" not in script)
    first_received = min(stored["received_at"] for stored in server.stored.values())
    assert datetime.fromisoformat(line["received_from"]) <= first_received


async def test_copies_are_duplicates_after_a_lost_answer_too() -> None:
    async with stubborn(["lose"]) as server:
        got = await deliver(server, [*batch_of(2), Outgoing(event(0), Role.DUPLICATE)])
    assert (got.progress.accepted, got.progress.duplicate) == (2, 1)


@pytest.mark.parametrize(
    ("retry_after", "waits"),
    [("7", [7, 7, 7]), ("1000000", [60, 60, 60]), ("Sun, 22 Nov 2026 14:30:00 GMT", None)],
)
async def test_it_waits_as_long_as_it_is_told_and_else_longer_each_time(
    retry_after: str, waits: list[float] | None
) -> None:
    async with stubborn(["429", "503", "503"]) as server:
        server.retry_after = retry_after
        got = await deliver(server, batch_of(1))
    if waits is None:
        assert all(
            longest / 2 <= wait <= longest
            for wait, longest in zip(got.waits, (0.1, 0.2, 0.4), strict=True)
        )
    else:
        assert got.waits == waits


async def test_the_longest_wait_without_a_named_time_is_bounded_and_forgotten_after_success() -> (
    None
):
    async with stubborn(["reset"] * 12 + ["ok", "reset"]) as server:
        got = await deliver(server, batch_of(1), batch_of(1))
    assert 2.5 <= max(got.waits) <= 5
    assert got.waits[12] <= 0.1


@pytest.mark.parametrize("entry", ["limit", "too-big"])
async def test_a_batch_that_can_never_pass_is_split_and_the_size_remembered(entry: str) -> None:
    async with stubborn([entry] * 50, largest=3) as server:
        got = await deliver(server, batch_of(10), batch_of(10))
    assert server.sizes == [10, 5, *[2] * 10]
    assert list(server.stored) == [f"event-{n}" for n in range(10)]
    assert (got.progress.accepted, got.progress.duplicate) == (10, 10)
    assert len(got.lines) == 10


async def test_malformed_events_are_to_be_refused_and_are_counted_in_the_ledger() -> None:
    broken = Outgoing(event(9, user_id=5), Role.MALFORMED)
    async with stubborn() as server:
        got = await deliver(server, [*batch_of(2), broken], [broken, broken])
    assert (got.progress.accepted, got.progress.rejected, got.progress.wrong) == (2, 3, {})
    assert [line["rejected"] for line in got.lines] == [[1, 1], [2, 2]]
    assert [len(line["events"]) for line in got.lines] == [2, 0]


async def test_a_valid_event_refused_and_a_malformed_one_taken_are_told() -> None:
    batch = [Outgoing(event(1)), Outgoing(event(2, user_id=5)), Outgoing(event(3), Role.MALFORMED)]
    async with stubborn() as server:
        got = await deliver(server, batch)
    assert got.progress.wrong == {"refused: wrong_type": 1, "malformed but accepted": 1}
    assert [e["event_id"] for e in got.lines[0]["events"]] == ["event-1"]


@pytest.mark.parametrize(
    ("script", "told"), [(["401"], "401: 'unauthenticated'"), (["too-big"], "413 to one event")]
)
async def test_what_can_never_pass_ends_it_at_once(script: list[str], told: str) -> None:
    async with stubborn(script, largest=0) as server:
        with pytest.raises(PermanentError, match=told):
            await deliver(server, batch_of(1))
    assert len(server.sizes) == 1


async def test_the_summary_tells_the_whole() -> None:
    schedule = Schedule(100, 0.05, monotonic=lambda: time.monotonic() * 1e9)
    async with stubborn(["429", "429"]) as server:
        got = await deliver(server, batch_of(3), [Outgoing(event(0), Role.DUPLICATE)])
    first, *lines = got.progress.lines(schedule)
    assert first.startswith("sent 4 events in ")
    assert lines[0] == "accepted 3 (late 0), duplicate 1, rejected 0"
    assert lines[1] == "sent again: 429 2"
    assert lines[2].startswith("2 requests, p50 ")
    assert lines[3] == "not delivered: 1"
