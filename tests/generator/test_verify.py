"""The oracle against the real service on a real mongod."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.generator.command import generator
from tests.generator.stubborn import losing_proxy

pytestmark = pytest.mark.anyio

FAULTS = ("--duplicates", 0.1, "--late", 0.1, "--ahead", 0.05, "--malformed", 0.05)


async def test_every_metric_is_right_with_all_faults_on_and_answers_lost(
    fresh_service_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.ndjson"
    port = httpx.URL(fresh_service_url).port
    assert port is not None
    run = (*("--rate", 400, "--duration", 2, "--users", 300, "--seed", 5), *FAULTS)
    async with losing_proxy(port, every=7) as url:
        sent = await generator("--url", url, *run, "--expect", ledger)
    assert sent.status == 0, sent.err
    assert "sent 800 events" in sent.err
    assert "not delivered: 0" in sent.err
    assert "sent again: " in sent.err

    verify = ("verify", ledger, "--url", fresh_service_url)
    right = await generator(*verify)
    assert (right.status, right.err) == (0, ""), right.out
    assert "agree with" in right.out

    intruder = {
        "timestamp": datetime.now(UTC).isoformat(),
        "user_id": "intruder",
        "event_type": "page_view",
        "page_url": "/intruder",
    }
    async with httpx.AsyncClient(base_url=fresh_service_url) as http:
        users = await active_users(http)
        assert (await http.post("/v1/events", json=intruder)).status_code == 202
        for _ in range(100):  # until it is in the answers
            if await active_users(http) > users:
                break
            await asyncio.sleep(0.1)
    wrong = await generator(*verify)
    assert wrong.status == 1
    assert f"active_users.count is {users + 1}, should be {users} (+1)" in wrong.out
    assert "page_views.pages is" in wrong.out
    assert "DO NOT AGREE" in wrong.out


async def active_users(http: httpx.AsyncClient) -> int:
    answer = await http.get("/v1/metrics/active-users")
    return int(answer.json()["active_users"]["count"])


@pytest.mark.parametrize("content", ["", "nonsense\n", None])
async def test_what_cannot_be_compared_is_told(content: str | None, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.ndjson"
    if content is not None:
        ledger.write_text(content)
    got = await generator("verify", ledger, "--url", "http://127.0.0.1:9")
    assert got.status == 2
    assert got.err.startswith("python -m generator: ")
    assert got.err.count("\n") == 1


async def test_an_unreachable_service_cannot_be_compared(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.ndjson"
    ledger.write_text(
        '{"received_from": "2026-11-22T14:30:00Z", "received_by": "2026-11-22T14:30:00Z", '
        '"acknowledged_by": null, "rejected": [0, 0], "events": []}'
    )
    got = await generator("verify", ledger, "--url", "http://127.0.0.1:9")
    assert got.status == 2
    assert "cannot compare" in got.err
