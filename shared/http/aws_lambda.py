"""AWS Lambda: the same applications and tasks behind `handler(event, context)`.

One event loop serves every invocation of an environment, because the database client belongs to
the loop it was made on. Lifespan is off: Mangum would run it around each invocation.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any
from urllib.parse import quote

from mangum import Mangum
from starlette.applications import Starlette

Handler = Callable[[Any, Any], Any]


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def http_handler(app: Starlette) -> Handler:
    """Serve an application's requests as API Gateway HTTP API events (payload version 2.0)."""

    @cache
    def adapter() -> Mangum:
        return Mangum(app, lifespan="off")

    def handler(event: Any, context: Any) -> Any:  # noqa: ANN401 - AWS's own shapes
        asyncio.set_event_loop(_loop())  # the runtime may have left another one
        return adapter()(_with_encoded_path(event), context)

    return handler


def _with_encoded_path(event: Any) -> Any:  # noqa: ANN401 - AWS's own shapes
    """Encode the path again: an HTTP API has decoded it, and Mangum decodes what it is given.

    Decoded twice, `a%252Fb` would name the user `a/b` in place of `a%2Fb`.
    """
    context = event["requestContext"]
    http = {**context["http"], "path": quote(context["http"]["path"])}
    return {**event, "requestContext": {**context, "http": http}}


def task_handler(task: Callable[[Any, Any], Coroutine[Any, Any, Any]]) -> Handler:
    """Run a task for each event of a schedule."""

    def handler(event: Any, context: Any) -> Any:  # noqa: ANN401 - AWS's own shapes
        asyncio.set_event_loop(_loop())
        return _loop().run_until_complete(task(event, context))

    return handler
