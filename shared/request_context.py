"""A name for each request, and how long it took."""

import re
import time
from typing import Final
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.telemetry import LATENCY

REQUEST_ID: Final = "X-Request-ID"
_SANE_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)


class RequestContext:
    """Names each request, answers with its name, and measures how long it took."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with `scope["state"]["request_id"]` set."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
                endpoint = getattr(scope.get("endpoint"), "__name__", "none")
                took = time.perf_counter() - started
                LATENCY.labels(endpoint, message["status"]).observe(took)
            await send(message)

        await self._app(scope, receive, send_named)


def request_id(request: Request) -> str:
    """Give the name of a request."""
    return str(request.scope.get("state", {}).get("request_id", ""))
