"""The events: who does what, and what goes wrong with it on demand."""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from generator.faults import FAULTS, VIOLATIONS, Outgoing, Role, outgoing
from generator.shop import CATEGORIES, Shop
from shared.ingest.validation import sort_events

BEGINS = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
RATE = 20
THREE_MINUTES = 180 * RATE
ALL = {"duplicates": 0.1, "late": 0.1, "ahead": 0.05, "malformed": 0.05}

Events = list[dict[str, Any]]


def events_of(seed: int, number: int, users: int = 6000) -> Events:
    shop = Shop(seed, users, BEGINS)
    return [shop.next_event(n / RATE) for n in range(number)]


def drawn(
    shares: dict[str, float] | None = None, seed: int = 7, begins: datetime = BEGINS
) -> list[Outgoing]:
    offsets = (n / 100 for n in range(10_000))
    return list(outgoing(Shop(seed, 1000, begins), offsets, shares or {}, seed))


def time_of(sent: Outgoing) -> datetime:
    return datetime.fromisoformat(str(sent.event["timestamp"]))


@pytest.fixture(scope="module")
def events() -> Events:
    return events_of(seed=1, number=THREE_MINUTES)


@pytest.mark.parametrize("seed", range(5))
def test_three_minutes_make_a_believable_funnel(seed: int) -> None:
    types = Counter(event["event_type"] for event in events_of(seed, THREE_MINUTES))
    viewed, added, checked_out, bought = (
        types[name] for name in ("page_view", "add_to_cart", "checkout", "purchase")
    )
    assert types.total() == viewed + added + checked_out + bought
    assert 0.03 < added / viewed < 0.12
    assert 0.15 < checked_out / added < 0.5
    assert 0.3 < bought / checked_out < 0.8


def test_a_session_is_of_one_user_and_takes_each_step_after_the_one_before(events: Events) -> None:
    walks = defaultdict(list)
    for event in events:
        if "session_id" in event:
            walks[event["session_id"]].append(event)
    for walk in walks.values():
        assert len({event["user_id"] for event in walk}) == 1
        for before, after in pairwise(walk):
            if after["event_type"] == "purchase":
                assert before["event_type"] == "checkout"
            if after["event_type"] == "checkout":
                assert before["page_url"] == "/cart"
            if after["event_type"] == "add_to_cart":
                assert before["page_url"] == after["page_url"]
        assert walk[0]["event_type"] == "page_view"


def test_some_visitors_have_two_sessions_and_hardly_any_event_has_none(events: Events) -> None:
    sessions = defaultdict(set)
    for event in events:
        sessions[event["user_id"]].add(event.get("session_id"))
    assert 0.1 < sum(len(ids) > 1 for ids in sessions.values()) / len(sessions) < 0.5
    assert 0.001 < sum("session_id" not in event for event in events) / len(events) < 0.04


def test_somebody_comes_twice_however_many_people_there_are() -> None:
    sessions = defaultdict(set)
    for event in events_of(1, 15_000, users=10**9):
        sessions[event["user_id"]].add(event.get("session_id"))
    assert 0.08 < sum(len(ids) > 1 for ids in sessions.values()) / len(sessions) < 0.2


def test_no_more_users_come_than_there_are() -> None:
    assert {event["user_id"] for event in events_of(1, 900, users=3)} == {"usr_0", "usr_1", "usr_2"}


def test_products_are_popular_by_zipf_s_law() -> None:
    products = (e["page_url"] for e in events_of(1, 15_000) if e["event_type"] == "page_view")
    views = Counter(url for url in products if url.count("/") == 3)
    assert {url.split("/")[2] for url in views} == set(CATEGORIES)
    ranked = [number for _, number in views.most_common()]
    assert len(ranked) > 300
    assert 0.08 < ranked[0] / sum(ranked) < 0.15  # log(2) / log(481) = 0.112
    assert ranked[0] > 30 * ranked[300]


def test_every_event_obeys_the_contract_and_has_an_id_of_its_own(events: Events) -> None:
    assert events[RATE + 1]["timestamp"] == "2026-11-22T14:30:01.050Z"
    taken = sort_events([dict(event) for event in events], BEGINS + timedelta(hours=1), str)
    assert taken.errors == []
    assert len({event["_id"] for event in taken.events}) == len(events)


def test_a_seed_and_a_beginning_decide_everything() -> None:
    assert drawn(ALL) == drawn(ALL) != drawn(ALL, 8)
    later = drawn(begins=BEGINS + timedelta(milliseconds=1))
    assert not {o.event["event_id"] for o in drawn()} & {o.event["event_id"] for o in later}


@pytest.mark.parametrize(
    ("fault", "has_it"),
    [
        ("duplicates", lambda sent, _: sent.role is Role.DUPLICATE),
        ("malformed", lambda sent, _: sent.role is Role.MALFORMED),
        ("late", lambda sent, due: time_of(sent) < due),
        ("ahead", lambda sent, due: due < time_of(sent) < due + timedelta(minutes=4.5)),
    ],
)
def test_a_fault_is_as_frequent_as_asked_and_alone(
    fault: str, has_it: Callable[[Outgoing, datetime], bool]
) -> None:
    events = drawn({fault: 0.1})
    dues = (BEGINS + timedelta(milliseconds=10 * n) for n in range(10_000))
    having = [sent for sent, due in zip(events, dues, strict=True) if has_it(sent, due)]
    assert len(having) / len(events) == pytest.approx(0.1, abs=0.01)
    others = [sent for sent in events if sent not in having]
    assert {sent.role for sent in others} == {Role.NEW}
    assert fault in FAULTS


def test_a_copy_is_of_an_event_that_was_sent_before_and_had_no_fault() -> None:
    originals: dict[object, dict[str, object]] = {}
    for event, role in drawn(ALL):
        if role is Role.DUPLICATE:
            assert originals[event["event_id"]] == event
            assert BEGINS <= time_of(Outgoing(event)) <= BEGINS + timedelta(seconds=100)
        elif role is Role.NEW:
            originals[event["event_id"]] = event


def test_the_service_refuses_every_malformed_event_and_no_other() -> None:
    events = drawn(ALL)
    sent = sort_events([dict(o.event) for o in events], BEGINS + timedelta(seconds=100), str)
    malformed = {index for index, o in enumerate(events) if o.role is Role.MALFORMED}
    assert {error.index for error in sent.errors} == malformed
    assert len({(error.code, error.pointer) for error in sent.errors}) >= len(VIOLATIONS) - 3
