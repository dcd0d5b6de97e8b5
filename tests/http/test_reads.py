"""Reads under way: a few at once, in turn, and never too many of one client or of all."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from shared.http.problems import Problem
from shared.http.reads import AT_ONCE, IN_TOTAL, OF_ONE_CLIENT, Reads

pytestmark = pytest.mark.anyio


async def read(reads: Reads, client: str, begun: list[str], end: asyncio.Event) -> str:
    try:
        async with reads.of(client):
            begun.append(client)
            await end.wait()
    except Problem as problem:
        return problem.failure.tag
    return "read"


@pytest.mark.parametrize(("clients", "read_at_most"), [(1, OF_ONE_CLIENT), (200, IN_TOTAL)])
async def test_what_is_too_much_is_refused_at_once(clients: int, read_at_most: int) -> None:
    reads, begun, end = Reads(), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(read(reads, str(number % clients), begun, end))
            for number in range(200)
        ]
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(begun) == AT_ONCE
        assert sum(task.done() for task in asked) == 200 - read_at_most
        end.set()
    results = [task.result() for task in asked]
    assert results.count("read") == read_at_most
    assert results.count("too-many-reads") == 200 - read_at_most


async def test_a_place_is_given_back_whatever_becomes_of_the_read() -> None:
    reads = Reads()
    for _ in range(2 * IN_TOTAL):
        with pytest.raises(ZeroDivisionError):
            async with reads.of("a"):
                raise ZeroDivisionError
    async with AsyncExitStack() as under_way:
        for _ in range(AT_ONCE):
            await under_way.enter_async_context(reads.of("a"))
        waiting = asyncio.create_task(read(reads, "a", [], asyncio.Event()))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
    assert await asyncio.wait_for(read(reads, "a", [], _set()), 1) == "read"


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event
