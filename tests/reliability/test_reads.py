"""Readers who ask for more than the service can read: writes come first."""

import http.client
from collections import Counter
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pymongo
import pytest

from tests.reliability.attacks import Until
from tests.reliability.target import Target

HOT = 30_000  # events of one user


@pytest.fixture
def hot_user(target: Target, mongodb_uri: str) -> str:
    now = datetime.now(UTC)
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(mongodb_uri)
    events = [
        {
            "user_id": "hot",
            "session_id": f"s{number}",
            "event_type": "page_view",
            "page_url": "/",
            "timestamp": now,
            "received_at": now,
            "occurred_at": now + timedelta(milliseconds=number % 100_000),
        }
        for number in range(HOT)
    ]
    client[target.database].events.insert_many(events)
    client.close()
    return "hot"


def test_writes_come_first(target: Target, hot_user: str) -> None:
    answered: Counter[int] = Counter()

    def read(url: str, until: Until) -> None:
        readers = [Thread(target=reader, args=(url, until)) for _ in range(50)]
        for one in readers:
            one.start()
        for one in readers:
            one.join()

    def reader(url: str, until: Until) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        while not until():
            connection.request("GET", f"/v1/metrics/active-sessions/{hot_user}")
            response = connection.getresponse()
            response.read()
            answered[response.status] += 1
            assert response.status != 503 or response.headers["Retry-After"] == "1"
        connection.close()

    outcome = target.under(read, seconds=3)
    assert outcome.statuses.keys() == {"202"}
    assert outcome.worst < 2000
    assert answered.keys() == {200, 503}
    target.assert_clean_log()
