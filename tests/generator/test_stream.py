import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from generator.malformed import BREAKAGES, broken
from generator.mischief import HELD_MOST
from generator.outgoing import Outgoing, Role
from generator.plan import Faults, Plan
from generator.stream import shop_stream
from shared.ingest.validation import sort_events

BEGINS = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
PLAN = Plan(seed=7, rate=100, users=1000, duration=100)
ALL = Faults(duplicates=0.1, late=0.1, ahead=0.05, malformed=0.05, out_of_order=0.2)
GOOD = {
    "timestamp": "2026-11-22T14:30:00Z",
    "user_id": "usr_1",
    "event_type": "page_view",
    "page_url": "/",
}


def drawn(plan: Plan, begins: datetime = BEGINS) -> list[Outgoing]:
    return list(shop_stream(plan, begins).due(math.inf))


def test_a_plan_and_its_beginning_decide_every_event_however_it_is_drawn() -> None:
    plan = replace(PLAN, faults=ALL)
    whole = drawn(plan)
    stream = shop_stream(plan, BEGINS)
    parts = [event for tenth in range(1030) for event in stream.due(tenth / 10)]
    assert parts == whole
    assert drawn(replace(plan, seed=8)) != whole


def test_no_id_comes_again_in_another_run() -> None:
    first, second = drawn(PLAN), drawn(PLAN, BEGINS + timedelta(milliseconds=1))
    assert not {o.event["event_id"] for o in first} & {o.event["event_id"] for o in second}


@pytest.mark.parametrize("faults", [Faults(), ALL])
@pytest.mark.parametrize("curve", ["flat", "daily"])
def test_the_rate_holds_whatever_the_faults(faults: Faults, curve: str) -> None:
    events = drawn(replace(PLAN, faults=faults, curve=curve, duration=60))
    share = 1.0 if curve == "flat" else 1 - 0.8 * math.cos(math.tau * 10.5 / 24)
    assert len(events) == pytest.approx(6000 * share, rel=0.002)


def test_faults_come_as_often_as_asked() -> None:
    events = drawn(replace(PLAN, faults=ALL))
    roles = Counter(event.role for event in events)
    assert roles[Role.COPY] / len(events) == pytest.approx(0.1, abs=0.01)
    assert roles[Role.MALFORMED] / len(events) == pytest.approx(0.05, abs=0.01)
    end = BEGINS + timedelta(seconds=100)
    times = [_time(event) for event in events if event.role is Role.NEW]
    assert sum(time < BEGINS for time in times) / len(events) == pytest.approx(0.1, abs=0.015)
    assert sum(time > end for time in times) / len(events) == pytest.approx(0.04, abs=0.015)
    assert max(times) < end + timedelta(minutes=5)


def test_a_copy_is_of_an_event_of_the_run_and_of_no_faulty_one() -> None:
    events = drawn(replace(PLAN, faults=ALL))
    originals = {str(o.event["event_id"]): o.event for o in events if o.role is Role.NEW}
    for copy in (event for event in events if event.role is Role.COPY):
        assert originals[str(copy.event["event_id"])] == copy.event
        assert BEGINS <= _time(copy) <= BEGINS + timedelta(seconds=100)


def test_events_out_of_order_are_held_back_and_none_is_missing() -> None:
    in_order, held = drawn(PLAN), drawn(replace(PLAN, faults=Faults(out_of_order=0.2)))
    assert sorted(held, key=str) == sorted(in_order, key=str)
    times = [_time(event) for event in held]
    newest, after_later_ones = times[0], 0
    for time in times:
        newest = max(newest, time)
        after_later_ones += time < newest
        assert newest - time <= timedelta(seconds=HELD_MOST)
    assert after_later_ones / len(times) == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=str)
def test_the_service_refuses_what_is_malformed(breakage: dict[str, Any]) -> None:
    event = broken(GOOD, breakage)
    assert len(sort_events([event], BEGINS, lambda: "none").refusals) == 1
    assert sort_events([GOOD], BEGINS, lambda: "none").refusals == []


def _time(outgoing: Outgoing) -> datetime:
    return datetime.fromisoformat(str(outgoing.event["timestamp"]))
