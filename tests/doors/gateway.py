"""API Gateway's HTTP API in front of functions: routes, events and answers of payload format 2.0.

Its habits that matter here: the names of headers are in lower case; cookies have a list of their
own; the path arrives percent-decoded and the query as sent; a body that is compressed or not
plainly text comes as base64; a HEAD answer loses its body.
"""

import base64
import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

import yaml

from tests.conftest import ROOT
from tests.doors.exchange import Answer, Request

FUNCTIONS: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "serverless.yml").read_text())[
    "functions"
]
SCHEDULED = {
    "version": "0",
    "source": "aws.events",
    "detail-type": "Scheduled Event",
    "time": "2026-11-22T14:30:00Z",
    "detail": {},
}
_TEXT = re.compile(r"text/|application/(json|javascript|xml)")

Invoke = Callable[[str, dict[str, Any]], Any]


def _routes() -> dict[str, str]:
    """Return the function of each route key that serverless.yml names."""
    return {
        it["httpApi"]: name
        for name, function in FUNCTIONS.items()
        for it in function["events"]
        if "httpApi" in it
    }


ROUTES = _routes()


def _pattern(path: str) -> str:
    parts = re.split(r"(\{\w+\+?\})", path)
    return "".join(
        re.escape(part) if part[:1] != "{" else (".+" if "+" in part else "[^/]+") for part in parts
    )


def route_of(method: str, path: str) -> str | None:
    """Choose a route key as the gateway does: whole paths, then greedy ones, then the default."""
    fitting = []
    for key in ROUTES:
        wanted, _, pattern = key.partition(" ")
        if (
            pattern
            and wanted in {method, "ANY"}
            and re.fullmatch(_pattern(pattern), path, re.DOTALL)
        ):
            fitting.append(key)
    if fitting:
        return min(fitting, key=lambda key: ("{" in key, -len(key)))
    return "*" if "*" in ROUTES else None


class Gateway:
    """A door: sends each request to the function that its route belongs to."""

    def __init__(self, invoke: Invoke) -> None:
        self._invoke = invoke

    def __call__(self, request: Request) -> Answer:
        """Pass a request on; what no route fits, the gateway answers itself."""
        path = unquote(request.target.partition("?")[0])
        key = route_of(request.method, path)
        if key is None:
            return Answer(404, {"content-type": "application/json"}, b'{"message":"Not Found"}')
        answer = answer_of(self._invoke(ROUTES[key], event_of(request, key)))
        return Answer(answer.status, answer.headers, b"") if request.method == "HEAD" else answer


def event_of(request: Request, route_key: str = "$default") -> dict[str, Any]:
    """Spell a request as the event that a function gets."""
    raw_path, _, query = request.target.partition("?")
    path = unquote(raw_path)
    headers = {"host": "api.example", "x-forwarded-proto": "https", "x-forwarded-port": "443"}
    headers |= {name.lower(): value for name, value in request.headers.items()}
    if request.length_told and request.body:
        headers["content-length"] = str(len(request.body))
    cookies = headers.pop("cookie", "")
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "api.example",
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": uuid4().hex,
            "routeKey": route_key,
            "stage": "$default",
            "timeEpoch": time.time_ns() // 1_000_000,
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies.split("; ")
    if parameters:
        event["queryStringParameters"] = parameters
    if request.body:
        binary = "content-encoding" in headers or not _TEXT.match(headers.get("content-type", ""))
        event |= _body(request.body, binary=binary)
    return event


def _body(body: bytes, *, binary: bool) -> dict[str, Any]:
    if not binary:
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def answer_of(returned: Any) -> Answer:
    """Read what a function returned, as strictly as the gateway does."""
    assert returned.keys() <= {"statusCode", "headers", "cookies", "body", "isBase64Encoded"}
    status = HTTPStatus(returned["statusCode"]).value
    body = returned.get("body", "")
    assert isinstance(body, str)
    content = base64.b64decode(body) if returned.get("isBase64Encoded") else body.encode()
    assert len(content) < 6_000_000, "more than Lambda may answer"
    headers = returned.get("headers", {})
    assert all(isinstance(value, str) for value in headers.values())
    return Answer(status, headers, content)
