"""Open carts, case by case; that they stay exact is tested with every other metric."""

from typing import Any

import pytest

from tests.conftest import Service

pytestmark = pytest.mark.anyio


def added(ago: float, session: str = "s") -> dict[str, Any]:
    return {"event_type": "add_to_cart", "ago": ago, "session_id": session}


def bought(ago: float, session: str = "s") -> dict[str, Any]:
    return {"event_type": "purchase", "ago": ago, "session_id": session}


@pytest.mark.parametrize(
    ("events", "counts"),
    [
        ([], (0, 0, 0)),
        ([added(5)], (1, 1, 0)),
        ([added(5), added(4)], (1, 1, 0)),
        ([added(5), bought(4)], (0, 1, 1)),
        ([added(5), bought(5)], (0, 1, 1)),
        ([bought(5), added(4)], (1, 1, 1)),
        ([bought(5)], (0, 0, 1)),
        ([added(599.999)], (1, 1, 0)),
        ([added(600)], (0, 0, 0)),
        ([added(600), bought(4)], (0, 0, 1)),
        ([bought(600), added(4)], (1, 1, 0)),
        ([added(5, "a"), bought(4, "b")], (1, 1, 1)),
        ([added(5) | {"user_id": "a"}, bought(4) | {"user_id": "b"}], (1, 1, 1)),
        ([{"event_type": "add_to_cart"}, {"session_id": "s"}], (0, 0, 0)),
    ],
)
async def test_a_cart_is_open_until_its_session_buys(
    service: Service, events: list[dict[str, Any]], counts: tuple[int, int, int]
) -> None:
    if events:
        await service.send(*[service.event(**fields) for fields in events])
    carts = (await service.get("/v1/metrics/carts"))["carts"]
    assert (carts["open"], carts["carts"], carts["purchases"]) == counts
