"""The reference for ticks: a minimal implementation of both rollups.

No lease, watermark or pieces, and only users, sessions, page views and types; one process that
remembers its last tick. It costs what the idea itself costs.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import pymongo.database

Document = dict[str, Any]
_Result = TypeVar("_Result")

ACTIVE: Final = timedelta(minutes=5)
VIEWS: Final = timedelta(minutes=15)
STEP: Final = 5  # seconds
VERIFIED: Final = timedelta(seconds=20)

_STEP_MS: Final = {"$divide": [{"$toLong": "$occurred_at"}, STEP * 1000]}
_BUCKET: Final = {"$toDate": {"$multiply": [{"$ceil": _STEP_MS}, STEP * 1000]}}
_PAGE: Final = {"$cond": [{"$eq": ["$event_type", "page_view"]}, "$page_url", None]}


def _floor(at: datetime) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // STEP * STEP, UTC)


class Barest:
    """The reference on a database of its own names, over the same `events`."""

    def __init__(self, database: pymongo.database.Database[Document]) -> None:
        self._events = database.events
        self._steps = database.barest_steps
        self._sessions = database.barest_sessions
        self._sessions.create_index("last")
        self._steps.create_index("bucket")
        self._steps.create_index("step")
        self._pool = ThreadPoolExecutor(2)
        self._last: datetime | None = None
        self.parts: dict[str, float] = {}

    def tick(self, now: datetime) -> Document:
        """Bring both rollups up to date and read them."""
        last, self._last = self._last, now
        since = max(now - VIEWS, last - VERIFIED) if last else now - VIEWS
        horizon = _floor(since)
        made = self._timed("made", self._made, horizon)
        count = int((now - horizon).total_seconds() // STEP) + 1
        steps = [horizon + timedelta(seconds=STEP * n) for n in range(count)]
        closed = [s for s in steps if s in made and made[s][0] == s + timedelta(seconds=STEP)]
        changed = [step for step in steps if step not in closed]
        if closed:
            end = closed[-1] + timedelta(seconds=STEP)
            arrived = self._timed("count", self._arrivals, closed[0], end)
            if arrived != sum(made[step][1] for step in closed):
                changed += [s for s in closed if self._arrivals(s, made[s][0]) != made[s][1]]
        late = [s for s in changed if s in made and self._arrivals(s, made[s][0]) != made[s][1]]
        for step in changed:
            self._timed("steps", self._make, step, now)
        self._timed("last seen", self._upsert, min([last or now - ACTIVE, *late]), now)
        views = self._pool.submit(self._timed, "views", self._views, now)
        users = self._timed("users", self._users, now)
        return {"users": users, "views": views.result()}

    def _timed(self, part: str, do: Callable[..., _Result], *arguments: Any) -> _Result:  # noqa: ANN401
        started = time.perf_counter()
        result = do(*arguments)
        self.parts[part] = self.parts.get(part, 0.0) + time.perf_counter() - started
        return result

    def _arrivals(self, since: datetime, until: datetime) -> int:
        arrived = {"received_at": {"$gt": since, "$lte": until}}
        return self._events.count_documents(arrived, hint="received_at_ttl")

    def _made(self, since: datetime) -> dict[datetime, tuple[datetime, int]]:
        group = {"_id": "$step", "until": {"$max": "$at"}, "n": {"$sum": "$events"}}
        found = self._steps.aggregate([{"$match": {"step": {"$gte": since}}}, {"$group": group}])
        return {row["_id"]: (row["until"], row["n"]) for row in found}

    def _make(self, step: datetime, now: datetime) -> None:
        until = min(step + timedelta(seconds=STEP), now)
        key = {"b": _BUCKET, "t": "$event_type", "p": _PAGE}
        rows = {"$push": {"t": "$_id.t", "p": "$_id.p", "n": "$n"}}
        bucket = {"_id": {"step": step, "bucket": "$_id"}, "step": step, "bucket": "$_id"}
        self._events.aggregate(
            [
                {"$match": {"received_at": {"$gt": step, "$lte": until}}},
                {"$group": {"_id": key, "n": {"$sum": 1}}},
                {"$group": {"_id": "$_id.b", "events": {"$sum": "$n"}, "rows": rows}},
                {"$project": bucket | {"events": 1, "rows": 1, "at": until}},
                {"$merge": {"into": self._steps.name, "whenMatched": "replace"}},
            ]
        )

    def _upsert(self, since: datetime, now: datetime) -> None:
        arrived = {"received_at": {"$gt": since, "$lte": now}, "occurred_at": {"$gt": now - ACTIVE}}
        key = {"u": "$user_id", "s": "$session_id"}
        latest = {"$set": {"last": {"$max": ["$last", "$$new.last"]}}}
        self._events.aggregate(
            [
                {"$match": arrived},
                {"$group": {"_id": key, "last": {"$max": "$occurred_at"}}},
                {"$project": {"user_id": "$_id.u", "last": 1}},
                {"$merge": {"into": self._sessions.name, "whenMatched": [latest]}},
            ]
        )

    def _views(self, at: datetime) -> Document:
        edge = at - VIEWS
        whole = _floor(edge + timedelta(seconds=STEP) - timedelta(milliseconds=1))
        cut = {"occurred_at": {"$gt": edge, "$lte": whole}, "received_at": {"$lte": at}}
        of_event = {"$group": {"_id": {"t": "$event_type", "p": _PAGE}, "n": {"$sum": 1}}}
        top = [{"$match": {"_id.t": "page_view"}}, {"$sort": {"n": -1, "_id": 1}}, {"$limit": 100}]
        total = {"$group": {"_id": "$_id.t", "n": {"$sum": "$n"}, "pages": {"$sum": 1}}}
        [found] = self._steps.aggregate(
            [
                {"$match": {"bucket": {"$gt": whole, "$lte": at + timedelta(seconds=STEP)}}},
                {"$project": {"rows": 1}},
                {"$unwind": "$rows"},
                {"$group": {"_id": {"t": "$rows.t", "p": "$rows.p"}, "n": {"$sum": "$rows.n"}}},
                {"$unionWith": {"coll": "events", "pipeline": [{"$match": cut}, of_event]}},
                {"$group": {"_id": "$_id", "n": {"$sum": "$n"}}},
                {"$match": {"n": {"$gt": 0}}},
                {"$facet": {"top": top, "total": [total]}},
            ]
        )
        return found

    def _users(self, at: datetime) -> Document:
        spread = {"_id": {"$min": ["$sessions", 3]}, "users": {"$sum": 1}}
        [found] = self._sessions.aggregate(
            [
                {"$match": {"last": {"$gt": at - ACTIVE, "$lte": at}}},
                {"$group": {"_id": "$user_id", "sessions": {"$sum": 1}}},
                {
                    "$facet": {
                        "active": [{"$count": "users"}],
                        "users": [{"$sort": {"sessions": -1, "_id": 1}}, {"$limit": 100}],
                        "spread": [{"$group": spread | {"sessions": {"$sum": "$sessions"}}}],
                    }
                },
            ],
            hint={"$natural": 1},
        )
        return found
