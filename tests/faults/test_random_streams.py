"""Random streams over a connection that loses requests and answers: nothing lost, nothing twice."""

import asyncio
import dataclasses
import random
from collections import Counter
from typing import Any, cast

import httpx
import pytest

from functions.router import routes
from shared.http.application import application
from shared.ingest.event_log import EventLog
from shared.storage.database import Collection
from tests.conftest import Service
from tests.connection import LOST_ANSWER, LOST_REQUEST, FaultyConnection

pytestmark = pytest.mark.anyio

REQUESTS = 150
PARALLEL = 16
LOSS = 0.4  # of the attempts to write


class LossyConnection(FaultyConnection):
    """The collection behind a connection that loses some requests and some answers.

    A `merciful` one lets the attempt after a lost one through, so that no request gets a 503.
    """

    def __init__(self, events: Collection, chance: random.Random, *, merciful: bool) -> None:
        super().__init__(events)
        self._chance = chance
        self._merciful = merciful
        self.lost: Counter[str] = Counter()
        self._lost_last = False

    async def _next_fault(self) -> str:
        self._lost_last = self._chance.random() < LOSS and not (self._merciful and self._lost_last)
        fault = self._chance.choice([LOST_REQUEST, LOST_ANSWER]) if self._lost_last else ""
        self.lost[fault] += 1
        return fault


@dataclasses.dataclass
class Stream:
    """What was sent, by name, and the sum of all answers."""

    valid: set[str] = dataclasses.field(default_factory=set)
    invalid: set[str] = dataclasses.field(default_factory=set)
    answers: Counter[str] = dataclasses.field(default_factory=Counter)

    def batch(self, service: Service, chance: random.Random, *, ids: bool) -> list[dict[str, Any]]:
        """Draw 1 to 40 events: new ones, repeats of any age, and some that break a rule."""
        return [self._event(service, chance, ids=ids) for _ in range(chance.randint(1, 40))]

    def _event(self, service: Service, chance: random.Random, *, ids: bool) -> dict[str, Any]:
        kind = chance.random()
        if kind < 0.15:
            name = f"invalid{len(self.invalid)}"
            self.invalid.add(name)
            return service.event(user_id=name, page_url="no page")
        if kind < 0.3 and not ids:
            name = f"anonymous{len(self.valid)}"
            self.valid.add(name)
            return service.event(user_id=name)
        name = f"named{chance.randrange(1200)}"
        self.valid.add(name)
        return service.event(user_id=name, event_id=name)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("merciful", [True, False])
async def test_distinct_events_sent_are_the_stored_and_the_rejected(
    service: Service, seed: int, *, merciful: bool
) -> None:
    chance = random.Random(seed)
    database = service.resources.database
    connection = LossyConnection(database.events, chance, merciful=merciful)
    log = EventLog(cast("Collection", connection))
    app = application(
        routes, resources=lambda: dataclasses.replace(service.resources, event_log=log)
    )
    stream = Stream()
    # A retry after a 503 is safe only with ids, so every event has one where there may be 503s.
    batches = [stream.batch(service, chance, ids=not merciful) for _ in range(REQUESTS)]
    lanes = asyncio.Semaphore(PARALLEL)

    async def send(http: httpx.AsyncClient, batch: list[dict[str, Any]]) -> None:
        async with lanes:
            response = await http.post("/v1/events", json=batch)
            while response.status_code == 503:
                stream.answers["unavailable"] += 1
                response = await http.post("/v1/events", json=batch)
        receipt = response.json()
        if response.status_code == 202:
            for outcome in ("accepted", "duplicate", "rejected"):
                stream.answers[outcome] += receipt[outcome]
        else:
            assert response.status_code == 422
            stream.answers["rejected"] += len(receipt["errors"])

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://footfall"
    ) as http:
        await asyncio.gather(*[send(http, batch) for batch in batches])

    stored = Counter([document["user_id"] async for document in database.events.find({})])
    refused = [document["event"] async for document in database.rejections.find({})]
    assert connection.lost[LOST_REQUEST]
    assert connection.lost[LOST_ANSWER]
    assert stored == Counter(stream.valid)
    assert stream.answers["rejected"] == len(refused) == len(stream.invalid)
    assert all(any(f'"{name}"' in event for event in refused) for name in stream.invalid)
    sent = sum(map(len, batches))
    answered = (stream.answers[kind] for kind in ("accepted", "duplicate", "rejected"))
    assert sum(answered) == sent
    if merciful:
        assert not stream.answers["unavailable"]
        assert stream.answers["accepted"] == len(stored)
    else:  # what a 503 left behind is a duplicate when it comes again
        assert stream.answers["unavailable"]
        assert stream.answers["accepted"] <= len(stored)
