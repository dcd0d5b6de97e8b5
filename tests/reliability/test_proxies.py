"""`X-Forwarded-For` names a client where a proxy says so that the settings name."""

import json
from collections.abc import Sequence

import httpx
import pytest

from tests.reliability.conftest import StartTarget
from tests.reliability.good_client import event

ADDRESSES = [f"203.0.113.{n}" for n in range(6)]
NETWORKS = [f"2001:db8:0:{n}::1" for n in range(6)]
ONE_NETWORK = [f"2001:db8:0:1:{n}::1" for n in range(6)]
NO_ADDRESSES = ["a" * 5000, "b", "300.1.1.1", "", "c,", "::g"]


@pytest.mark.parametrize(
    ("proxies", "names", "taken"),
    [
        ("", ADDRESSES, 3),
        ("10.0.0.0/8", ADDRESSES, 3),
        ("127.0.0.1", ADDRESSES, 6),
        ("127.0.0.0/8,::1", [f"{one}, 127.0.0.9" for one in ADDRESSES], 6),
        ("127.0.0.1", [f"{one}, 203.0.113.7" for one in ADDRESSES], 3),
        ("127.0.0.1", NETWORKS, 6),
        ("127.0.0.1", ONE_NETWORK, 3),
    ],
)
def test_a_client_is_who_a_trusted_proxy_says(
    start_target: StartTarget, proxies: str, names: Sequence[str], taken: int
) -> None:
    assert accepted(start_target, proxies, names) == taken


def test_what_is_no_address_is_no_name(start_target: StartTarget) -> None:
    # An empty name leaves the proxy's own; all others are one client.
    assert accepted(start_target, "127.0.0.1", NO_ADDRESSES * 2) <= 6


def accepted(start_target: StartTarget, proxies: str, names: Sequence[str]) -> int:
    """Send an event under each name to a service that takes three of each client."""
    with (
        start_target(
            FOOTFALL_TRUSTED_PROXIES=proxies,
            FOOTFALL_RATE_LIMIT="3/hour",
            FOOTFALL_WRITE_KEYS="",
        ) as target,
        httpx.Client(base_url=target.url) as client,
    ):
        answers = [
            client.post(
                "/v1/events", json=json.loads(event()), headers={"X-Forwarded-For": name}
            ).status_code
            for name in names
        ]
    assert set(answers) <= {202, 429}
    return answers.count(202)
