"""From the bytes of a request to the JSON values in it, with every bound kept on the way."""

import asyncio
import zlib
from dataclasses import dataclass
from typing import Final

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from shared.http.problems import (
    BAD_ENCODING,
    BAD_JSON,
    CONTENT_CODING,
    INCOMPLETE_BODY,
    MEDIA_TYPE,
    OVERLOADED,
    SLOW_BODY,
    TOO_LARGE,
    Problem,
)
from shared.http.request_context import header
from shared.ingest.turns import Turns
from shared.schema import MAX_BATCH

MAX_BODY: Final = 1_048_576  # bytes, before and after decompression
MAX_READING: Final = 64 * 1_048_576  # bytes of all bodies that are half read
UNCOUNTED: Final = 65_536  # bytes of each body: uvicorn takes as much from a connection unasked
UNREAD: Final = MAX_BODY // 4  # bytes that a body counts for if it could not be decompressed
BODY_SECONDS: Final = 20.0  # a slower client is holding a connection, not sending a megabyte

MAX_MEMBERS: Final = 100  # of a gzip stream: 14 µs each, however empty
MAX_BRACKETS: Final = 20_000  # [ and {, of which 1000 events need 2001: 8 ms to parse
MAX_LINES: Final = 2 * MAX_BATCH  # of NDJSON, blank ones too

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
LINES: Final = (
    NDJSON,
    *(f"application/{it}" for it in ("ndjson", "jsonl", "jsonlines", "x-jsonlines")),
)


@dataclass(frozen=True)
class NotJson:
    """A line of an NDJSON body that is not JSON."""

    line: bytes
    reason: str


class ReadBudget:
    """Bounds the bytes of the bodies that are being read at once, for there may be many clients.

    Only the bytes of a body beyond `UNCOUNTED` count, so that small requests pass even while slow
    clients use up the budget with large ones.
    """

    def __init__(self, limit: int = MAX_READING) -> None:
        self._left = limit

    def take(self, size: int) -> None:
        """Count `size` more bytes; a 503 problem says that there are too many."""
        if size > self._left:
            raise Problem(OVERLOADED, "Too many large bodies are being read; send smaller ones")
        self._left -= size

    def give_back(self, size: int) -> None:
        """Count `size` bytes no longer."""
        self._left += size


async def read_body(request: Request, budget: ReadBudget) -> bytes:
    """Read the body as it was sent; a 400, 408, 413, 415 or 503 problem says why it cannot be."""
    coding = _coding(request)
    if coding not in {"identity", "gzip", "x-gzip", ""}:
        raise Problem(
            CONTENT_CODING,
            f"Content-Encoding may be gzip or identity, not {coding[:50]!r}",
            headers={"Accept-Encoding": "gzip, identity"},
        )
    declared = header(request.scope, b"content-length")
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise _too_large()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request, budget)
    except TimeoutError:
        raise Problem(SLOW_BODY, f"The body did not arrive within {BODY_SECONDS:.0f} s") from None
    except ClientDisconnect:
        raise Problem(INCOMPLETE_BODY, "The connection closed before the body's end") from None


async def decompress(body: bytes, request: Request, turns: Turns) -> bytes:
    """Decompress the body where it is compressed; a 400 or 413 problem says why it cannot be."""
    compressed = "gzip" in _coding(request)
    if compressed or len(body) > UNCOUNTED:
        await turns.next()
    return _gunzip(body) if compressed else body


def _coding(request: Request) -> str:
    return header(request.scope, b"content-encoding").strip().lower()


async def _read(request: Request, budget: ReadBudget) -> bytes:
    chunks = []
    size = counted = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY:
                raise _too_large()
            if size > UNCOUNTED:
                budget.take(size - UNCOUNTED - counted)
                counted = size - UNCOUNTED
            chunks.append(chunk)
    finally:
        budget.give_back(counted)
    return b"".join(chunks)


def _too_large() -> Problem:
    return Problem(TOO_LARGE, f"The body may hold at most {MAX_BODY} bytes after decompression")


def _gunzip(body: bytes) -> bytes:
    """Decompress every member of a gzip stream, never making more than `MAX_BODY` bytes."""
    out = bytearray()
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(31)
        try:
            out += member.decompress(body, MAX_BODY + 1 - len(out))
        except zlib.error:
            raise Problem(BAD_ENCODING, "The body is not a gzip stream") from None
        if len(out) > MAX_BODY:
            raise _too_large()
        if not member.eof:
            raise Problem(BAD_ENCODING, "The gzip stream ends early")
        body = member.unused_data
        if not body:
            return bytes(out)
    raise Problem(BAD_ENCODING, f"The gzip stream has more than {MAX_MEMBERS} members")


def parse_body(body: bytes, content_type: str) -> object:
    """Parse a JSON or NDJSON body; the latter gives a list, with `NotJson` for a broken line."""
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charset = next((p[8:].strip('"') for p in parameters if p.startswith("charset=")), "utf-8")
    if (media_type != JSON and media_type not in LINES) or charset not in {
        "utf-8",
        "utf8",
        "us-ascii",
    }:
        raise Problem(
            MEDIA_TYPE,
            f"Send {JSON} or {NDJSON} in UTF-8",
            headers={"Accept": f"{JSON}, {NDJSON}"},
        )
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
        raise Problem(TOO_LARGE, f"A body may hold {MAX_BRACKETS} brackets: send less at once")
    if media_type in LINES:
        return _parse_lines(body)
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Problem(BAD_JSON, f"The body is not JSON: {error}") from None


def _parse_lines(body: bytes) -> list[object]:
    values: list[object] = []
    too_many = Problem(TOO_LARGE, f"A body may hold {MAX_BATCH} lines: send less at once")
    if body.count(b"\n") > MAX_LINES:
        raise too_many
    for line in body.split(b"\n"):
        if not line.strip():
            continue
        if len(values) == MAX_BATCH:
            raise too_many
        try:
            values.append(from_json(line, allow_inf_nan=False))
        except ValueError as error:
            values.append(NotJson(line, str(error)))
    first = values[0] if values else None
    if isinstance(first, NotJson) and all(isinstance(value, NotJson) for value in values):
        raise Problem(BAD_JSON, f"No line of the body is JSON; the first: {first.reason}")
    return values
