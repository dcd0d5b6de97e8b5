"""The HTTP protocol of uvicorn, with limits on all that a client can make the server hold.

uvicorn leaves these limits to a proxy in front of it. Here they apply to every connection, before
any key is checked. Invalid HTTP is answered with a problem document, after the earlier answers.
"""

import asyncio
import logging
import resource
import time
from functools import cache, partial
from itertools import chain
from typing import Any, Final

import httptools
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from shared import deadlines
from shared.http.error_answers import answer_problem
from shared.http.problems import (
    BAD_REQUEST,
    HEAD_TOO_LARGE,
    NOT_READY,
    RATE_LIMITED,
    TOO_LARGE,
    Problem,
)
from shared.http.request_context import RequestContext

MAX_HEAD: Final = 16_384  # bytes of request line and headers, and of trailers
MAX_PIECES: Final = 4096  # of a body: 4 ms to parse, as each may be a single byte
MAX_PIPELINED: Final = 16  # requests of one connection that wait for the answer to an earlier one
MAX_STALLED: Final = 64  # connections that do not read their answers; an answer may have 2 MiB
MAX_CONNECTIONS: Final = 4096  # of a process; each may hold 64 KiB of a slow body
HEAD_SECONDS: Final = 10.0  # for the first head of a connection
WRITE_SECONDS: Final = 20.0  # until the client has read what waits
LAST_SECONDS: Final = 0.5  # until an idle connection is closed when the service stops
_OTHER_FILES: Final = 128  # descriptors for MongoDB, the loop, the log
_LOG: Final = logging.getLogger("footfall.connections")


@cache
def max_connections() -> int:
    """Return how many connections a process takes: fewer where descriptors are scarce."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MAX_CONNECTIONS, max(descriptors - _OTHER_FILES, descriptors // 2))


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _waiting: Final[dict["BoundedProtocol", None]] = {}  # for a head, the longest waiting first
    _stalled: Final[dict["BoundedProtocol", None]] = {}  # for their client to read, likewise
    _told_at = 0.0

    _quiet = 0  # bytes since the parser last had a whole head or a piece of a body
    _pieces = 0  # of the current body
    _refused = False
    _ending = False
    _running: RequestResponseCycle = None  # type: ignore[assignment]  # before the first request
    _task: asyncio.Task[None] | None = None  # which answers the last request that was begun
    _abort_at: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - TCP or TLS
        """Accept the connection; if there are too many, drop the one waiting longest."""
        super().connection_made(transport)
        self._waiting[self] = None
        self.timeout_keep_alive_task = self.loop.call_later(
            HEAD_SECONDS, self.timeout_keep_alive_handler
        )
        if len(self.connections) > max_connections():
            self._tell_of_the_crowd()
            next(iter(self._waiting)).abort()

    def _tell_of_the_crowd(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= 1:
            BoundedProtocol._told_at = now
            _LOG.warning(
                "%d connections are open: an idle one goes for each more", len(self.connections) - 1
            )

    def data_received(self, data: bytes) -> None:
        """Parse received data, without restarting the timeout for the request head."""
        if self._refused:
            return
        try:
            if len(data) <= MAX_HEAD:
                self._feed(data)
            else:
                view = memoryview(data)
                for start in range(0, len(data), MAX_HEAD):
                    self._feed(view[start : start + MAX_HEAD])
        except httptools.HttpParserUpgrade:
            return  # answered like any other request: protocol upgrades are not supported
        except (httptools.HttpParserError, Problem) as error:
            self._refuse(_problem(error))

    def _feed(self, part: bytes | memoryview) -> None:
        self._quiet += len(part)
        self.parser.feed_data(part)
        if self._quiet > MAX_HEAD:
            raise _head_too_large()

    def on_headers_complete(self) -> None:
        """Begin or queue the request whose head is complete, or raise the problem with it."""
        large, self._quiet, self._pieces = self._quiet > MAX_HEAD, 0, 0
        if large and len(self.url) + sum(map(len, chain.from_iterable(self.headers))) > MAX_HEAD:
            raise _head_too_large()
        if len(self.pipeline) >= MAX_PIPELINED:
            raise Problem(RATE_LIMITED, f"More than {MAX_PIPELINED} requests wait for answers here")
        self._waiting.pop(self, None)
        self._unset_keepalive_if_required()
        super().on_headers_complete()
        if self._ending:
            self.cycle.keep_alive = False
        self.headers = []  # trailers come here, and nobody reads them

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._quiet = 0
        self._pieces += 1
        if self._pieces > MAX_PIECES:
            raise Problem(TOO_LARGE, f"A body may come in {MAX_PIECES} chunks")
        super().on_body(body)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - theirs
        self._running = cycle
        super()._start_asgi_task(cycle, partial(self._answer, app, cycle))

    async def _answer(
        self,
        app: ASGIApp,
        cycle: RequestResponseCycle,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Let the application answer, or say that the service stops before it could."""
        self._task = asyncio.current_task()
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if cycle.response_started:
                raise
            stopping = _answer(Problem(NOT_READY, "The service is being stopped"))
            await stopping(scope, receive, send)

    def _refuse(self, problem: Problem) -> None:
        """Answer an invalid request or body, after the earlier answers; then close."""
        self._refused = True
        self.flow.pause_reading()
        broken = self.cycle
        if broken and broken.more_body:
            broken.disconnected = True
            broken.message_event.set()
            if broken.response_started:
                self.transport.close()
                return
            broken.response_complete = True
            if broken is not self._running:
                self.pipeline.popleft()
                self.cycle = self._running
        self.app = _answer(problem)
        self.on_message_begin()
        self.url = b"/"
        super().on_headers_complete()
        self.cycle.keep_alive = self.cycle.more_body = False

    def on_response_complete(self) -> None:
        """Go on to the next request, or wait for one; a closing connection must come to its end."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._abort_later()  # nobody may ever read what is left to be written
        elif self.timeout_keep_alive_task:
            self._waiting[self] = None

    def shutdown(self) -> None:
        """Close after the next answer, which announces it.

        Closing an idle connection at once would reset a request that is in transit or unread, and
        the client could not tell whether it was handled.
        """
        self._ending = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LAST_SECONDS, super().shutdown)
        else:
            super().shutdown()
        if self._task and self._running.scope["method"] in {"GET", "HEAD"}:
            self.loop.call_later(deadlines.LAST_READ, self._task.cancel)

    def pause_writing(self) -> None:
        """Wait until the client reads, but not for ever, and not on too many connections."""
        super().pause_writing()
        self._abort_later()
        self._stalled[self] = None
        if len(self._stalled) > MAX_STALLED:
            next(iter(self._stalled)).abort()

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        super().resume_writing()
        self._forget()

    def timeout_keep_alive_handler(self) -> None:
        """Drop a connection that was idle, too slow with its head, or does not read the last."""
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of all that belonged to the connection."""
        self._let_go()
        super().connection_lost(exc)

    def abort(self) -> None:
        """Drop the connection and what waits to be written."""
        self._let_go()
        self.transport.abort()

    def _let_go(self) -> None:
        self._waiting.pop(self, None)
        self._unset_keepalive_if_required()
        self._forget()
        self.pipeline.clear()
        if self._running:
            self._running.disconnected = True  # uvloop raises at each write to what is closed

    def _abort_later(self) -> None:
        if self._abort_at is None:
            self._abort_at = self.loop.call_later(WRITE_SECONDS, self.abort)

    def _forget(self) -> None:
        self._stalled.pop(self, None)
        if self._abort_at:
            self._abort_at.cancel()
            self._abort_at = None


def _problem(error: BaseException) -> Problem:
    """Return the problem that a callback of the parser raised, or one with what it found."""
    cause = error if isinstance(error, Problem) else error.__context__
    if isinstance(cause, Problem):
        return cause
    return Problem(BAD_REQUEST, f"This is not an HTTP/1.1 request: {error}")


def _head_too_large() -> Problem:
    return Problem(HEAD_TOO_LARGE, f"Request line and headers may have {MAX_HEAD} bytes together")


def _answer(problem: Problem) -> Any:  # noqa: ANN401 - an application, as uvicorn types it
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        response = await answer_problem(Request(scope), problem)
        await response(scope, receive, send)

    return RequestContext(answer)
