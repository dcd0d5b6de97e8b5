"""`X-Forwarded-For` names a client where a proxy says so that the settings name."""

import contextlib
import json
from collections.abc import Iterator, Sequence

import httpx
import pytest

from tests.reliability.conftest import StartTarget
from tests.reliability.good_client import event

ADDRESSES = [f"203.0.113.{n}" for n in range(6)]
BEHIND_ANOTHER = [f"{one}, 203.0.113.7" for one in ADDRESSES]
BEHIND_TWO = [f"{one}, 127.0.0.9" for one in ADDRESSES]
NETWORKS = [f"2001:db8:0:{n}::1" for n in range(6)]
ONE_NETWORK = [f"2001:db8:1:1:{n}::1" for n in range(6)]


@pytest.mark.parametrize(
    ("proxies", "taken"),
    [
        ("", [(ADDRESSES, 3)]),
        ("10.0.0.0/8", [(ADDRESSES, 3)]),
        ("127.0.0.0/8,::1", [(BEHIND_TWO, 6)]),
        ("127.0.0.1", [(ADDRESSES, 6), (BEHIND_ANOTHER, 3), (NETWORKS, 6), (ONE_NETWORK, 3)]),
    ],
)
def test_a_client_is_who_a_trusted_proxy_says(
    start_target: StartTarget, proxies: str, taken: Sequence[tuple[Sequence[str], int]]
) -> None:
    with limited(start_target, proxies) as client:
        for names, number in taken:
            assert accepted(client, names) == number


def test_what_is_no_address_is_no_name(start_target: StartTarget) -> None:
    # An empty name leaves the proxy's own; all others are one client.
    with limited(start_target, "127.0.0.1") as client:
        assert accepted(client, ["a" * 5000, "b", "300.1.1.1", "", "c,", "::g"] * 2) <= 6


@contextlib.contextmanager
def limited(start_target: StartTarget, proxies: str) -> Iterator[httpx.Client]:
    """Start a service that takes three events of each client, and connect to it."""
    with (
        start_target(
            FOOTFALL_TRUSTED_PROXIES=proxies,
            FOOTFALL_RATE_LIMIT="3/hour",
            FOOTFALL_WRITE_KEYS="",
        ) as target,
        httpx.Client(base_url=target.url) as client,
    ):
        yield client


def accepted(client: httpx.Client, names: Sequence[str]) -> int:
    """Send an event under each name; return how many are taken."""
    answers = [
        client.post(
            "/v1/events", json=json.loads(event()), headers={"X-Forwarded-For": name}
        ).status_code
        for name in names
    ]
    assert set(answers) <= {202, 429}
    return answers.count(202)
