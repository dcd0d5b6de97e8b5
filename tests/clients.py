"""Clients that send events for as long as they are told to, and keep account of every answer."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx

from tests.events import event


@dataclass
class Account:
    """What was sent and what was answered, over all clients."""

    answers: Counter[str] = field(default_factory=Counter)  # "202 accepted", "503 overloaded", …
    without_retry_after: int = 0
    slowest: float = 0.0  # seconds
    accepted: int = 0  # by the answers
    acknowledged: set[str] = field(default_factory=set)  # names of events answered with 202
    lost: set[str] = field(default_factory=set)  # given up after one 503
    taken: asyncio.Event = field(default_factory=asyncio.Event)  # a 202 came

    def note(self, response: httpx.Response, took: float) -> None:
        """Book one answer."""
        answer = response.json()
        kind = answer["type"].removeprefix("/docs#") if "type" in answer else "accepted"
        self.answers[f"{response.status_code} {kind}"] += 1
        self.slowest = max(self.slowest, took)
        if response.status_code == 202:
            self.accepted += answer["accepted"]
        elif "retry-after" not in response.headers:
            self.without_retry_after += 1


class Clients:
    """A crowd of clients, each with one request at a time.

    Every other request has event ids, and is sent again until it is taken; the rest has none and
    is given up at a 503. `user_id` is the name of an event, by which it is found when stored.
    """

    def __init__(self, url: str, name: str, *, crowd: int, batch: int) -> None:
        self.account = Account()
        self._url = url
        self._name = name
        self._crowd = crowd
        self._batch = batch
        self._stopped = False

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[Account]:
        """Send while the block runs; then wait until every retry has found its end."""
        limits = httpx.Limits(max_connections=self._crowd)
        async with (
            httpx.AsyncClient(base_url=self._url, limits=limits, timeout=60) as http,
            asyncio.TaskGroup() as tasks,
        ):
            for number in range(self._crowd):
                tasks.create_task(self._send(http, f"{self._name}.{number}"))
            try:
                yield self.account
            finally:
                self._stopped = True

    async def _send(self, http: httpx.AsyncClient, name: str) -> None:
        request = 0
        while not self._stopped:
            request += 1
            names = [f"{name}.{request}.{n}" for n in range(self._batch)]
            retried = request % 2 == 0
            taken = await self._post(http, names, with_ids=retried)
            while retried and not taken:
                taken = await self._post(http, names, with_ids=True)

    async def _post(self, http: httpx.AsyncClient, names: list[str], *, with_ids: bool) -> bool:
        events = [event(user_id=name, session_id=name) for name in names]
        if with_ids:
            events = [one | {"event_id": one["user_id"]} for one in events]
        sent = time.monotonic()
        response = await http.post("/v1/events", json=events)
        self.account.note(response, time.monotonic() - sent)
        if response.status_code == 202:
            self.account.acknowledged.update(names)
            self.account.taken.set()
            return True
        if not with_ids:
            self.account.lost.update(names)
        await asyncio.sleep(0.2)
        return False
