"""Requests of every wrong shape: generated, and a corpus made by hand."""

import gzip
import json
from typing import Any

from hypothesis import strategies as st

from shared.api import OPERATIONS
from tests.reliability.good_client import event

MARKER = "marker-e7c1"  # stands in bodies and in the key: no log line and no answer quotes it
KEY = f"attacker-{MARKER}"

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["", "$where", "a.b", "\x00", "\ud83d\ude00", "<script>", "{{7*7}}", "' OR 1=1", "x" * 3000]
    )
    | st.sampled_from(["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2024-02-30", "1e400"])
)
NAMES = st.sampled_from(
    [
        "timestamp",
        "user_id",
        "event_type",
        "page_url",
        "session_id",
        "event_id",
        "properties",
        "$ne",
        "$gt",
        "__proto__",
        "constructor",
        "_id",
        "received_at",
        "late",
        MARKER,
    ]
) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4)
)


@st.composite
def events(draw: st.DrawFn) -> Any:
    """Make an event, with a few of its fields spoilt, or something else altogether."""
    if draw(st.integers(0, 9)) == 0:
        return draw(VALUES)
    return json.loads(event()) | draw(st.dictionaries(NAMES, VALUES, max_size=3))


def as_json(value: object) -> bytes:
    """Write JSON, with `NaN` and lone surrogates where they come."""
    return json.dumps(value, ensure_ascii=True).encode()


JSON_BODIES = (events() | st.lists(events(), max_size=8)).map(as_json)
LINES = st.lists(events().map(as_json) | st.binary(max_size=30), max_size=8).map(b"\n".join)
PLAIN_BODIES = (
    JSON_BODIES
    | LINES
    | st.binary(max_size=200)
    | st.sampled_from(
        [
            b"",
            b"[" * 100_000,
            b"[" * 250 + b"]" * 250,
            b'{"a":' * 199 + b"1" + b"}" * 199,
            as_json([json.loads(event())] * 1001),
            as_json({f"k{n}": n for n in range(50_000)}),
            b'"' + b"\\u0000" * 100_000 + b'"',
            b"9" * 500_000,
            b"\xef\xbb\xbf{}",
            event().encode("utf-16"),
            b"\n" * 100_000,
            b" " * 1_048_577,
        ]
    )
)


def cut(pair: tuple[bytes, int]) -> bytes:
    """Cut bytes off, flip one, or put them twice."""
    body, how = pair
    place = how % (len(body) + 1)
    changed = bytes([body[place] ^ (1 << how % 8)]) if place < len(body) else b""
    return [body, body[:place], body[:place] + changed + body[place + 1 :], body * 2][how % 4]


BODIES = st.tuples(
    PLAIN_BODIES | PLAIN_BODIES.map(lambda body: gzip.compress(body, 1)), st.integers(0, 10**6)
).map(cut)
TYPES = st.sampled_from(
    [
        *["application/json"] * 4,
        "application/x-ndjson",
        "application/jsonl",
        "application/json; charset=utf-8",
        "text/plain",
        "",
        "application/json; charset=utf-7",
        "multipart/form-data; boundary=x",
        ";;;",
        "a" * 300,
    ]
)
CODINGS = st.sampled_from([*[""] * 4, "gzip", "gzip", "identity", "br", "gzip, gzip", "x" * 300])
SAFE_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "X-Request-ID",
            "Authorization",
            "X-Forwarded-For",
            "If-None-Match",
            "Accept-Encoding",
            "Origin",
            "Range",
            "Expect",
            "Upgrade",
            "Connection",
            "Cookie",
            "Accept",
            "X-API-Key",
        ]
    ),
    SAFE_TEXT | st.sampled_from(["100-continue", "websocket", "upgrade", "close", "null", "*"]),
    max_size=3,
)
PATHS = st.tuples(
    st.sampled_from([*(one.path for one in OPERATIONS), "/assets/x", "/%", "/v1"]),
    st.sampled_from(["", "", "/", "/..", "/%2e%2e/%2e%2e/etc/passwd", "/%00", "/%ff", "/a%0ab"])
    | st.text("abc%/.;0'\"<>{}", max_size=12).map(lambda text: f"/{text}"),
    st.sampled_from(["", "?"])
    | st.text("limt=&userd%0123456789-+.$[]", max_size=30).map(lambda text: f"?{text}")
    | st.sampled_from(
        [
            "?limit=-1",
            "?limit=1e9",
            "?user_id=%00",
            "?user_id[$ne]=",
            "?minutes=60&minutes=x",
            "?after=now",
            "?after=0001-01-01T00:00:00Z",
            "?user_id=a&limit=5",
            "?limit=%D9%A1",
        ]
    ),
).map("".join)
METHODS = st.sampled_from([*["GET"] * 6, "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "X"])


def framed(method: str, path: str, headers: dict[str, str], body: bytes | None) -> bytes:
    """Write a request whose framing is right, whatever else it is."""
    lines = [f"{method} {path} HTTP/1.1", "Host: footfall"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def post(body: bytes, media_type: str, coding: str, headers: dict[str, str]) -> bytes:
    """Write a request that sends events."""
    always = {"X-API-Key": KEY, "Content-Type": media_type, "Content-Encoding": coding}
    return framed("POST", "/v1/events", always | headers, body)


POSTS = st.builds(post, BODIES, TYPES, CODINGS, HEADERS | st.just({}))
READS = st.builds(framed, METHODS, PATHS, HEADERS, st.none())

_HEAD = f"POST /v1/events HTTP/1.1\r\nHost: f\r\nX-API-Key: {KEY}\r\n".encode()
CORPUS = [
    b"GET / HTTP/1.1\r\nHost: f\r\n\r\n",
    b"GET /v1/metrics HTTP/1.0\r\n\r\n",
    b"GET http://user:pass@f:99999/livez HTTP/1.1\r\nHost: f\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: f\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"CONNECT f:443 HTTP/1.1\r\nHost: f\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nHost: f\r\n\r\n",
    _HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    _HEAD + b"Content-Length: +2\r\n\r\n{}",
    _HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    _HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    _HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    _HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    _HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
    _HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;x=\"y\"\r\n{}\r\n0\r\nX-API-Key: good\r\n\r\n",
    _HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
    _HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    b"GET /livez HTTP/1.1\r\nHost: f\r\n folded: yes\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost : f\r\n\r\n",
    b"GET /livez HTTP/1.1\nHost: f\n\n",
    b"GET\t/livez\tHTTP/1.1\r\n\r\n",
    b"GET  /livez HTTP/1.1\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: f\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: f\r\nX: \x00\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: f\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: f\r\n" + b"a: b\r\n" * 3000 + b"\r\n",
    b"GET /livez HTTP/1.1\r\nHost: f\r\n\r\n" * 40,
]  # fmt: skip
RAW = st.tuples(st.sampled_from(CORPUS), st.integers(0, 10**6)).map(cut)
