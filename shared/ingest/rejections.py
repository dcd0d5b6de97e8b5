"""The record of refused events: what was refused, when and why, kept for a day.

A refusal costs an attacker nothing, so what it may cost us is bounded: each process keeps up to
`BURST` copies at once and `PER_SECOND` in the long run (about 1 KiB each: 4.3 GB a day at the
most, whatever is sent). Refusals beyond that are summed up by reason, once a second.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby, islice
from typing import Final

from pydantic import BaseModel, Field, ValidationError
from pymongo import DESCENDING
from pymongo.errors import PyMongoError

from shared.clock import Clock
from shared.ingest.validation import Refusal
from shared.schema import AsOf, Instant
from shared.storage.database import Collection, Database, Document, read_deadline, write_deadline

BURST: Final = 2000
PER_SECOND: Final = 50
_SUM_EVERY: Final = 1.0  # seconds
_MAX_READ: Final = 2000  # documents looked at for one answer


class Rejection(BaseModel):
    """Events refused in a row for one reason, the newest of them in full.

    `event` is what was sent, as JSON text, cut short when long.
    """

    rejected_at: Instant = Field(description="when the newest in the row was refused")
    first_rejected_at: Instant = Field(description="of the oldest in the row")
    code: str = Field(description="the reason, for programs", examples=["missing"])
    pointer: str = Field(description="JSON Pointer to the field", examples=["/user_id"])
    detail: str = Field(
        description="the reason, for people",
        examples=["user_id is required: a string of 1 to 128 characters, no control characters"],
    )
    event: str | None = Field(
        description="what was sent, cut short when long; null: no copy was kept",
        examples=['{"event_type":"page_view","page_url":"/"}'],
    )
    count: int = Field(description="how many were refused in the row", examples=[3])


class Rejections(BaseModel):
    """`GET /v1/rejections`: the newest refused events first."""

    as_of: AsOf
    rejections: list[Rejection] = Field(description="newest first")


class RejectionLog:
    """Appends to the `rejections` collection."""

    def __init__(self, rejections: Collection, clock: Clock) -> None:
        self._rejections = rejections
        self._clock = clock
        self._allowance = float(BURST)
        self._refilled_at = clock()
        self._uncopied: Counter[str] = Counter()
        self._summing: asyncio.Task[None] | None = None

    async def keep(self, refusals: Sequence[Refusal], rejected_at: datetime) -> None:
        """Store refusals, ignoring MongoDB's errors: the client's answer does not depend on it."""
        if not refusals:
            return
        copies = refusals[: self._take_allowance(len(refusals))]
        if copies:
            await self._insert([_document(refusal, rejected_at) for refusal in copies])
        if len(copies) < len(refusals):
            self._uncopied.update(r.errors[0].code for r in refusals[len(copies) :])
            if self._summing is None:
                self._summing = asyncio.create_task(self._sum_up())

    async def flush(self) -> None:
        """Store the sums that wait, at shutdown."""
        if self._summing:
            self._summing.cancel()
        await self._store_sums()

    def _take_allowance(self, wanted: int) -> int:
        now = self._clock()
        elapsed = max(0.0, (now - self._refilled_at).total_seconds())
        self._refilled_at = now
        self._allowance = min(float(BURST), self._allowance + elapsed * PER_SECOND)
        taken = min(wanted, int(self._allowance))
        self._allowance -= taken
        return taken

    async def _sum_up(self) -> None:
        await asyncio.sleep(_SUM_EVERY)
        self._summing = None
        await self._store_sums()

    async def _store_sums(self) -> None:
        now = self._clock()
        sums, self._uncopied = self._uncopied, Counter()
        if sums:
            await self._insert([_sum_document(code, n, now) for code, n in sums.items()])

    async def _insert(self, documents: list[Document]) -> None:
        try:
            async with write_deadline():
                await self._rejections.insert_many(documents, ordered=False)
        except PyMongoError:
            return  # the client has its reasons, and the counter of refusals has counted


def _document(refusal: Refusal, rejected_at: datetime) -> Document:
    first = refusal.errors[0]
    return {
        "rejected_at": rejected_at,
        "code": first.code,
        "pointer": first.pointer,
        "detail": first.detail,
        "event": refusal.copy,
        "count": 1,
    }


def _sum_document(code: str, count: int, rejected_at: datetime) -> Document:
    return {
        "rejected_at": rejected_at,
        "code": code,
        "pointer": "",
        "detail": f"{count} more events were refused for this reason; copies were not kept",
        "event": None,
        "count": count,
    }


async def newest_rejections(database: Database, at: datetime, limit: int) -> Rejections:
    """Read the newest refused events; those in a row with one code and pointer are one entry."""
    async with read_deadline():
        found = (
            await database.rejections.find({}, {"_id": 0})
            .sort([("rejected_at", DESCENDING), ("_id", DESCENDING)])
            .limit(_MAX_READ)
            .to_list(_MAX_READ)
        )
    rows = groupby(filter(None, map(_readable, found)), lambda one: (one.code, one.pointer))
    return Rejections(as_of=at, rejections=[_joined(row) for _, row in islice(rows, limit)])


def _readable(document: Document) -> Rejection | None:
    try:
        return Rejection(first_rejected_at=document["rejected_at"], **document)
    except (KeyError, TypeError, ValidationError):  # another release's
        return None


def _joined(row: Iterable[Rejection]) -> Rejection:
    newest, *others = row
    newest.count += sum(one.count for one in others)
    newest.first_rejected_at = others[-1].rejected_at if others else newest.rejected_at
    return newest
