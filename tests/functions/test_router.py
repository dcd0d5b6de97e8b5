"""What every route has in common: one error shape, a name a request, CORS, its description."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from functions.router import routes
from shared.api import OPERATIONS, TAGS
from shared.http.application import application
from shared.http.openapi import document
from shared.resources import open_resources
from shared.settings import read_settings
from shared.storage.database import Client
from tests.conftest import Service, StartService

pytestmark = pytest.mark.anyio


def assert_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["X-Request-ID"]
    problem: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail"} <= problem.keys()
    assert problem["status"] == status
    return problem


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/v1/events", 405),
        ("DELETE", "/v1/metrics", 405),
        ("POST", "/", 405),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/events/", 404),
        ("GET", "/v1/metrics/active-sessions/", 422),
        ("GET", "/v1/metrics/active-sessions/" + "u" * 129, 422),
        ("GET", "/v1/metrics/active-sessions/a%00b", 422),
        ("GET", "/v1/metrics/page-views?limit=0", 422),
        ("GET", "/v1/metrics/history?minutes=1441", 422),
        ("GET", "/v1/rejections?limit=many", 422),
        ("GET", "/assets/../../etc/passwd", 404),
        ("GET", "/assets/%2e%2e/%2e%2e/pyproject.toml", 404),
    ],
)
async def test_every_error_has_one_shape(
    service: Service, method: str, path: str, status: int
) -> None:
    problem = assert_problem(await service.client.request(method, path), status)
    if status == 422:
        [error] = problem["errors"]
        assert error.keys() == {"index", "pointer", "code", "detail"}


async def test_405_tells_what_is_allowed(service: Service) -> None:
    allowed = (await service.client.put("/v1/events")).headers["Allow"]
    assert sorted(allowed.split(", ")) == ["GET", "HEAD", "POST"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("order-17.a:b", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("a b", False),
        ("<script>", False),
        ("", False),
    ],
)
async def test_a_request_keeps_its_name_if_it_is_sane(
    service: Service, given: str, kept: bool
) -> None:
    answer = await service.client.get("/livez", headers={"X-Request-ID": given})
    name = answer.headers["X-Request-ID"]
    assert (name == given) is kept
    assert kept or re.fullmatch(r"[0-9a-f]{32}", name)


async def test_a_crash_is_a_problem_with_the_request_s_name_and_tells_no_more() -> None:
    async def crash(_: object) -> None:
        raise RuntimeError("the password is hunter2")

    app = application([Route("/crash", crash)], dict, cors_origins=())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://footfall") as client:
        response = await client.get("/crash", headers={"X-Request-ID": "r1"})
    assert_problem(response, 500)
    assert response.headers["X-Request-ID"] == "r1"
    assert "hunter2" not in response.text


async def test_without_mongodb_reads_and_writes_answer_503() -> None:
    uri = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100"
    resources = open_resources(read_settings({"FOOTFALL_MONGODB_URI": uri}))
    app = application(routes, resources=lambda: resources, cors_origins=())
    event = {
        "timestamp": "2024-03-15T14:30:00Z",
        "user_id": "u",
        "event_type": "page_view",
        "page_url": "/",
    }
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://footfall", timeout=30
    ) as client:
        for response in await asyncio.gather(
            client.post("/v1/events", json=event),
            client.get("/v1/metrics"),
            client.get("/v1/metrics/history"),
            client.get("/readyz"),
        ):
            assert_problem(response, 503)
            assert int(response.headers["Retry-After"]) >= 1
        assert_problem(await client.post("/v1/events", json={}), 422)
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200
    await resources.close()


@pytest.mark.parametrize(
    ("origin", "allowed"), [("https://shop.example", True), ("https://evil.example", False)]
)
async def test_only_named_origins_may_call(
    start_service: StartService, origin: str, allowed: bool
) -> None:
    async with start_service(FOOTFALL_CORS_ORIGINS="https://shop.example") as service:
        preflight = await service.client.options(
            "/v1/events",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,content-encoding",
            },
        )
        actual = await service.client.get("/v1/metrics", headers={"Origin": origin})
        named = actual.headers.get("Access-Control-Allow-Origin")
        if allowed:
            assert (preflight.status_code, named) == (200, origin)
            assert "RateLimit" in actual.headers["Access-Control-Expose-Headers"]
        else:
            assert_problem(preflight, 400)
            assert named is None


async def test_readiness_needs_every_index(service: Service) -> None:
    assert (await service.get("/readyz")) == {"status": "ready"}
    await service.resources.database.snapshots.drop_indexes()
    problem = assert_problem(await service.client.get("/readyz"), 503)
    assert "snapshots.as_of_ttl" in problem["detail"]


async def test_many_who_ask_for_readiness_at_once_cost_mongodb_one_look(
    service: Service, mongodb: Client
) -> None:
    async def looked() -> int:
        status = await mongodb.admin.command("serverStatus")
        return int(status["metrics"]["commands"]["listIndexes"]["total"])

    before = await looked()
    assert (await service.get("/readyz")) == {"status": "ready"}
    once = await looked() - before
    paths = ["/readyz", "/metrics"] * 50
    answers = await asyncio.gather(*[service.client.get(path) for path in paths])
    assert {answer.status_code for answer in answers} == {200}
    assert await looked() - before < 5 * once
    await service.resources.database.snapshots.drop_indexes()  # the next look is a new one
    assert_problem(await service.client.get("/readyz"), 503)


async def test_prometheus_reads_outcomes_latency_freshness_and_queue_depth(
    service: Service,
) -> None:
    await service.send(service.event(event_id="e"), service.event(event_id="e"), {})
    text = (await service.client.get("/metrics")).text
    for sample in (
        'footfall_events_total{outcome="accepted"}',
        'footfall_events_total{outcome="duplicate"}',
        'footfall_events_total{outcome="rejected"}',
        'footfall_rejections_total{code="missing"}',
        'footfall_request_seconds_bucket{endpoint="post_events"',
        "footfall_freshness_lag_seconds",
        "footfall_queue_depth_events",
    ):
        assert sample in text


async def test_the_description_names_every_route_and_resolves(service: Service) -> None:
    described = await service.get("/openapi.json")
    assert described == document(OPERATIONS, TAGS)
    served = {
        (method, route.path_format)
        for route in routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
        if not route.path.startswith("/assets/")
    }
    assert served == {(operation.method, operation.path) for operation in OPERATIONS}
    schemas = described["components"]["schemas"]
    for reference in set(re.findall(r"#/components/schemas/(\w+)", str(described))):
        assert reference in schemas
