"""Deliver batches to the service: each event once, whatever happens on the way."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta

import httpx

from generator.answers import Hopeless, Refused, Split, Taken, TryAgain, Verdict, judge
from generator.attempts import Attempts
from generator.ledger import Ledger
from generator.outgoing import Batch
from generator.pause import Pause
from generator.progress import Progress
from generator.reckoning import Reckoning, reckon, reckon_refusal
from shared.schema import MAX_BATCH, Receipt

Answer = Taken | Refused | Split | Hopeless

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class HopelessError(Exception):
    """No request will ever pass; the message says why."""


class Delivery:
    """Sends batches and sends them again until they are answered for.

    The event ids stay the same, so that sending again is safe. A refusal for now (`429`, `503`)
    or a failure makes all senders pause together: a service in trouble is not hammered.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        progress: Progress,
        ledger: Ledger | None = None,
        *,
        monotonic: Callable[[], float],
        pause: Pause,
    ) -> None:
        self._http = http
        self._progress = progress
        self._ledger = ledger
        self._monotonic = monotonic
        self._pause = pause
        self._largest = MAX_BATCH

    async def deliver(self, batch: Batch) -> None:
        """Return when every event of `batch` is answered for; raise HopelessError if none can be.

        When cancelled it notes in the ledger which events the service may have taken.
        """
        parts = [batch]  # the last goes first
        while parts:
            part = parts.pop()
            if len(part) > self._largest:
                parts += part[self._largest :], part[: self._largest]
                continue
            verdict = await self._settle(part)
            if verdict is not None:
                half = (len(part) + 1) // 2
                parts += part[half:], part[:half]
                if verdict.lasting:
                    self._largest = min(self._largest, half)

    async def _settle(self, batch: Batch) -> Split | None:
        """Send `batch` until it is answered for; return the answer that asks for smaller parts."""
        attempts = Attempts()
        try:
            verdict = await self._ask(batch, attempts)
        except asyncio.CancelledError:
            if self._ledger is not None and attempts.first_sent is not None:
                waited = timedelta(seconds=self._monotonic() - attempts.first_sent)
                self._ledger.doubt(batch, waited)
            raise
        match verdict:
            case Taken(receipt):
                self._take(batch, receipt, attempts)
            case Split(reason) if len(batch) == 1:
                self._count(reckon_refusal(batch, reason, []))
            case Split():
                return verdict
            case Refused(reason, errors, answered_on):
                reckoning = reckon_refusal(batch, reason, errors)
                self._count(reckoning)
                if self._ledger is not None:
                    self._ledger.refuse(reckoning, answered_on, attempts)
            case Hopeless(reason):
                raise HopelessError(reason)
        return None

    async def _ask(self, batch: Batch, attempts: Attempts) -> Answer:
        body = json.dumps([outgoing.event for outgoing in batch]).encode()
        while True:
            await self._pause.over()
            verdict = await self._send(body, len(batch), attempts)
            if not isinstance(verdict, TryAgain):
                self._pause.all_is_well()
                return verdict
            attempts.unanswered += verdict.maybe_stored
            self._progress.retried[verdict.reason] += 1
            self._pause.hold(verdict.seconds)

    async def _send(self, body: bytes, events: int, attempts: Attempts) -> Verdict:
        attempts.last_sent = self._monotonic()
        if attempts.first_sent is None:
            attempts.first_sent = attempts.last_sent
        self._progress.in_flight += 1
        try:
            response = await self._http.post(
                "/v1/events", content=body, headers={"Content-Type": "application/json"}
            )
        except httpx.RequestError as error:  # no connection, no answer, or not an HTTP answer
            return TryAgain(type(error).__name__, maybe_stored=not isinstance(error, _NEVER_SENT))
        finally:
            self._progress.in_flight -= 1
        attempts.answered = self._monotonic()
        self._progress.answered(attempts.answered - attempts.last_sent)
        return judge(response.status_code, response.headers, response.content, events)

    def _take(self, batch: Batch, receipt: Receipt, attempts: Attempts) -> None:
        reckoning = reckon(batch, receipt.rejected, receipt.errors)
        # After a lost answer, duplicates beyond the copies are what it would have acknowledged, but
        # for an original whose copy went past it meanwhile: receipts name no events, so that these
        # few are accepted twice in this count. The ledger has each once.
        own = max(receipt.duplicate - reckoning.copies, 0) if attempts.unanswered else 0
        self._progress.accepted += receipt.accepted + own - reckoning.leaked
        self._progress.duplicate += receipt.duplicate - own
        self._progress.late += receipt.late
        self._count(reckoning)
        if self._ledger is not None:
            self._ledger.take(reckoning, receipt, attempts)

    def _count(self, reckoning: Reckoning) -> None:
        self._progress.rejected += reckoning.rejected
        self._progress.leaked += reckoning.leaked
        self._progress.refused += reckoning.refused
