"""A server on real sockets that behaves as badly as it is told, and a proxy that loses answers."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.ingest.validation import sort_events
from shared.schema import Receipt

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PROBLEM = "application/problem+json"


@dataclass
class Stubborn:
    """Plays `script`, one entry a request, then behaves: takes events as the contract says.

    An entry is `ok`, `lose` (store, then hang up), `reset` (hang up at once), `garbage` (no
    HTTP), `html` (a 200 page), `nonsense` (a 202 that is no receipt), `miscount` (a receipt of
    other events), or a status of the contract: `429`, `503`, `401`, `500`, `too-big`, `limit`.
    """

    script: Iterator[str]
    retry_after: str = "0"  # of `429` and `503`
    largest: int = 1000  # events in a request, for `too-big` and `limit`
    stored: dict[str, Any] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)  # events of each request
    answers: list[str] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)  # a tenth request came
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"POST"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                continue
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            self.headers.append(head)
            answer = self._answer(json.loads(await reader.readexactly(length)))
            if not answer:
                return
            writer.write(answer)
            await writer.drain()

    def _answer(self, values: list[dict[str, Any]]) -> bytes:
        self.sizes.append(len(values))
        if len(self.sizes) >= 10:
            self.asked.set()
        entry = next(self.script, "ok")
        if entry in {"too-big", "limit"}:
            if len(values) > self.largest:
                self.script = _again(entry, self.script)
            else:
                entry = "ok"
        self.answers.append(entry)
        behaviours: dict[str, Callable[[], bytes]] = {
            "reset": lambda: b"",
            "lose": lambda: self._take(values) and b"",
            "garbage": lambda: b"\x16\x03\x01 is no HTTP\r\n\r\n",
            "html": lambda: _response(200, b"<h1>Welcome</h1>", "text/html"),
            "nonsense": lambda: _response(202, b'{"accepted": "all of it"}'),
            "miscount": lambda: _response(202, self._receipt(7)),
            "429": lambda: _problem(429, "rate-limited", retry_after=self.retry_after),
            "503": lambda: _problem(503, "overloaded", retry_after=self.retry_after),
            "500": lambda: _problem(500, "internal"),
            "401": lambda: _problem(401, "unauthenticated"),
            "too-big": lambda: _problem(413, "too-large"),
            "limit": lambda: _problem(429, "batch-exceeds-limit"),
            "ok": lambda: self._take(values),
        }
        return behaviours[entry]()

    def _take(self, values: list[dict[str, Any]]) -> bytes:
        now = datetime.now(UTC)
        batch = sort_events(values, now, lambda: "")
        new = {
            str(event["_id"]): event for event in batch.events if event["_id"] not in self.stored
        }
        self.stored |= new
        if not batch.events:
            return _problem(422, "invalid-events", [e.model_dump() for e in batch.errors])
        receipt = Receipt(
            received_at=now,
            accepted=len(new),
            duplicate=len(batch.events) - len(new),
            late=sum("late" in event for event in new.values()),
            rejected=len(batch.refusals),
            errors=batch.errors,
        )
        return _response(202, receipt.model_dump_json().encode())

    def _receipt(self, accepted: int) -> bytes:
        now = datetime.now(UTC)
        return (
            Receipt(received_at=now, accepted=accepted, duplicate=0, late=0, rejected=0, errors=[])
            .model_dump_json()
            .encode()
        )


def _again(entry: str, script: Iterator[str]) -> Iterator[str]:
    yield entry
    yield from script


def _response(
    status: int, body: bytes, media_type: str = "application/json", retry_after: str = "0"
) -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nContent-Type: {media_type}\r\n"
    return f"{head}Retry-After: {retry_after}\r\n\r\n".encode() + body


def _problem(
    status: int, tag: str, errors: list[dict[str, Any]] | None = None, retry_after: str = "0"
) -> bytes:
    problem = {"type": f"urn:{tag}", "title": tag, "status": status, "detail": "", "errors": errors}
    return _response(status, json.dumps(problem).encode(), PROBLEM, retry_after)


@contextlib.asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    """Listen on a free port; at the end no connection is left behind."""
    tasks = set[asyncio.Task[None]]()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            tasks.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def stubborn(script: Iterable[str] = (), largest: int = 1000) -> AsyncIterator[Stubborn]:
    """Run a stubborn server on a free port."""
    behaviour = Stubborn(iter(script), largest=largest)
    async with listening(behaviour.serve) as behaviour.url:
        yield behaviour


@contextlib.asynccontextmanager
async def losing_proxy(port: int, every: int) -> AsyncIterator[str]:
    """Run a proxy to a local `port` that hangs up instead of giving every n-th answer."""
    answers = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        onward, outward = await asyncio.open_connection("127.0.0.1", port)

        async def forth() -> None:
            while data := await reader.read(1 << 16):
                outward.write(data)
            outward.close()

        sending = asyncio.create_task(forth())
        try:
            while data := await onward.read(1 << 16):
                answers += 1
                if answers % every == 0:
                    break
                writer.write(data)
        finally:
            sending.cancel()
            outward.transport.abort()
            await asyncio.gather(sending, return_exceptions=True)

    async with listening(serve) as url:
        yield url
