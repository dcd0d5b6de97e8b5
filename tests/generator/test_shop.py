import random
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from generator.shop import CATEGORIES, Shop
from shared.ingest.validation import sort_events

BEGINS = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
RATE = 50


def events_of(seed: int, number: int, users: int = 2000) -> list[dict[str, Any]]:
    shop = Shop(random.Random(seed), users, BEGINS, "run")
    return [shop.next_event(n / RATE) for n in range(number)]


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return events_of(seed=1, number=5 * 60 * RATE)


def test_a_seed_decides_everything(events: list[dict[str, Any]]) -> None:
    assert events_of(seed=1, number=len(events)) == events
    assert events_of(seed=2, number=len(events)) != events


def test_every_event_obeys_the_contract_and_has_its_own_id(events: list[dict[str, Any]]) -> None:
    taken = sort_events(events, BEGINS.replace(minute=36), lambda: "none")
    assert taken.errors == []
    assert len({event["_id"] for event in taken.events}) == len(events)


def test_an_event_happens_when_the_caller_says(events: list[dict[str, Any]]) -> None:
    assert events[0]["timestamp"] == "2026-11-22T14:30:00.000Z"
    assert events[RATE + 1]["timestamp"] == "2026-11-22T14:30:01.020Z"


def test_sessions_walk_the_shop(events: list[dict[str, Any]]) -> None:
    walks = defaultdict(list)
    for event in events:
        if "session_id" in event:
            walks[event["session_id"]].append(event)
    for walk in walks.values():
        assert len({event["user_id"] for event in walk}) == 1
        for before, after in pairwise(walk):
            if after["event_type"] == "purchase":
                assert before["page_url"] == "/checkout"
            if after["event_type"] == "add_to_cart":
                assert before["page_url"] == after["page_url"]
            if after["page_url"] == "/cart":
                assert before["event_type"] == "add_to_cart" or before["page_url"] == "/checkout"
    lengths = [len(walk) for walk in walks.values()]
    assert 3 < sum(lengths) / len(lengths) < 8


def test_what_is_done_is_spread_as_in_a_shop(events: list[dict[str, Any]]) -> None:
    types = Counter(event["event_type"] for event in events)
    assert types.keys() == {"page_view", "add_to_cart", "purchase"}
    assert 0.88 < types["page_view"] / len(events) < 0.97
    assert 0.1 < types["purchase"] / types["add_to_cart"] < 0.5
    without_session = sum("session_id" not in event for event in events) / len(events)
    assert 0.005 < without_session < 0.05


def test_there_are_popular_and_rare_products(events: list[dict[str, Any]]) -> None:
    views = Counter(e["page_url"] for e in events if e["page_url"].count("/") == 3)
    assert {url.split("/")[2] for url in views} == set(CATEGORIES)
    ranked = [number for _, number in views.most_common()]
    assert len(ranked) > 300
    assert 0.1 < ranked[0] / sum(ranked) < 0.2  # 1 / (1 + 1/2 + … + 1/480) = 0.148
    assert ranked[0] > 50 * ranked[300]


def test_some_users_have_many_sessions_and_most_have_one(events: list[dict[str, Any]]) -> None:
    sessions = defaultdict(set)
    for event in events:
        sessions[event["user_id"]].add(event.get("session_id"))
    numbers = Counter(len(ids) for ids in sessions.values())
    assert max(numbers) >= 8
    assert sum(numbers[n] for n in (1, 2)) > sum(numbers[n] for n in numbers if n > 2)


def test_somebody_comes_with_a_second_device_however_many_people_there_are() -> None:
    sessions = defaultdict(set)
    for event in events_of(1, 15_000, users=10**9):
        sessions[event["user_id"]].add(event.get("session_id"))
    with_more = sum(len(ids) > 1 for ids in sessions.values())
    assert 0.08 < with_more / len(sessions) < 0.2


def test_no_more_users_come_than_there_are() -> None:
    assert {event["user_id"] for event in events_of(1, 3000, users=3)} == {
        "usr_0",
        "usr_1",
        "usr_2",
    }
