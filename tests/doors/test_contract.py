"""One contract: whichever door a request takes, its answer is the same."""

import gzip
import json
import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from shared.api import OPERATIONS
from tests.doors.exchange import (
    CLIENT_LIMIT,
    GREEDY,
    READER,
    WRITER,
    Answer,
    Door,
    Request,
    get,
    post,
)
from tests.events import SAMPLE, event

LINES = b"\n".join([json.dumps(SAMPLE).encode(), b"{broken", json.dumps(SAMPLE).encode()])
NDJSON = "application/x-ndjson"
USER = "/v1/metrics/active-sessions/"

# What is sent, and accepted, rejected and the errors' places in the receipt.
TAKEN = {
    "the sample event": (post(SAMPLE), 1, []),
    "a batch with errors": (post([SAMPLE, {**SAMPLE, "user_id": 5}, 7, SAMPLE]), 2, [1, 2]),
    "one event a line": (post(LINES, content_type=NDJSON), 2, [1]),
    "gzip": (post(gzip.compress(json.dumps([SAMPLE]).encode()), content_encoding="gzip"), 1, []),
    "gzip, one a line": (
        post(gzip.compress(LINES), content_type=NDJSON, content_encoding="gzip"),
        2,
        [1],
    ),
    "no content-length": (post([SAMPLE, SAMPLE], length_told=False), 2, []),
    "cookies": (post(SAMPLE, cookie="a=1; session=é"), 1, []),
    "letters of every kind": (post({**SAMPLE, "user_id": "\u4e2d \U0001f6d2 \u202e$gt"}), 1, []),
    "a named charset": (post(SAMPLE, content_type="application/json; charset=utf-8"), 1, []),
    "the key in a header of its own": (post(SAMPLE, key="", x_api_key=WRITER), 1, []),
}

# What is sent, the status, and the tag of the problem.
REFUSED = {
    "nothing": (post(b""), 400, "bad-json"),
    "no JSON": (post(b"{"), 400, "bad-json"),
    "NaN": (post(b'{"user_id": NaN}'), 400, "bad-json"),
    "no UTF-8": (post(b'"\xff"'), 400, "bad-json"),
    "no line of JSON": (post(b"a\nb", content_type=NDJSON), 400, "bad-json"),
    "no gzip": (post(b"plain", content_encoding="gzip"), 400, "bad-encoding"),
    "half a gzip": (post(gzip.compress(b"[1]")[:-9], content_encoding="gzip"), 400, "bad-encoding"),
    "too large": (post(b"[" + b" " * 1_048_576 + b"]"), 413, "too-large"),
    "too large, and not told": (post(b" " * 1_048_577, length_told=False), 413, "too-large"),
    "a bomb": (post(gzip.compress(b" " * 50_000_000), content_encoding="gzip"), 413, "too-large"),
    "text": (post(b"{}", content_type="text/plain"), 415, "unsupported-media-type"),
    "brotli": (post(b"{}", content_encoding="br"), 415, "unsupported-encoding"),
    "a number": (post(5), 422, "invalid-events"),
    "an empty batch": (post([]), 422, "invalid-events"),
    "1001 events": (post([SAMPLE] * 1001), 422, "invalid-events"),
    "no valid event": (post([{}, 1]), 422, "invalid-events"),
    "more than the limit": (post([SAMPLE] * (CLIENT_LIMIT + 1)), 429, "batch-exceeds-limit"),
    "no key to write": (post(SAMPLE, key=""), 401, "unauthenticated"),
    "a wrong key to write": (post(SAMPLE, key="wrong"), 403, "forbidden"),
    "a reader that writes": (post(SAMPLE, key=READER), 403, "forbidden"),
    "no key to read": (get("/v1/metrics", key=""), 401, "unauthenticated"),
    "a writer that reads": (get("/v1/metrics", key=WRITER), 403, "forbidden"),
    "no key to watch": (get("/metrics", key=""), 401, "unauthenticated"),
    "limit 0": (get("/v1/metrics/page-views?limit=0"), 422, "invalid-parameter"),
    "limit 101": (get("/v1/metrics/active-sessions?limit=101"), 422, "invalid-parameter"),
    "1441 minutes": (get("/v1/metrics/history?minutes=1441"), 422, "invalid-parameter"),
    "many rejections": (get("/v1/rejections?limit=many"), 422, "invalid-parameter"),
    "a user with a long name": (get(USER + "u" * 129), 422, "invalid-parameter"),
    "a user with a NUL": (get(USER + "a%00b"), 422, "invalid-parameter"),
    "a user with a line break": (get(USER + "a%0Ab"), 422, "invalid-parameter"),
    "a path of nobody": (get("/v1/nothing"), 404, "not-found"),
    "a slash too many": (get("/v1/metrics/"), 404, "not-found"),
    "an asset of nobody": (get("/assets/nothing.js"), 404, "not-found"),
    "events to put": (Request("PUT", "/v1/events"), 405, "method-not-allowed"),
    "metrics to write": (Request("POST", "/v1/metrics"), 405, "method-not-allowed"),
    "metrics to delete": (Request("DELETE", "/v1/metrics"), 405, "method-not-allowed"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_events_are_taken(door: Door, name: str) -> None:
    request, accepted, errors = TAKEN[name]
    answer = door(request)
    assert answer.status == 202, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["ratelimit-policy"].startswith(f'"client";q={CLIENT_LIMIT};w=')
    assert re.fullmatch(r'"client";r=\d+;t=\d+', answer.headers["ratelimit"])
    receipt = answer.json()
    assert [error["index"] for error in receipt["errors"]] == errors
    del receipt["errors"], receipt["received_at"]
    assert receipt == {
        "accepted": accepted,
        "duplicate": 0,
        "late": accepted,
        "rejected": len(errors),
    }


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_a_problem(door: Door, name: str) -> None:
    request, status, tag = REFUSED[name]
    answer = door(request)
    problem = assert_problem(answer, status, tag)
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if status == 405:
        assert answer.headers["allow"]
    if status == 422:
        assert {"index", "pointer", "code", "detail"} == set().union(*problem["errors"]) or (
            problem["errors"] == []
        )


def assert_problem(answer: Answer, status: int, tag: str) -> Any:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["type"], problem["status"]) == (f"/docs#{tag}", status)
    assert problem["title"]
    assert problem["detail"]
    assert (status in {429, 503}) == ("retry-after" in answer.headers)
    return problem


def test_an_event_id_is_stored_once(door: Door) -> None:
    first = event(event_id=uuid4().hex)
    receipts = [door(post(batch)).json() for batch in ([first, first], first, [first, event()])]
    outcomes = [(it["accepted"], it["duplicate"], it["late"]) for it in receipts]
    assert outcomes == [(1, 1, 0), (0, 1, 0), (1, 1, 0)]


@pytest.mark.parametrize("given", ["order-17.a:b", "x" * 128, "<script>", "a b", "x" * 129])
@pytest.mark.parametrize("target", ["/livez", "/v1/metrics", "/", "/v1/nothing"])
def test_every_answer_has_a_name(door: Door, target: str, given: str) -> None:
    name = door(get(target, x_request_id=given)).headers["x-request-id"]
    sane = re.fullmatch(r"[A-Za-z0-9._:/+=-]{1,128}", given)
    assert name == given if sane else re.fullmatch(r"[0-9a-f]{32}", name)


@pytest.mark.parametrize(
    "target", ["/", "/docs", "/openapi.json", "/tracker.js", "/assets/app.js", "/v1/metrics"]
)
def test_what_is_known_is_not_sent_again(door: Door, target: str) -> None:
    for _ in range(3):  # the metrics may be a second old, and then are computed anew
        full = door(get(target))
        again = door(get(target, if_none_match=full.headers["etag"]))
        if again.status == 304:
            break
    assert (full.status, again.status, again.body) == (200, 304, b"")
    assert again.headers["etag"] == full.headers["etag"]
    assert door(get(target, if_none_match='"other"')).status == 200


@pytest.mark.parametrize("target", ["/", "/livez", "/v1/metrics", USER + "nobody"])
def test_head_answers_as_get_without_a_body(door: Door, target: str) -> None:
    read = get(target)
    for _ in range(3):  # the metrics may be another second's
        head, full = door(Request("HEAD", target, read.headers)), door(read)
        if head.headers["content-length"] == full.headers["content-length"]:
            break
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == full.headers["content-type"]
    assert head.headers["content-length"] == full.headers["content-length"]


@pytest.mark.parametrize("target", ["/", "/docs", "/openapi.json", "/tracker.js"])
def test_a_compressed_page_is_the_same_page(door: Door, target: str) -> None:
    compressed = door(get(target, accept_encoding="gzip"))
    assert compressed.headers["content-encoding"] == "gzip"
    plain = door(get(target))
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(compressed.body) == plain.body
    if target != "/openapi.json":
        assert "default-src 'none'" in plain.headers["content-security-policy"]


def test_the_description_is_the_code_s_own(door: Door) -> None:
    described = door(get("/openapi.json")).json()["paths"]
    assert {(method.upper(), path) for path, it in described.items() for method in it} == {
        (operation.method, operation.path) for operation in OPERATIONS
    }


@pytest.mark.parametrize(
    ("user_id", "path"),
    [
        ("plain", "plain"),
        ("a/b", "a%2Fb"),
        ("a/b", "a/b"),
        ("50% \u00fc", "50%25%20%C3%BC"),
        ("a%2Fb", "a%252Fb"),
        ("a+b&c=d", "a+b&c=d"),
        ("$where", "%24where"),
    ],
)
def test_one_user_s_sessions_whatever_the_name(door: Door, user_id: str, path: str) -> None:
    name = uuid4().hex
    target = f"{USER}{name}{path}"
    assert door(get(target)).json()["sessions"] == 0
    mine = [event(user_id=name + user_id, session_id=s) for s in ("one", "two", "one")]
    assert door(post([*mine, event(user_id=name, session_id="three")])).status == 202
    answer = door(get(target)).json()
    assert (answer["user_id"], answer["sessions"]) == (name + user_id, 2)
    assert {(it["session_id"], it["events"]) for it in answer["latest"]} == {("one", 2), ("two", 1)}


def test_of_a_repeated_parameter_the_last_counts(door: Door) -> None:
    pages = [event(page_url=f"/{n}") for n in range(4)]
    assert door(post(pages)).status == 202
    target = "/v1/metrics/page-views"
    fresh(door, get(target), lambda it: len(it["page_views"]["top"]) >= 4)
    top = door(get(f"{target}?limit=3&limit=2&other=%C3%BC")).json()["page_views"]["top"]
    assert len(top) == 2


def test_an_acknowledged_event_is_in_every_metric_within_two_seconds(door: Door) -> None:
    before = door(get("/v1/metrics")).json()
    kind, page, user = f"kind-{uuid4().hex[:8]}", f"/{uuid4().hex}", uuid4().hex
    batch = [
        *(event(page_url=page, user_id=user, session_id=f"s{n}") for n in range(2)),
        event(event_type=kind, user_id=user + "other"),
        {**SAMPLE, "page_url": "no page"},
        SAMPLE,
    ]
    assert door(post(batch)).status == 202
    now = fresh(door, get("/v1/metrics"), lambda it: kind in it["events"]["by_type"])
    assert now["events"]["by_type"][kind] == 1
    assert now["active_users"]["count"] >= before["active_users"]["count"] + 2
    assert now["page_views"]["total"] >= 2
    assert now["active_sessions"]["total"] >= before["active_sessions"]["total"] + 2
    assert now["events"]["late"] >= before["events"]["late"] + 1
    assert now["events"]["rejected"] >= before["events"]["rejected"] + 1
    for part in ("active_users", "page_views", "active_sessions"):
        narrow = door(get(f"/v1/metrics/{part.replace('_', '-')}?limit=100")).json()
        assert narrow.keys() == {"as_of", part}
        assert narrow[part].keys() == now[part].keys()
    kept = door(get("/v1/rejections?limit=1")).json()["rejections"]
    assert (kept[0]["pointer"], kept[0]["code"]) == ("/page_url", "bad_url")


def fresh(door: Door, request: Request, shown: Callable[[Any], bool]) -> Any:
    """Read until what was just acknowledged is shown, as it must be if asked two seconds later."""
    acknowledged = time.monotonic()
    while True:
        asked = time.monotonic()
        content = door(request).json()
        if shown(content):
            return content
        assert asked < acknowledged + 2, content


def test_history_health_and_telemetry_answer(door: Door) -> None:
    history = door(get("/v1/metrics/history?minutes=1")).json()
    assert (history["minutes"], history.keys()) == (1, {"as_of", "minutes", "snapshots"})
    assert door(get("/livez", key="")).json() == {"status": "up"}
    assert door(get("/readyz", key="")).json() == {"status": "ready"}
    telemetry = door(get("/metrics"))
    assert telemetry.headers["content-type"].startswith("text/plain")
    assert b"footfall_request_seconds" in telemetry.body


def test_over_the_limit_is_told_with_when_to_come_back(door: Door) -> None:
    batch = [SAMPLE] * (CLIENT_LIMIT // 3 * 2)
    assert door(post(batch, key=GREEDY)).status == 202
    answer = door(post(batch, key=GREEDY))
    assert_problem(answer, 429, "rate-limited")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["ratelimit"].startswith('"client";r=')
    assert door(post(SAMPLE)).status == 202, "another client is not concerned"
