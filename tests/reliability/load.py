"""A shop's events at a steady rate, each batch sent again until it is acknowledged, and viewers.

It runs in a thread with a loop of its own, so that whoever kills and freezes in the main thread
does not hold it up.
"""

import asyncio
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import httpx

BATCH: Final = 10  # events a request
CROWD: Final = 24  # requests under way at most
RETRY: Final = 0.2  # seconds until a batch that was refused is sent again
DRAIN: Final = 90.0  # seconds in which the last retries must have found their end
LATE: Final = timedelta(minutes=20)  # counted by no window


@dataclass(frozen=True)
class Viewer:
    """Who asks for each of `paths`, and again so many seconds after the answers."""

    every: float
    paths: Sequence[str] = ("/v1/metrics",)


@dataclass(frozen=True)
class Seen:
    """What the viewer was shown."""

    asked: float  # seconds since 1970
    as_of: datetime
    events: int  # of the last quarter of an hour


@dataclass
class Account:
    """What was answered, to whom and when; times are in seconds since 1970."""

    acknowledged: dict[str, float] = field(default_factory=dict)  # when, by event id
    unanswered: set[str] = field(default_factory=set)  # given up at the end
    answers: Counter[str] = field(default_factory=Counter)  # to writes: "202", "503 not-ready", …
    views: Counter[str] = field(default_factory=Counter)  # to the viewer
    longest_write: float = 0.0  # seconds, of one request
    longest_read: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    taken: list[tuple[float, float]] = field(default_factory=list)  # each 202: sent, came
    shown: list[tuple[float, float]] = field(default_factory=list)  # each 200: asked, came

    def longest_gap(self) -> float:
        """Return the seconds without any 202."""
        came = [at for _, at in self.taken]
        return max((b - a for a, b in itertools.pairwise(came)), default=0.0)


class Load:
    """Clients that send to any of `urls`, a retry to the next one, and viewers of each."""

    def __init__(
        self,
        urls: Sequence[str],
        name: str,
        rate: float = 500.0,
        viewers: Sequence[Viewer] = (Viewer(every=0.5),),
    ) -> None:
        self.account = Account()
        self._urls = urls
        self._name = name
        self._every = BATCH / rate
        self._viewers = viewers
        self._next = 0.0
        self._numbers = itertools.count()
        self._chance = random.Random(name)
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._in_thread, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Begin no new batch, and wait until every retry has found its end."""
        self._stopped.set()
        self._thread.join(DRAIN + 30)
        if self._failure:
            raise self._failure
        assert not self._thread.is_alive()

    def wait_until_taken(self, since: float, patience: float) -> float | None:
        """Return when the first 202 came to a request that was sent after `since`."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            came = next((came for sent, came in self.account.taken if sent > since), None)
            if came:
                return came
            time.sleep(0.1)
        return None

    def _in_thread(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001 - raised where the load is stopped
            self._failure = error

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=CROWD + 8, max_keepalive_connections=CROWD + 8)
        async with httpx.AsyncClient(timeout=120, limits=limits, trust_env=False) as http:
            sending = [self._send(http) for _ in range(CROWD)]
            viewing = [self._view(http, url, it) for url in self._urls for it in self._viewers]
            tasks = [asyncio.create_task(it) for it in (*sending, *viewing)]
            await asyncio.to_thread(self._stopped.wait)
            done, unfinished = await asyncio.wait(tasks, timeout=DRAIN)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
            for task in done:
                task.result()

    async def _send(self, http: httpx.AsyncClient) -> None:
        while True:
            now = time.monotonic()
            self._next = max(self._next + self._every, now - 1)  # what was missed is not made up
            await asyncio.sleep(self._next - now)
            if self._stopped.is_set():
                return
            batch = list(self._events())
            ids = [event["event_id"] for event in batch]
            self.account.unanswered.update(ids)
            for url in itertools.islice(itertools.cycle(self._urls), next(self._numbers) % 2, None):
                if await self._post(http, url, batch):
                    break
                await asyncio.sleep(RETRY)
            self.account.acknowledged.update(dict.fromkeys(ids, time.time()))
            self.account.unanswered.difference_update(ids)

    async def _post(self, http: httpx.AsyncClient, url: str, batch: list[dict[str, Any]]) -> bool:
        sent = time.time()
        try:
            response = await http.post(f"{url}/v1/events", json=batch)
            answer = _kind(response)
        except httpx.TransportError as error:
            answer = type(error).__name__
        came = time.time()
        self.account.longest_write = max(self.account.longest_write, came - sent)
        self.account.answers[answer] += 1
        if answer != "202":
            return False
        if response.json()["rejected"]:
            raise AssertionError(response.text)
        self.account.taken.append((sent, came))
        return True

    async def _view(self, http: httpx.AsyncClient, url: str, viewer: Viewer) -> None:
        while not self._stopped.is_set():
            for path in viewer.paths:
                await self._ask(http, url, path)
            await asyncio.sleep(viewer.every)

    async def _ask(self, http: httpx.AsyncClient, url: str, path: str) -> None:
        asked = time.time()
        try:
            response = await http.get(f"{url}{path}")
            answer = _kind(response)
        except httpx.TransportError as error:
            answer = type(error).__name__
        came = time.time()
        self.account.longest_read = max(self.account.longest_read, came - asked)
        self.account.views[answer] += 1
        if answer == "200":
            self.account.shown.append((asked, came))
        if answer == "200" and path == "/v1/metrics":
            shown = response.json()
            as_of = datetime.fromisoformat(shown["as_of"])
            self.account.seen.append(Seen(asked, as_of, shown["events"]["total"]))

    def _events(self) -> Iterator[dict[str, Any]]:
        """Make a batch: one event in a hundred is late, some are a little out of order."""
        draw = self._chance
        for _ in range(BATCH):
            is_late = draw.random() < 0.01
            age = LATE if is_late else timedelta(seconds=draw.choice([0, 0, 0, draw.random() * 20]))
            number = next(self._numbers)
            name = f"{self._name}.{number}{'.late' if is_late else ''}"
            user = f"usr_{number // 20 + draw.randrange(2000)}"  # some come, others go
            yield {
                "timestamp": (datetime.now(UTC) - age).isoformat(timespec="milliseconds"),
                "user_id": user,
                "session_id": f"{user}.{draw.randrange(3)}",
                "event_type": draw.choice(["page_view"] * 6 + ["add_to_cart", "purchase"]),
                "page_url": f"/products/{int(draw.paretovariate(1)) % 200}",
                "event_id": name,
                "properties": {"sent_as": name},  # found by it, under whatever id it is stored
            }


def _kind(response: httpx.Response) -> str:
    """Return the status, and of a problem its name."""
    if response.status_code in {200, 202}:
        return str(response.status_code)
    name = response.json().get("type", "?").removeprefix("/docs#")
    return f"{response.status_code} {name}"
