"""Posting events: what is taken, what is refused, and that nothing is lost either way."""

import gzip
import json
from typing import Any

import pytest

from tests.conftest import Service, StartService
from tests.events import SAMPLE

pytestmark = pytest.mark.anyio


async def test_the_sample_event_is_accepted_stored_and_late(service: Service) -> None:
    response = await service.client.post("/v1/events", json=SAMPLE)
    assert response.status_code == 202
    receipt = response.json()
    assert receipt == {
        "received_at": "2026-11-22T14:30:00.000Z",
        "accepted": 1,
        "duplicate": 0,
        "late": 1,
        "rejected": 0,
        "errors": [],
    }
    stored = await service.resources.database.events.find_one({})
    assert stored
    assert stored["user_id"] == "usr_789"
    assert stored["occurred_at"].isoformat() == "2024-03-15T14:30:00+00:00"
    assert stored["received_at"] == service.clock.now


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"timestamp": None}, "/timestamp", "wrong_type"),
        ({"timestamp": 1710513000}, "/timestamp", "wrong_type"),
        ({"timestamp": "1710513000"}, "/timestamp", "bad_timestamp"),
        ({"timestamp": "2024-03-15T14:30:00"}, "/timestamp", "bad_timestamp"),
        ({"timestamp": "2024-03-15"}, "/timestamp", "bad_timestamp"),
        ({"timestamp": "2024-02-30T14:30:00Z"}, "/timestamp", "bad_timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "/timestamp", "bad_timestamp"),
        ({"timestamp": "2026-11-22T14:35:00.001Z"}, "/timestamp", "in_future"),
        ({"user_id": 5}, "/user_id", "wrong_type"),
        ({"user_id": ""}, "/user_id", "too_short"),
        ({"user_id": "u" * 129}, "/user_id", "too_long"),
        ({"user_id": "a\u0000b"}, "/user_id", "bad_characters"),
        ({"user_id": "a\u0085b"}, "/user_id", "bad_characters"),
        ({"user_id": {"$ne": None}}, "/user_id", "wrong_type"),
        ({"event_type": ""}, "/event_type", "too_short"),
        ({"event_type": "a b"}, "/event_type", "bad_characters"),
        ({"event_type": "é"}, "/event_type", "bad_characters"),
        ({"event_type": "page_view\n"}, "/event_type", "bad_characters"),
        ({"event_type": "t" * 65}, "/event_type", "too_long"),
        ({"page_url": "products"}, "/page_url", "bad_url"),
        ({"page_url": "javascript:alert(1)"}, "/page_url", "bad_url"),
        ({"page_url": "https://"}, "/page_url", "bad_url"),
        ({"page_url": "/" + "p" * 2048}, "/page_url", "too_long"),
        ({"session_id": None}, "/session_id", "wrong_type"),
        ({"session_id": "s" * 129}, "/session_id", "too_long"),
        ({"event_id": ""}, "/event_id", "too_short"),
        ({"event_id": 7}, "/event_id", "wrong_type"),
        ({"colour": "red"}, "/colour", "unknown_field"),
        ({"a/b~c": 1}, "/a~1b~0c", "unknown_field"),
        ({"properties": []}, "/properties", "wrong_type"),
        ({"properties": {"$where": 1}}, "/properties/$where", "bad_characters"),
        ({"properties": {"a.b": 1}}, "/properties/a.b", "bad_characters"),
        ({"properties": {"": 1}}, "/properties/", "too_short"),
        ({"properties": {"a": {"b": 1}}}, "/properties/a", "wrong_type"),
        ({"properties": {"a": "x" * 513}}, "/properties/a", "too_long"),
        ({"properties": {f"k{n}": n for n in range(21)}}, "/properties", "too_long"),
        ({"properties": {"a": 10**400}}, "/properties/a", "out_of_range"),
    ],
)
async def test_a_field_that_breaks_its_rule_is_named(
    service: Service, change: dict[str, Any], pointer: str, code: str
) -> None:
    response = await service.send({**SAMPLE, **change}, SAMPLE)
    assert response.status_code == 202
    receipt = response.json()
    assert (receipt["accepted"], receipt["rejected"]) == (1, 1)
    assert [(e["index"], e["pointer"], e["code"]) for e in receipt["errors"]] == [
        (0, pointer, code)
    ]
    assert receipt["errors"][0]["detail"]
    kept = (await service.get("/v1/rejections"))["rejections"]
    assert [(r["pointer"], r["code"]) for r in kept] == [(pointer, code)]


async def test_who_is_too_far_ahead_is_told_which_timestamp_is_accepted(service: Service) -> None:
    ahead = {**SAMPLE, "timestamp": "2026-11-22T14:35:00.001Z"}
    response = await service.client.post("/v1/events", json=ahead)
    assert response.status_code == 422
    told = (
        "timestamp is more than 5 minutes ahead of the server's clock, 2026-11-22T14:30:00.000Z; "
        "up to 2026-11-22T14:35:00.000Z is accepted"
    )
    problem = response.json()
    assert [error["detail"] for error in problem["errors"]] == [told]
    assert problem["detail"] == f"The event was refused; the first error: {told}"
    [kept] = (await service.get("/v1/rejections"))["rejections"]
    assert kept["detail"] == told
    newest = "2026-11-22T14:35:00.000Z"
    again = await service.client.post("/v1/events", json={**SAMPLE, "timestamp": newest})
    assert again.json()["accepted"] == 1


@pytest.mark.parametrize("field", ["timestamp", "user_id", "event_type", "page_url"])
async def test_a_required_field_is_missed(service: Service, field: str) -> None:
    event = {name: value for name, value in SAMPLE.items() if name != field}
    response = await service.client.post("/v1/events", json=event)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    [error] = response.json()["errors"]
    assert (error["index"], error["pointer"], error["code"]) == (0, f"/{field}", "missing")


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": "2026-11-22T14:35:00.000Z"},
        {"timestamp": "2026-11-22T16:30:00+02:00"},
        {"timestamp": "2026-11-22 14:30:00.123456789z"},
        {"timestamp": "0001-01-01T00:00:00Z"},
        {"user_id": "u" * 128},
        {"user_id": "\U0001f6d2 \u202e$gt"},
        {"event_type": "Add_to.cart:2-x"},
        {"page_url": "/"},
        {"page_url": "HTTPS://shop.example/a?b=c#d"},
        {"page_url": "/" + "\u00fc" * 2047},
        {"event_id": "\u0000"},
        {"properties": {}},
        {"properties": {"a": 1, "b": 1.5, "c": "x" * 512, "d": None, "e": True, "f": 2**70}},
    ],
)
async def test_the_edges_of_each_rule_are_accepted(
    service: Service, change: dict[str, Any]
) -> None:
    response = await service.client.post("/v1/events", json={**SAMPLE, **change})
    assert response.status_code == 202, response.text
    assert response.json()["accepted"] == 1


NDJSON = {"Content-Type": "application/x-ndjson"}
GZIP = {"Content-Encoding": "gzip"}
NO_EVENT: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "nothing": (b"", {}, 400, "bad-json"),
    "no JSON": (b"{", {}, 400, "bad-json"),
    "NaN": (b'{"user_id": NaN}', {}, 400, "bad-json"),
    "no UTF-8": (b'"\xff"', {}, 400, "bad-json"),
    "half a surrogate pair": (b'{"user_id": "\\ud800"}', {}, 400, "bad-json"),
    "5000 nested arrays": (b"[" * 5000 + b"]" * 5000, {}, 400, "bad-json"),
    "no line of JSON": (b"nonsense", NDJSON, 400, "bad-json"),
    "no gzip": (b"no gzip", GZIP, 400, "bad-encoding"),
    "half a gzip": (gzip.compress(b"[1]")[:-9], GZIP, 400, "bad-encoding"),
    "101 members": (gzip.compress(b"") * 101, GZIP, 400, "bad-encoding"),
    "over a mebibyte": (b"[" + b" " * 1_048_576 + b"]", {}, 413, "too-large"),
    "a bomb": (gzip.compress(b" " * 50_000_000), GZIP, 413, "too-large"),
    "1001 lines": (b"\n".join([b"{}"] * 1001), NDJSON, 413, "too-large"),
    "2001 empty lines": (b"\n" * 2001, NDJSON, 413, "too-large"),
    "20,000 empty arrays": (b"[" + b"[]," * 20_000 + b"0]", {}, 413, "too-large"),
    "text": (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
    "no media type": (b"{}", {"Content-Type": ""}, 415, "unsupported-media-type"),
    "another charset": (
        b"{}",
        {"Content-Type": "application/json; charset=utf-16"},
        415,
        "unsupported-media-type",
    ),
    "brotli": (b"{}", {"Content-Encoding": "br"}, 415, "unsupported-encoding"),
    "a number": (b"5", {}, 422, "invalid-events"),
    "null": (b"null", {}, 422, "invalid-events"),
    "an empty batch": (b"[]", {}, 422, "invalid-events"),
    "no lines": (b"", NDJSON, 422, "invalid-events"),
    "1001 events": (json.dumps([SAMPLE] * 1001).encode(), {}, 422, "invalid-events"),
    "an empty event": (b"{}", {}, 422, "invalid-events"),
    "a batch of other things": (b"[1, null, []]", {}, 422, "invalid-events"),
}


@pytest.mark.parametrize(("body", "headers", "status", "tag"), NO_EVENT.values(), ids=NO_EVENT)
async def test_a_body_that_holds_no_event_is_refused(
    service: Service, body: bytes, headers: dict[str, str], status: int, tag: str
) -> None:
    response = await service.client.post(
        "/v1/events", content=body, headers={"Content-Type": "application/json"} | headers
    )
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == f"/docs#{tag}"
    assert problem["status"] == status
    assert await service.resources.database.events.count_documents({}) == 0


@pytest.mark.parametrize("media_type", ["x-ndjson", "ndjson", "jsonl", "x-jsonlines"])
async def test_ndjson_has_several_names(service: Service, media_type: str) -> None:
    response = await service.client.post(
        "/v1/events",
        content=f"{json.dumps(SAMPLE)}\n\n" * 1000,
        headers={"Content-Type": f"application/{media_type}"},
    )
    assert response.json()["accepted"] == 1000


async def test_gzip_may_come_in_members(service: Service) -> None:
    members = [gzip.compress(f"{json.dumps(SAMPLE)}\n".encode()) for _ in range(100)]
    response = await service.client.post(
        "/v1/events",
        content=b"".join(members),
        headers={"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"},
    )
    assert response.json()["accepted"] == 100


async def test_ndjson_and_gzip_keep_the_good_lines(service: Service) -> None:
    lines = [json.dumps(SAMPLE), "{broken", "", json.dumps({**SAMPLE, "user_id": 5}), "7"]
    body = gzip.compress("\r\n".join(lines).encode())
    response = await service.client.post(
        "/v1/events",
        content=body,
        headers={"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"},
    )
    assert response.status_code == 202
    receipt = response.json()
    assert (receipt["accepted"], receipt["rejected"]) == (1, 3)
    assert [(e["index"], e["code"]) for e in receipt["errors"]] == [
        (1, "bad_json"),
        (2, "wrong_type"),
        (3, "wrong_type"),
    ]


async def test_an_event_id_is_stored_once(service: Service) -> None:
    first = {**SAMPLE, "event_id": "e1"}
    receipt = (await service.send(first, first, {**SAMPLE, "event_id": "e2"}, SAMPLE)).json()
    assert (receipt["accepted"], receipt["duplicate"]) == (3, 1)
    again = (await service.send(first, {**first, "user_id": "other"})).json()
    assert (again["accepted"], again["duplicate"], again["late"]) == (0, 2, 0)
    assert await service.resources.database.events.count_documents({}) == 3


async def test_late_means_outside_the_longest_window(service: Service) -> None:
    edge, inside = service.event(ago=900), service.event(ago=899.999)
    receipt = (await service.send(edge, inside)).json()
    assert (receipt["accepted"], receipt["late"]) == (2, 1)


async def test_a_clock_that_runs_ahead_is_not_active_in_the_future(service: Service) -> None:
    await service.send(service.event(ago=-300))
    stored = await service.resources.database.events.find_one({})
    assert stored
    assert stored["occurred_at"] == stored["received_at"] == service.clock.now
    assert stored["timestamp"] > service.clock.now


async def test_a_refused_event_is_kept_cut_short(service: Service) -> None:
    await service.send({**SAMPLE, "note": "x" * 5000})
    [kept] = (await service.get("/v1/rejections"))["rejections"]
    assert kept["rejected_at"] == "2026-11-22T14:30:00.000Z"
    assert kept["event"].startswith('{"timestamp":"2024-03-15T14:30:00Z"')
    assert len(kept["event"]) == 1024


async def test_a_flood_of_refusals_is_summed_up(service: Service) -> None:
    for _ in range(3):
        await service.send(*[5] * 1000)
    await service.resources.rejections.flush()
    assert await service.resources.database.rejections.count_documents({}) == 2001
    metrics = await service.get("/v1/metrics")
    assert metrics["events"]["rejected"] == 3000


async def test_the_id_of_a_cloud_event_makes_its_retry_safe(service: Service) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "c1", "ce-source": "/shop", "ce-type": "view"}
    own: dict[str, Any] = {"event_id": "own"}
    for fields, accepted in (({}, 1), ({}, 0), (own, 1)):
        event = service.event(**fields)
        answer = await service.client.post("/v1/events", json=event, headers=headers)
        assert answer.json()["accepted"] == accepted
    stored = (await service.get("/v1/events"))["events"]
    assert {it["event_id"] for it in stored} == {"c1", "own"}
    batch = await service.client.post("/v1/events", json=[service.event()] * 2, headers=headers)
    assert batch.json()["accepted"] == 2


async def test_who_waits_as_long_as_told_finds_room_for_a_batch_as_large_as_the_limit(
    start_service: StartService,
) -> None:
    async with start_service(FOOTFALL_RATE_LIMIT="1000/second") as service:
        for events in (1, 1000, 1000):
            batch = [service.event(properties={"p": "x" * 200})] * events
            refusals = 0
            while (answer := await service.send(*batch)).status_code == 429:
                service.clock.advance(seconds=int(answer.headers["Retry-After"]))
                refusals += 1
            assert answer.status_code == 202
            assert refusals <= 1
