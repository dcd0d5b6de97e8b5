"""A client that openapi-python-client makes of `/openapi.json` sends an event and reads it back."""

import importlib
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest


def test_a_generated_client_sends_and_reads(
    fresh_service_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = tmp_path / "openapi.json"
    description.write_bytes(httpx.get(f"{fresh_service_url}/openapi.json").content)
    configuration = tmp_path / "configuration.yml"
    configuration.write_text("post_hooks: []\n")  # made code need not be pretty
    done = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate"),
            *("--path", str(description), "--config", str(configuration)),
            *("--meta", "none", "--output-path", str(tmp_path / "footfall_client")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # One event a line is for those who have lines; the client sends JSON.
    unread = [line for line in done.stderr.splitlines() if line.startswith("Unsupported")]
    assert unread == ["Unsupported content type application/x-ndjson"]
    assert done.stderr.count("WARNING") == 1
    monkeypatch.syspath_prepend(str(tmp_path))
    with module("client").Client(base_url=fresh_service_url, timeout=httpx.Timeout(30)) as client:
        send_and_read(client)


def send_and_read(client: Any) -> None:
    now = datetime.now(UTC)
    properties = module("models").EventProperties.from_dict({"price": 129.95, "gift": True})
    event = module("models").Event(
        timestamp=now - timedelta(seconds=1),
        user_id="usr_789",
        event_type="page_view",
        page_url="/lamps",
        session_id="sess_456",
        event_id="once",
        properties=properties,
    )
    for accepted in (1, 0):
        receipt = call("events.send_events", client, body=event)
        assert (receipt.accepted, receipt.duplicate) == (accepted, 1 - accepted)
    [stored] = call("events.list_events", client, user_id="usr_789").events
    assert stored.properties.to_dict() == properties.to_dict()
    assert stored.timestamp == event.timestamp.replace(microsecond=now.microsecond // 1000 * 1000)
    while (metrics := call("metrics.get_metrics", client)).as_of < stored.received_at:
        time.sleep(0.1)  # the schedule ticked just before: its document is used for a second
    assert metrics.active_users.count == 1
    assert [(it.page_url, it.views) for it in metrics.page_views.top] == [("/lamps", 1)]
    assert metrics.arrivals.last_at == stored.received_at
    assert call("metrics.get_user_sessions", client, "usr_789").sessions == 1
    assert call("metrics.get_per_minute", client, minutes=2).minutes[-1].complete is False
    refused = call("metrics.get_page_views", client, limit=101)
    assert refused.errors[0].pointer == "/limit"


def module(name: str) -> Any:
    return importlib.import_module(f"footfall_client.{name}")


def call(operation: str, client: Any, *arguments: object, **named: object) -> Any:
    return module(f"api.{operation}").sync(*arguments, client=client, **named)
