"""Reading the metrics: exact against a brute-force count, fresh, and shaped as described."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.rollup import run
from shared.metrics.engine.metric import Metric
from shared.metrics.registry import METRICS, indexes
from tests.conftest import Service, StartService
from tests.oracle import expected_metrics, shown_metrics

pytestmark = pytest.mark.anyio


async def metrics_now(service: Service) -> dict[str, Any]:
    """Read every metric through the API, no matter what was read before."""
    service.clock.advance(seconds=1)
    return shown_metrics(
        await service.get("/v1/metrics"),
        await service.get("/v1/metrics/page-views", params={"limit": 100}),
        await service.get("/v1/metrics/active-sessions", params={"limit": 100}),
    )


def names(*odd: str) -> st.SearchStrategy[str]:
    return st.sampled_from(["a", "b", "c", *odd])


# Whole and broken seconds around both windows' edges, hours late, and clocks that run ahead.
AGES = st.one_of(
    st.sampled_from([0, 298.999, 299, 299.001, 898.999, 899, 899.001, 900, -299, 7200]),
    st.integers(-299_000, 1_000_000).map(lambda milliseconds: milliseconds / 1000),
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "ago": AGES,
            "user_id": names("$user", "\u00fc\u202e", "A"),
            "event_type": st.sampled_from(["page_view", "page_view", "click", ".x:"]),
            "page_url": st.sampled_from(["/", "/a", "/$a.b", "https://x.example/", "/\u4e2d"]),
        },
        optional={"session_id": names("$s", "\u00e9"), "event_id": names("1", "2")},
    ),
    min_size=1,
    max_size=40,
)


@given(batches=st.lists(st.tuples(EVENTS, st.integers(0, 400_000)), min_size=1, max_size=4))
async def test_every_metric_equals_a_brute_force_count(
    service: Service, batches: Sequence[tuple[list[dict[str, Any]], int]]
) -> None:
    await service.resources.database.events.delete_many({})
    for name in ("rejections", *indexes()):
        await service.resources.database.collection(name).delete_many({})
    for events, pause in batches:
        response = await service.send(*[service.event(**fields) for fields in events])
        assert response.status_code == 202
        service.clock.advance(milliseconds=pause)
        if pause % 3 == 0:
            await run(service.resources)
        shown = await metrics_now(service)
        database = service.resources.database
        stored, refused = [
            await it.find({}).to_list(None) for it in (database.events, database.rejections)
        ]
        assert shown == expected_metrics(stored, service.clock.now, refused)


@pytest.mark.parametrize(
    ("ago", "users", "views"),
    [(0, 1, 1), (299.999, 1, 1), (300, 0, 1), (899.999, 0, 1), (900, 0, 0)],
)
async def test_a_window_is_open_behind_and_closed_in_front(
    service: Service, ago: float, users: int, views: int
) -> None:
    await service.send(service.event(ago=ago))
    metrics = await service.get("/v1/metrics")
    assert metrics["active_users"]["count"] == users
    assert metrics["page_views"]["total"] == views


async def test_the_document_reads_as_described(service: Service) -> None:
    await service.send(
        *[service.event(page_url=f"/{n}", user_id=f"u{n:02}", session_id="s") for n in range(12)],
        service.event(page_url="/7", user_id="u07", session_id="t"),
        service.event(event_type="purchase", user_id="u99"),
        service.event(ago=1000),
        {"nonsense": 1},
    )
    metrics = await service.get("/v1/metrics")
    assert metrics == {
        "as_of": "2026-11-22T14:30:00.000Z",
        "active_users": {"window_seconds": 300, "count": 13},
        "page_views": {
            "window_seconds": 900,
            "total": 13,
            "pages": 12,
            "unranked": 0,
            "top": [
                {"page_url": "/7", "views": 2},
                *[{"page_url": f"/{n}", "views": 1} for n in ("0", "1", "10", "11")],
            ],
        },
        "active_sessions": {
            "window_seconds": 300,
            "total": 13,
            "spread": {"one": 11, "two": 1, "three_or_more": 0},
            "users": [
                {"user_id": "u07", "sessions": 2},
                *[{"user_id": f"u{n:02}", "sessions": 1} for n in (0, 1, 2, 3, 4, 5, 6, 8, 9)],
            ],
        },
        "events": {
            "window_seconds": 900,
            "total": 14,
            "types": 2,
            "unlisted": 0,
            "by_type": {"page_view": 13, "purchase": 1},
            "late": 1,
            "rejected": 1,
        },
        "arrivals": {"window_seconds": 60, "count": 15, "last_at": "2026-11-22T14:30:00.000Z"},
        "carts": {"window_seconds": 600, "open": 0, "carts": 0, "purchases": 0},
        "comparison": {"previous": None, "yesterday": None},
    }


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
async def test_each_metric_is_answered_by_itself(service: Service, metric: Metric) -> None:
    await service.send(*[service.event(page_url=f"/{n}", user_id=f"u{n}") for n in range(4)])
    document = await service.get("/v1/metrics")
    narrow = await service.get(metric.path)
    assert narrow == {"as_of": document["as_of"], metric.name: document[metric.name]}


@pytest.mark.parametrize("user_id", ["nobody", "a/b", "$where", "50% \u00fc"])
async def test_one_user_has_sessions_or_none(service: Service, user_id: str) -> None:
    path = "/v1/metrics/active-sessions/" + "".join(f"%{b:02x}" for b in user_id.encode())
    assert (await service.get(path))["sessions"] == 0
    await service.send(
        service.event(user_id=user_id, session_id="s1", ago=10),
        service.event(user_id=user_id, session_id="s1", ago=20),
        service.event(user_id=user_id, session_id="s2", ago=5),
        service.event(user_id=user_id, session_id="old", ago=300),
        service.event(user_id=user_id),
        service.event(user_id="another", session_id="s3"),
    )
    by_query = await service.get("/v1/metrics/active-sessions", params={"user_id": user_id})
    assert (
        by_query
        == await service.get(path)
        == {
            "as_of": "2026-11-22T14:30:00.000Z",
            "window_seconds": 300,
            "user_id": user_id,
            "active": True,
            "last_event_at": "2026-11-22T14:30:00.000Z",
            "sessions": 2,
            "latest": [
                {"session_id": "s2", "last_event_at": "2026-11-22T14:29:55.000Z", "events": 1},
                {"session_id": "s1", "last_event_at": "2026-11-22T14:29:50.000Z", "events": 2},
            ],
        }
    )


@pytest.mark.parametrize("user_id", [".", "..", " ", " padded ", "\u200b"])
async def test_a_user_whom_no_path_can_name_is_found_by_query(
    service: Service, user_id: str
) -> None:
    await service.send(service.event(user_id=user_id, session_id="s"))
    answer = await service.get("/v1/metrics/active-sessions", params={"user_id": user_id})
    assert (answer["user_id"], answer["sessions"]) == (user_id, 1)


async def test_a_user_without_a_session_is_told_from_one_who_was_not_seen(service: Service) -> None:
    path = "/v1/metrics/active-sessions/u"
    seen = []
    for event in ({"ago": 300}, {"ago": 299}):
        await service.send(service.event(user_id="u", **event))
        answer = await service.get(path)
        seen.append((answer["sessions"], answer["active"], answer["last_event_at"]))
    assert seen == [(0, False, None), (0, True, "2026-11-22T14:25:01.000Z")]


async def test_stored_events_are_read_newest_first_as_they_were_sent(service: Service) -> None:
    sent = {"session_id": "s", "event_id": "e-1", "properties": {"price": 1.5, "tag": None}}
    await service.send(service.event(ago=1000, user_id="a"))
    service.clock.advance(seconds=1)
    await service.send(service.event(ago=-30, user_id="b", **sent))
    events = (await service.get("/v1/events"))["events"]
    basic = {"event_type": "page_view", "page_url": "/"}
    assert events == [
        basic
        | sent
        | {
            "timestamp": "2026-11-22T14:30:31.000Z",
            "received_at": "2026-11-22T14:30:01.000Z",
            "occurred_at": "2026-11-22T14:30:01.000Z",
            "late": False,
            "user_id": "b",
        },
        basic
        | {
            "timestamp": "2026-11-22T14:13:20.000Z",
            "received_at": "2026-11-22T14:30:00.000Z",
            "occurred_at": "2026-11-22T14:13:20.000Z",
            "late": True,
            "user_id": "a",
        },
    ]
    for params, expected in (({"limit": 1}, events[:1]), ({"user_id": "a"}, events[1:])):
        assert (await service.get("/v1/events", params=params))["events"] == expected


async def test_many_viewers_share_one_answer_for_at_most_a_second(service: Service) -> None:
    first = await service.client.get("/v1/metrics")
    tag = first.headers["ETag"]
    same = await service.client.get("/v1/metrics", headers={"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    await service.send(service.event())
    service.clock.advance(milliseconds=999)
    assert (await service.get("/v1/metrics"))["active_users"]["count"] == 0
    service.clock.advance(milliseconds=1)
    fresh = await service.client.get("/v1/metrics", headers={"If-None-Match": tag})
    assert fresh.status_code == 200
    assert fresh.json()["active_users"]["count"] == 1


@pytest.mark.parametrize("value", ["0", "101", "-1", "x", "1.5", "", "\u0661", "1" * 50])
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/metrics/page-views", "limit"),
        ("/v1/metrics/active-sessions", "limit"),
        ("/v1/metrics/per-minute", "minutes"),
    ],
)
async def test_a_parameter_out_of_range_is_named(
    service: Service, path: str, name: str, value: str
) -> None:
    response = await service.client.get(path, params={name: value})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    [error] = response.json()["errors"]
    assert (error["pointer"], error["code"]) == (f"/{name}", "out_of_range")


async def test_reading_needs_a_read_key_where_there_is_one(start_service: StartService) -> None:
    async with start_service(FOOTFALL_READ_KEYS="reader", FOOTFALL_WRITE_KEYS="writer") as service:
        for path in ("/v1/metrics", "/v1/metrics/history", "/v1/rejections", "/metrics"):
            for headers, status in (
                ({}, 401),
                ({"Authorization": "Bearer wrong"}, 403),
                ({"Authorization": "Bearer writer"}, 403),
                ({"X-API-Key": "reader"}, 200),
                ({"Authorization": "bearer reader"}, 200),
            ):
                response = await service.client.get(path, headers=headers)
                assert response.status_code == status, (path, headers)
        event = service.event()
        for key, status in (("reader", 403), ("writer", 202)):
            response = await service.send(event, headers={"X-API-Key": key})
            assert response.status_code == status
        assert (await service.send(event)).headers["WWW-Authenticate"].startswith("Bearer")
