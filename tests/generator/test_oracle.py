"""The bounds of every metric against a brute-force count of what really happened."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.verify.compare import compare, compare_minutes, compare_user
from generator.verify.ledger import Line, milliseconds, read_ledger
from generator.verify.metrics import METRICS
from generator.verify.oracle import Oracle
from tests.generator.truth import AT, MINUTES, TOP, Truth, answers, requests

LIMITS = {"page_views.top": TOP, "active_sessions.users": TOP}


def differences(truth: list[Truth], oracle: Oracle) -> list[str]:
    return differences_of(*answers(truth), oracle)


def differences_of(
    metrics: dict[str, Any], minutes: dict[str, Any], users: list[dict[str, Any]], oracle: Oracle
) -> list[str]:
    return [
        *compare(metrics, oracle, list(METRICS), LIMITS),
        *compare_minutes(minutes, oracle, MINUTES),
        *(difference for user in users for difference in compare_user(user, oracle, 100)),
    ]


@settings(max_examples=80)
@given(st.lists(requests(settled=False), max_size=12))
def test_the_truth_lies_within_the_bounds_whatever_is_left_open(truth: list[Truth]) -> None:
    assert differences(truth, Oracle(it.line for it in truth)) == []


@settings(max_examples=80)
@given(st.lists(requests(settled=True), max_size=12))
def test_the_bounds_meet_in_the_truth_where_nothing_is_open(truth: list[Truth]) -> None:
    oracle = Oracle(it.line for it in truth)
    assert differences(truth, oracle) == []
    for path in METRICS.keys() - {"events.rejected"}:  # which may be noted 2 s later
        least, most = METRICS[path].bounds(oracle, milliseconds(AT.isoformat()))
        assert least == most, path


@pytest.mark.parametrize(
    ("received", "open_", "bounds"),
    [
        (2.0, {}, (1, 1)),
        (1.999, {}, (0, 1)),  # not yet promised to be counted
        (-1.0, {}, (0, 0)),
        (9.0, {"acknowledged": False}, (0, 1)),  # never promised
        (9.0, {"earlier": timedelta(seconds=5)}, (1, 1)),  # one of two tries, and both are inside
        (903.0, {"later": timedelta(seconds=5)}, (0, 1)),  # or not: it may have occurred outside
    ],
)
def test_what_is_open_becomes_bounds(
    received: float, open_: dict[str, Any], bounds: tuple[int, int]
) -> None:
    at = AT - timedelta(seconds=received)
    sent = Truth([at + timedelta(seconds=200)], [("a", "1", "page_view", "/")], at, **open_)
    oracle = Oracle([sent.line])
    assert METRICS["page_views.total"].bounds(oracle, milliseconds(AT.isoformat())) == bounds


VISITS = [
    ("a", "1", "page_view", "/y"),
    ("a", "2", "page_view", "/x"),
    ("a", "3", "add_to_cart", "/y"),
    ("a", "3", "purchase", "/done"),
    ("b", "4", "add_to_cart", "/x"),
    ("c", None, "page_view", "/x"),
    ("c", None, "page_view", "/y"),
]
VISITED = [
    Truth([AT - timedelta(seconds=50)] * len(VISITS), VISITS, AT - timedelta(seconds=40)),
    Truth([], [], AT - timedelta(seconds=40), rejected=2),
]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("active_users.count", 4, "active_users.count is 4, should be 3 (+1)"),
        ("active_users.count", 1, "active_users.count is 1, should be 3 (-2)"),
        ("active_users.window_seconds", 60, "window_seconds is 60, should be 300"),
        ("active_users", {"window_seconds": 300}, "active_users.count is missing"),
        ("page_views.total", 6, "page_views.total is 6, should be 4"),
        ("page_views.pages", 3, "page_views.pages is 3, should be 2"),
        ("page_views.top.0.views", 3, "has ('/x', 3), should have ('/x', 2)"),
        ("page_views.top.0.page_url", "/z", "has ('/z', 2), should have ('/x', 2)"),
        ("page_views.top", [], "page_views.top has 0 rows, should have 2"),
        ("active_sessions.total", 5, "active_sessions.total is 5, should be 4"),
        ("active_sessions.spread.two", 1, "active_sessions.spread.two is 1, should be 0"),
        ("active_sessions.users.0.sessions", 2, "has ('a', 2), should have ('a', 3)"),
        ("events.total", 4, "events.total is 4, should be 7"),
        ("events.types", 2, "events.types is 2, should be 3"),
        ("events.by_type.checkout", 1, "events.by_type.checkout is 1, should be 0"),
        ("events.by_type.purchase", 0, "events.by_type.purchase is 0, should be 1"),
        ("events.late", 1, "events.late is 1, should be 0"),
        ("events.rejected", 1, "events.rejected is 1, should be 2"),
        ("arrivals.count", 6, "arrivals.count is 6, should be 7"),
        ("carts.carts", 1, "carts.carts is 1, should be 2"),
        ("carts.purchases", 0, "carts.purchases is 0, should be 1"),
        ("carts.open", 2, "carts.open is 2, should be 1"),
        ("minutes.2.events", 8, "events is 8, should be 0"),
        ("minutes.1.page_views", 5, "page_views is 5, should be 4"),
        ("minutes.0.complete", False, "complete is 0, should be 1"),
        ("minutes", [], "the minutes are not the last 3 in order"),
        ("a.sessions", 2, "a.sessions is 2, should be 3"),
        ("a.active", False, "a.active is 0, should be 1"),
        ("c.last_event_at", None, "c.last_event_at is 0, should be"),
        ("a.latest.0.last_event_at", AT.isoformat(), "a.latest has ('1', "),
        ("a.latest.2.events", 1, "a: events of 3 is 1, should be 2"),
        ("a.latest", [], "a.latest has 0 rows, should have 3"),
        ("z.sessions", 1, "z.sessions is 1, should be 0"),
    ],
)
def test_a_wrong_number_is_told(path: str, value: Any, told: str) -> None:
    metrics, minutes, users = answers(VISITED)
    documents = metrics | {"minutes": minutes["minutes"]} | {it["user_id"]: it for it in users}
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    place: Any = documents
    for step in way:
        place = place[step]
    place[last] = value
    [difference] = differences_of(
        metrics | {name: documents[name] for name in metrics},
        {"as_of": metrics["as_of"], "minutes": documents["minutes"]},
        [documents[it["user_id"]] for it in users],
        Oracle(it.line for it in VISITED),
    )
    assert told in difference


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"received_from": 5}', "\n"])
def test_what_is_no_ledger_is_told_by_its_line(text: str) -> None:
    instant = "2026-11-22T14:30:00.000Z"
    good = {"received_from": instant, "received_by": instant, "acknowledged_by": None}
    file = io.StringIO(f"{json.dumps(good | {'rejected': [0, 1], 'events': []})}\n{text}")
    file.name = "l.ndjson"
    lines = read_ledger(file)
    at = milliseconds(instant)
    assert next(lines) == Line(at, at, None, (0, 1), [])
    with pytest.raises(ValueError, match=r"line 2 of l\.ndjson"):
        next(lines)
