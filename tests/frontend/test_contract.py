"""The answers that these tests make up are answers that the service could give."""

import httpx
import jsonschema_rs
import pytest

from functions.dashboard import app
from tests.frontend.answers import Json
from tests.frontend.service import FakeApi
from tests.frontend.states import in_state

pytestmark = pytest.mark.anyio

QUERIES: dict[str, dict[str, str]] = {
    "/v1/metrics": {},
    "/v1/metrics/per-minute": {},
    "/v1/metrics/history": {},
    "/v1/metrics/page-views": {},
    "/v1/metrics/active-sessions/{user_id}": {"user_id": "usr_789"},
    "/v1/rejections": {},
    "/v1/events": {"limit": "50"},
}


@pytest.fixture
async def description() -> Json:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://footfall") as client:
        answer: Json = (await client.get("/openapi.json")).json()
    return answer


@pytest.mark.parametrize("state", ["busy", "empty", "hostile", "much"])
async def test_made_up_answers_keep_the_contract(state: str, description: Json) -> None:
    for path, query in QUERIES.items():
        answer = in_state(state).answer(path.removesuffix("/{user_id}"), query)
        content = description["paths"][path]["get"]["responses"]["200"]["content"]
        schema = content["application/json"]["schema"]
        components = {"components": description["components"]}
        jsonschema_rs.validate({**schema, **components}, answer)


async def test_made_up_answers_have_every_part_of_the_document(description: Json) -> None:
    parts = description["components"]["schemas"]["Metrics"]["properties"]
    assert set(FakeApi().metrics) >= set(parts)
