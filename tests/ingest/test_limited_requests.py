"""What a client meets at its limit: 429, what is left, and what each request costs."""

import json

import pytest

from tests.conftest import Service, StartService

pytestmark = pytest.mark.anyio


async def test_the_limit_counts_events_by_address_or_key(start_service: StartService) -> None:
    async with start_service(
        FOOTFALL_RATE_LIMIT="10/minute", FOOTFALL_WRITE_KEYS="one,two"
    ) as service:
        event = service.event()
        for key, events, status in (
            ("one", 8, 202),
            ("one", 3, 429),
            ("two", 3, 202),
            ("one", 2, 202),
            ("two", 11, 429),
        ):
            response = await service.send(*[event] * events, headers={"X-API-Key": key})
            assert response.status_code == status
            assert response.headers["RateLimit-Policy"].startswith('"client";q=10;w=60')
            if status == 429:
                assert response.headers["content-type"] == "application/problem+json"
                assert int(response.headers["Retry-After"]) >= 1


async def test_refused_events_are_charged_too(start_service: StartService) -> None:
    async with start_service(FOOTFALL_RATE_LIMIT="10/minute") as service:
        assert [(await service.send(*[{}] * 5)).status_code for _ in range(3)] == [422, 422, 429]


@pytest.mark.parametrize(
    ("body", "headers", "cost"),
    [
        (b"{", {}, 1),
        (b"{".ljust(50_000), {}, 4),
        (b"[]".ljust(50_000), {}, 4),
        (json.dumps([0] * 101).encode(), {}, 0),
        (b"{}", {"Content-Type": "text/plain"}, 1),
        (b"no gzip", {"Content-Encoding": "gzip"}, 17),
    ],
)
async def test_a_refused_body_is_charged_by_its_size(
    start_service: StartService, body: bytes, headers: dict[str, str], cost: int
) -> None:
    async with start_service(FOOTFALL_RATE_LIMIT="100/minute") as service:
        await service.client.post(
            "/v1/events", content=body, headers={"Content-Type": "application/json"} | headers
        )
        left = (await service.send(service.event())).headers["RateLimit"]
        assert left == f'"client";r={100 - cost - 1};t=60'


async def test_an_exhausted_client_is_refused_before_its_body_is_read(
    start_service: StartService,
) -> None:
    async with start_service(FOOTFALL_RATE_LIMIT="10/minute") as service:
        assert (await service.send(*[service.event()] * 10)).status_code == 202
        for _ in range(2):
            response = await service.client.post("/v1/events", content=b"no JSON")
            assert response.status_code == 429
            assert response.headers["RateLimit"] == '"client";r=0;t=60'
            assert response.headers["Retry-After"] == "61"
        service.clock.advance(seconds=61)
        assert (await service.send(service.event())).status_code == 202


async def test_a_limit_in_mongodb_serves_the_whole_service(start_service: StartService) -> None:
    async with start_service(
        FOOTFALL_RATE_LIMIT="10/minute", FOOTFALL_RATE_LIMIT_STORAGE="mongodb"
    ) as service:
        statuses = [await post(service) for _ in range(12)]
        assert statuses == [202] * 10 + [429] * 2


async def post(service: Service) -> int:
    return (await service.send(service.event())).status_code
