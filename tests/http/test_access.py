"""Who may do what: every operation with every kind of key, from every origin."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.routing import Route

from shared.api import OPERATIONS
from shared.http.application import application
from shared.http.auth import Scope
from shared.http.openapi import Operation
from shared.storage.database import Client
from tests.conftest import Service, serve

pytestmark = pytest.mark.anyio

KEYS = {
    "none": {},
    "empty": {"Authorization": "Bearer "},
    "wrong": {"Authorization": "Bearer wrong"},
    "half": {"X-API-Key": "write"},
    "longer": {"X-API-Key": "writer1"},
    "both at once": {"X-API-Key": "writer,reader"},
    "no ASCII": {"X-API-Key": "wr\xefter"},
    "write": {"Authorization": "Bearer writer"},
    "read": {"X-API-Key": "reader"},
}
OPENS = {"write": Scope.WRITE, "read": Scope.READ}
ORIGIN = "https://shop.example"
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-",  # -cache where there is an ETag, -store where not
}


@pytest.fixture(scope="module")
async def guarded(mongodb: Client) -> AsyncIterator[Service]:
    async with serve(
        mongodb,
        FOOTFALL_WRITE_KEYS="writer",
        FOOTFALL_READ_KEYS="reader",
        FOOTFALL_CORS_ORIGINS=f"{ORIGIN},https://admin.example",
    ) as service:
        yield service


async def ask(service: Service, operation: Operation, headers: dict[str, str]) -> httpx.Response:
    path = operation.path.replace("{user_id}", "u")
    body = {"json": operation.body.example} if operation.body else {}
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    return await service.client.request(operation.method, path, headers=encoded, **body)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda it: f"{it.method} {it.path}")
async def test_each_operation_opens_to_its_own_keys_alone(
    guarded: Service, operation: Operation, kind: str
) -> None:
    response = await ask(guarded, operation, KEYS[kind])
    if operation.scope is None or OPENS.get(kind) is operation.scope:
        assert response.status_code == operation.status, response.text
    elif kind in {"none", "empty"}:
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    else:
        assert response.status_code == 403
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert "writer" not in response.text
        assert "reader" not in response.text


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda it: f"{it.method} {it.path}")
async def test_each_answer_is_safe_to_open(guarded: Service, operation: Operation) -> None:
    read = {"X-API-Key": "writer" if operation.scope is Scope.WRITE else "reader"}
    for response in (
        await ask(guarded, operation, read),
        await ask(guarded, operation, {}),
        await guarded.client.request("DELETE", operation.path),
        await guarded.client.get(f"{operation.path}/nothing"),
    ):
        assert_safe(response)


def assert_safe(response: httpx.Response) -> None:
    for name, value in SAFE.items():
        [given] = response.headers.get_list(name)
        is_script = response.headers.get("content-type", "").startswith("text/javascript")
        assert given.startswith(value) or (is_script and name == "cache-control")


async def test_a_crash_is_safe_to_open() -> None:
    async def crash(_: object) -> None:
        raise RuntimeError

    app = application([Route("/crash", crash)], dict, cors_origins=())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://footfall") as client:
        assert_safe(await client.get("/crash"))


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (ORIGIN, True),
        ("https://admin.example", True),
        ("http://shop.example", False),
        ("https://shop.example:8443", False),
        ("https://shop.example.evil.example", False),
        ("https://evil.example", False),
        ("null", False),
        ("*", False),
    ],
)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda it: f"{it.method} {it.path}")
async def test_pages_of_listed_origins_alone_may_call(
    guarded: Service, operation: Operation, origin: str, allowed: bool
) -> None:
    preflight = await guarded.client.options(
        operation.path,
        headers={"Origin": origin, "Access-Control-Request-Method": operation.method},
    )
    for response in (preflight, await ask(guarded, operation, {"Origin": origin})):
        named = response.headers.get("Access-Control-Allow-Origin")
        assert named == (origin if allowed else None)
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert_safe(response)
    assert preflight.status_code == (200 if allowed else 400)
