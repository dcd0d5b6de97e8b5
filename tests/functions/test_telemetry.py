"""`GET /metrics`: what is there before anything happened, what ages, and what workers add up to."""

import os
import re
import subprocess
import sys
from uuid import uuid4

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared import VERSION
from shared.http.problems import FAILURES
from shared.telemetry import OUTCOMES, tick_failed, tick_finished
from tests.conftest import Service, running_service
from tests.events import event
from tests.faults.test_workers import until_both_serve

pytestmark = pytest.mark.anyio


def samples(text: str) -> dict[str, float]:
    """Return every sample by its name and labels, as Prometheus reads it."""
    return {
        sample.name + "".join(f"{{{name}={value}}}" for name, value in sample.labels.items()): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scrape(service: Service) -> dict[str, float]:
    return samples((await service.client.get("/metrics")).text)


def test_counters_are_there_before_their_first_increment_and_without_noise() -> None:
    code = (
        "import functions.router; from datetime import UTC, datetime;"
        "from shared.telemetry import exposition; print(exposition(datetime.now(UTC))[0].decode())"
    )
    text = subprocess.check_output([sys.executable, "-c", code], text=True)
    found = samples(text)
    expected = [f"footfall_events_total{{outcome={outcome}}}" for outcome in OUTCOMES]
    expected += [f"footfall_problems_total{{tag={failure.tag}}}" for failure in FAILURES]
    expected += [
        "footfall_late_events_total",
        "footfall_tick_failures_total",
        "footfall_tick_seconds_count",
        "footfall_steps_rebuilt_total",
        "footfall_mongodb_checkout_failures_total",
        "footfall_ready",
    ]
    assert {name: found.get(name) for name in expected} == dict.fromkeys(expected, 0)
    assert "_created" not in text
    assert [name for name in found if f"version={VERSION}" in name]
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name


async def test_what_can_stand_still_ages_by_itself(service: Service) -> None:
    await service.send(service.event())
    arrived = service.clock.now.timestamp()
    service.clock.advance(seconds=1)
    await service.get("/v1/metrics")
    ticked = service.clock.now.timestamp()
    service.clock.advance(minutes=5)
    found = await scrape(service)
    assert found["footfall_last_event_timestamp_seconds"] == arrived
    assert found["footfall_last_tick_timestamp_seconds"] == ticked
    assert found["footfall_freshness_lag_seconds"] == 300
    assert found["footfall_ready"] == 1

    database = service.resources.database
    await database.latest.drop()  # as a MongoDB that tells nothing
    await database.events.delete_many({})
    await database.snapshots.drop_indexes()
    service.clock.advance(minutes=5)
    found = await scrape(service)
    assert found["footfall_last_event_timestamp_seconds"] == arrived
    assert found["footfall_freshness_lag_seconds"] == 600
    assert found["footfall_ready"] == 0


async def test_ticks_are_counted(service: Service) -> None:
    before = await scrape(service)
    tick_finished(0.2, 3)
    tick_finished(0.04, 1)
    tick_failed()
    after = await scrape(service)
    grown = {name: after[name] - before[name] for name in after if name in before}
    assert grown["footfall_tick_seconds_count"] == 2
    assert grown["footfall_tick_seconds_bucket{le=0.05}"] == 1
    assert grown["footfall_steps_rebuilt_total"] == 4
    assert grown["footfall_tick_failures_total"] == 1


async def test_the_pool_of_connections_is_told(service: Service) -> None:
    await service.send(service.event())
    found = await scrape(service)
    assert found["footfall_mongodb_connections{state=open}"] >= 1
    assert found["footfall_mongodb_connections{state=in use}"] == 0
    assert found["footfall_mongodb_checkout_seconds_count"] >= 1


async def test_two_workers_are_told_of_as_one(mongodb_uri: str) -> None:
    with running_service(
        FOOTFALL_MONGODB_URI=mongodb_uri,
        FOOTFALL_DATABASE=f"test_{uuid4().hex}",
        FOOTFALL_WORKERS="2",
    ) as url:
        await until_both_serve(url)
        for _ in range(20):
            assert (await post(url)).status_code == 202
        first, second = await scrape_at(url), await scrape_at(url)
        assert first["footfall_events_total{outcome=accepted}"] == 20
        assert first["footfall_ready"] == second["footfall_ready"] == 1
        assert first["footfall_last_event_timestamp_seconds"] > 0
        assert "footfall_queue_depth_events" in first
        workers = workers_of(url)
        together = sum(worker.memory_info().rss for worker in workers)
        assert first["process_resident_memory_bytes"] == pytest.approx(together, rel=0.1)
        assert first["process_open_fds"] >= sum(worker.num_fds() for worker in workers) - 10
        assert first["process_cpu_seconds_total"] > 0
        assert not [name for name in first if "pid=" in name]
        workers[0].kill()
        await until_both_serve(url)
        after = await scrape_at(url)
        assert after["footfall_events_total{outcome=accepted}"] == 20  # a counter does not go back
        assert after["process_resident_memory_bytes"] < 1.5 * together


async def post(url: str) -> httpx.Response:
    """Send an event over a connection of its own, to whichever worker takes it."""
    async with httpx.AsyncClient(base_url=url) as http:
        return await http.post("/v1/events", json=event())


async def scrape_at(url: str) -> dict[str, float]:
    """Scrape over a connection of its own, whichever worker answers."""
    async with httpx.AsyncClient(base_url=url) as http:
        return samples((await http.get("/metrics")).text)


def workers_of(url: str) -> list[psutil.Process]:
    """Return the worker processes of a service, which are those that import the router."""
    port = int(re.split(r"[:/]+", url)[2])
    [parent] = [
        child
        for child in psutil.Process(os.getpid()).children()
        if child.environ().get("FOOTFALL_PORT") == str(port)
    ]
    return [it for it in parent.children() if "spawn_main" in " ".join(it.cmdline())]
