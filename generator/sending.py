"""Deliver events over HTTP, each once whatever happens on the way.

A request that failed is sent again with the same event ids, so that nothing is counted twice:
after `Retry-After` where the service names a time, else after a delay that doubles.
"""

import asyncio
import contextlib
import json
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from pydantic import BaseModel, ValidationError

from generator.faults import Batch
from generator.progress import Outcome, Progress
from generator.schedule import Sleep
from shared.schema import MAX_BATCH, FieldError, Receipt

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
FIRST_BACKOFF, LONGEST_BACKOFF = 0.1, 5.0  # seconds
MAX_RETRY_AFTER = 60.0  # seconds; whatever a proxy says, look again after a minute
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class PermanentError(Exception):
    """No request will ever pass; the message says why."""


class TooLargeError(Exception):
    """The request must be sent in parts."""


class RetryError(Exception):
    """The request is to be sent again, after `seconds` if the service named a time."""

    def __init__(self, reason: str, seconds: float | None = None, *, stored: bool = True) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.maybe_stored = stored


class _Problem(BaseModel):
    """What matters here of an error's document (RFC 9457)."""

    type: str = ""
    title: str = "not a problem of Footfall's"
    errors: list[FieldError] | None = None


def client(url: str) -> httpx.AsyncClient:
    """Return a client of the service at `url`, with the key in FOOTFALL_KEY if there is one.

    Raises ValueError, which names no secret, where that cannot be.
    """
    try:
        parsed, key = httpx.URL(url.rstrip("/")), os.environ.get("FOOTFALL_KEY")
    except httpx.InvalidURL as error:
        raise ValueError("the URL cannot be read") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("the URL must start with http:// or https:// and name a host")
    if parsed.userinfo:
        raise ValueError("the URL must hold no password; put the key into FOOTFALL_KEY")
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError("FOOTFALL_KEY must be printable ASCII without spaces")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    proxies = parsed.host not in LOOPBACK  # none to this very machine
    return httpx.AsyncClient(base_url=parsed, headers=headers, timeout=TIMEOUT, trust_env=proxies)


class Sender:
    """Sends batches; counts and records what became of each request."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        progress: Progress,
        record: Callable[[Outcome], None] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._http = http
        self._progress = progress
        self._record = record
        self._monotonic = monotonic
        self._sleep = sleep
        self._largest = MAX_BATCH

    async def deliver(self, batch: Batch) -> None:
        """Return when every event of `batch` is answered for; raise PermanentError if none can be.

        When cancelled it records the events that the service may have taken.
        """
        while batch:
            outcome, first = Outcome(batch[: self._largest]), self._monotonic()
            try:
                await self._send(outcome)
            except TooLargeError as error:
                if len(outcome.batch) == 1:
                    raise PermanentError(f"the service answers {error} to one event") from error
                self._largest = len(outcome.batch) // 2
                continue
            except asyncio.CancelledError:
                self._report(outcome, first)
                raise
            self._report(outcome, first)
            batch = batch[len(outcome.batch) :]

    def _report(self, outcome: Outcome, first: float) -> None:
        outcome.since_first = self._monotonic() - first
        self._progress.count(outcome)
        if self._record:
            self._record(outcome)

    async def _send(self, outcome: Outcome) -> None:
        """Ask until there is a receipt."""
        body = json.dumps([event for event, _ in outcome.batch]).encode()
        backoff = FIRST_BACKOFF
        while outcome.receipt is None:
            sent = self._monotonic()
            try:
                outcome.receipt = await self._ask(body, len(outcome.batch))
                outcome.took = self._monotonic() - sent
            except RetryError as error:
                outcome.unclear += error.maybe_stored
                self._progress.retried[str(error)] += 1
                jittered = backoff * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
                await self._sleep(jittered if error.seconds is None else error.seconds)
                backoff = min(2 * backoff, LONGEST_BACKOFF)

    async def _ask(self, body: bytes, events: int) -> Receipt:
        """Send a request once and return its receipt; raise one of the errors above."""
        try:
            response = await self._http.post(
                "/v1/events", content=body, headers={"Content-Type": "application/json"}
            )
        except httpx.RequestError as error:  # no connection, no answer, or not an HTTP answer
            stored = not isinstance(error, NEVER_SENT)
            raise RetryError(type(error).__name__, stored=stored) from error
        status = response.status_code
        if status < 300:
            return _receipt(response, events)
        try:
            problem = _Problem.model_validate_json(response.content)
        except ValidationError:
            problem = _Problem()
        if status == 422:
            return _refusal(response, problem, events)
        if status == 413 or (status == 429 and problem.type.endswith("batch-exceeds-limit")):
            raise TooLargeError(str(status))
        if status in {408, 425, 429} or status >= 500:
            told = response.headers.get("Retry-After", "")  # seconds; a date is not understood
            seconds = min(float(told), MAX_RETRY_AFTER) if told.isdecimal() else None
            raise RetryError(str(status), seconds, stored=status != 429)
        raise PermanentError(f"the service answers {status}: {problem.title[:200]!a}")


def _receipt(response: httpx.Response, events: int) -> Receipt:
    """Return the receipt of `events` events; one of others is not believed."""
    try:
        receipt = Receipt.model_validate_json(response.content)
    except ValidationError:
        raise RetryError(f"garbage ({response.status_code})") from None
    refused = len({error.index for error in receipt.errors})
    if (receipt.accepted + receipt.duplicate + refused, refused) != (events, receipt.rejected):
        raise RetryError("wrong count")
    return receipt


def _refusal(response: httpx.Response, problem: _Problem, events: int) -> Receipt:
    """Return the receipt of a request of which nothing was valid."""
    codes = {error.index: error.code for error in problem.errors or []}
    errors = [
        FieldError(index=index, pointer="", code=codes.get(index, problem.title), detail="")
        for index in range(events)
    ]
    at = datetime.now(UTC)
    with contextlib.suppress(KeyError, ValueError):
        at = parsedate_to_datetime(response.headers["Date"])  # the server's clock, to the second
    return Receipt(received_at=at, accepted=0, duplicate=0, late=0, rejected=events, errors=errors)
