"""Segment's calls become events: sent by hand in process, and by Segment's own SDK to a service."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from segment.analytics import request as sdk_requests
from segment.analytics.client import Client as SegmentClient

from tests.conftest import Service, StartService, running_service

pytestmark = pytest.mark.anyio

PATHS = ("/v1/segment/v1/batch", "/v1/segment/batch")
AT = "2026-11-22T14:29:58.000Z"


def call(**fields: Any) -> dict[str, Any]:
    """Return a page call as the SDKs send it."""
    page = {"path": "/lamps", "url": "https://shop.example/lamps?q=1"}
    return {
        "type": "page",
        "messageId": "m1",
        "timestamp": AT,
        "userId": "u1",
        "anonymousId": "a1",
        "context": {"page": page, "library": {"name": "analytics-python"}},
        "integrations": {},
        "properties": {},
    } | fields


async def send(service: Service, *calls: object, **options: Any) -> httpx.Response:
    return await service.client.post(PATHS[0], json={"batch": list(calls)}, **options)


TRACKED = {"type": "track", "event": "Order Completed"}
MAPPED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "page": ({}, {"event_type": "page_view", "page_url": "/lamps", "user_id": "u1"}),
    "time and id": ({}, {"timestamp": AT, "event_id": "m1"}),
    "stage": (TRACKED, {"event_type": "purchase"}),
    "words": (TRACKED | {"event": "Coupon Applied!"}, {"event_type": "coupon_applied"}),
    "own name": (TRACKED | {"event": "add_to_cart"}, {"event_type": "add_to_cart"}),
    "anonymous": ({"userId": None}, {"user_id": "a1"}),
    "url alone": (
        {"context": {"page": {"url": "https://shop.example/x"}}},
        {"page_url": "https://shop.example/x"},
    ),
    "page of properties": (
        {"context": {}, "properties": {"path": "/sale", "url": "https://shop.example/sale"}},
        {"page_url": "/sale"},
    ),
    "session": ({"context": {"page": {"path": "/"}, "sessionId": "s1"}}, {"session_id": "s1"}),
    "session of properties": ({"properties": {"session_id": "s2"}}, {"session_id": "s2"}),
    "properties that an event can carry": (
        {
            "properties": {
                "total": 12.5,
                "path": "/sale",
                "products": [{"sku": "lamp"}],
                "a.b": 1,
                "$c": 1,
                "text": "x" * 513,
                "none": None,
            }
        },
        {"properties": {"total": 12.5}},
    ),
    "at most twenty properties": (
        {"properties": {f"p{n}": n for n in range(100)}},
        {"properties": {f"p{n}": n for n in range(20)}},
    ),
}


@pytest.mark.parametrize("case", MAPPED)
async def test_a_call_becomes_an_event(service: Service, case: str) -> None:
    fields, wanted = MAPPED[case]
    answer = await send(service, call(**fields))
    assert answer.status_code == 200, answer.text
    [stored] = (await service.get("/v1/events"))["events"]
    assert wanted.items() <= stored.items()


@pytest.mark.parametrize("path", PATHS)
async def test_other_calls_are_acknowledged_and_counted(service: Service, path: str) -> None:
    others = [call(type=kind) for kind in ("identify", "group", "alias", "screen")]
    calls = [others[0], call(), others[1], call(), {"type": "page"}, *others[2:]]
    answer = await service.client.post(path, json={"batch": calls, "writeKey": "k"})
    assert answer.status_code == 200
    receipt = answer.json()
    counts = {"success": True, "accepted": 1, "duplicate": 1, "rejected": 1, "ignored": 4}
    assert counts.items() <= receipt.items()
    assert {error["index"] for error in receipt["errors"]} == {4}
    only = await service.client.post(path, json={"batch": others})
    assert (only.status_code, only.json()["ignored"]) == (200, 4)


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"batch": []}, 422, "an array of 0"),
        ({"batch": [{"type": "identify"}] * 1001}, 422, "an array of 1001"),
        ({"batch": {}}, 422, "neither"),
        ([], 422, "neither"),
        ({"batch": [5]}, 422, "An event is an object"),
        ({"batch": [{"type": "page"}]}, 422, "timestamp is required"),
        ({"batch": [call(type="track")]}, 422, "event_type is required"),
        ({"batch": [call(type="track", event="注文")]}, 422, "event_type must be"),
        ({"batch": [call(type=["page"])]}, 422, "event_type is required"),
        ({"batch": [call(userId=5)]}, 422, "user_id must be"),
        ({"batch": [call(context=5, properties="x")]}, 422, "page_url is required"),
    ],
)
async def test_what_is_no_batch_is_refused(
    service: Service, body: object, status: int, told: str
) -> None:
    answer = await service.client.post(PATHS[0], json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert told in answer.json()["detail"]


async def test_a_batch_costs_its_length_with_what_is_ignored(start_service: StartService) -> None:
    async with start_service(FOOTFALL_RATE_LIMIT="3/hour") as service:
        answer = await send(service, call(), call(type="identify"))
        assert answer.headers["RateLimit"].startswith('"client";r=1')
        assert (await send(service, call(), call())).status_code == 429


@pytest.mark.parametrize(
    ("credentials", "status"),
    [("writer:", 200), ("writer", 200), ("wrong:", 403), (":writer", 401), ("\xff:", 403)],
)
async def test_the_write_key_is_the_user_name(
    start_service: StartService, credentials: str, status: int
) -> None:
    async with start_service(FOOTFALL_WRITE_KEYS="writer") as service:
        basic = "Basic " + base64.b64encode(credentials.encode("latin-1")).decode()
        answer = await send(service, call(), headers={"Authorization": basic})
        assert answer.status_code == status
        broken = await send(service, call(), headers={"Authorization": "Basic wr!ter"})
        assert broken.status_code == 403


def test_segment_s_own_sdk_sends_to_it(mongodb_uri: str) -> None:
    failures: list[object] = []
    now = datetime.now(UTC)
    with running_service(
        FOOTFALL_MONGODB_URI=mongodb_uri,
        FOOTFALL_DATABASE=f"test_segment_{now:%H%M%S%f}",
        FOOTFALL_WRITE_KEYS="writer",
    ) as url:
        for gzip in (False, True):
            sdk = SegmentClient(
                "writer",
                host=f"{url}/v1/segment",
                gzip=gzip,
                on_error=lambda error, items: failures.append((error, items)),
                max_retries=1,
            )
            context = {"page": {"path": "/lamps"}, "sessionId": "s1"}
            user = f"u-{gzip}"
            sdk.identify(user, {"plan": "free"})
            sdk.page(user, name="Lamps", context=dict(context), timestamp=now)
            sdk.track(
                user,
                "Order Completed",
                {"total": 12.5, "products": [{"sku": "lamp"}]},
                context=dict(context),
                timestamp=now - timedelta(seconds=1),
            )
            sdk.track(user, "Order Completed", context=dict(context), message_id=f"twice-{gzip}")
            sdk.track(user, "Order Completed", context=dict(context), message_id=f"twice-{gzip}")
            sdk.flush()
            sdk.shutdown()
        sdk_requests._session.close()  # which it leaves open
        stored = httpx.get(f"{url}/v1/events").json()["events"]
    assert not failures
    assert sorted((it["user_id"], it["event_type"]) for it in stored) == sorted(
        (f"u-{gzip}", kind)
        for gzip in (False, True)
        for kind in ("page_view", "purchase", "purchase")
    )
    assert {it["session_id"] for it in stored} == {"s1"}
    assert {"total": 12.5} in [it.get("properties") for it in stored]
