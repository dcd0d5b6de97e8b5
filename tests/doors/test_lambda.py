"""Environments as Lambda treats them: warm for long, frozen, without MongoDB, several at once."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pymongo
import pytest

from tests.conftest import running_service
from tests.doors.conftest import environments, handlers, settings_for
from tests.doors.exchange import WRITER, Answer, Request, get, post
from tests.doors.gateway import SCHEDULED, Gateway, Invoke, answer_of, event_of
from tests.doors.runtime_api import Environment, environment
from tests.events import event
from tests.mongod import Mongod, running_mongod

WARM = 30
FROZEN_SECONDS = 3


@pytest.mark.parametrize("start", [handlers, environments])
def test_many_warm_rounds_between_scheduled_tasks(
    mongodb_uri: str, start: Callable[[str], contextlib.AbstractContextManager[Invoke]]
) -> None:
    with start(mongodb_uri) as invoke:
        door = Gateway(invoke)
        ticks = set()
        for _ in range(WARM):
            ticks.add(invoke("rollup", SCHEDULED)["as_of"])
            receipt = door(post(event(event_id=uuid4().hex, user_id=uuid4().hex)))
            statuses = [receipt.status]
            statuses += [door(get(path)).status for path in ("/v1/metrics", "/", "/readyz")]
            assert statuses == [202, 200, 200, 200]
        snapshots = door(get("/v1/metrics/history")).json()["snapshots"]
        of_viewers = len(snapshots) - len({ten_seconds(as_of) for as_of in ticks})
        assert of_viewers in {0, 1}, "a viewer may have been the first in the last ten seconds"
        assert eventually(door, lambda metrics: metrics["active_users"]["count"] == WARM)


def ten_seconds(as_of: str) -> str:
    """Return which ten seconds an instant is in: one snapshot is stored in each."""
    return as_of[:-6]


def eventually(door: Gateway, holds: Callable[[Any], bool]) -> bool:
    """Read the metrics until they are as they must be, for five seconds at most."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if holds(door(get("/v1/metrics")).json()):
            return True
    return False


def ask(function: Environment, request: Request) -> Answer:
    """Send a request to one environment."""
    return answer_of(function.invoke(event_of(request)))


@pytest.fixture
def mongod() -> Iterator[Mongod]:
    """Run a mongod to restart."""
    with running_mongod() as running:
        yield running


@pytest.fixture
def ingest_and_metrics(mongod: Mongod) -> Iterator[tuple[Environment, Environment]]:
    """Start an environment of each function."""
    settings = settings_for(mongod.uri)
    with environment("ingest", settings) as ingest, environment("metrics", settings) as metrics:
        assert ask(ingest, post(event(event_id="first"))).status == 202
        assert ask(metrics, get("/v1/metrics")).status == 200
        yield ingest, metrics


def test_a_frozen_environment_does_not_notice_that_mongodb_restarted(
    mongod: Mongod, ingest_and_metrics: tuple[Environment, Environment]
) -> None:
    ingest, metrics = ingest_and_metrics
    ingest.freeze()
    metrics.freeze()
    mongod.stop()
    mongod.start()
    time.sleep(FROZEN_SECONDS)  # as the platform's own pauses: time-outs pass meanwhile
    ingest.thaw()
    metrics.thaw()
    again = ask(ingest, post([event(event_id="first"), event(event_id="second")])).json()
    assert (again["accepted"], again["duplicate"]) == (1, 1)
    assert ask(metrics, get("/v1/metrics")).json()["page_views"]["total"] == 2


def test_without_mongodb_it_answers_503_in_time_and_recovers(
    mongod: Mongod, ingest_and_metrics: tuple[Environment, Environment]
) -> None:
    ingest, metrics = ingest_and_metrics
    second = post(event(event_id="second"))
    mongod.stop()
    for function, request in ((ingest, second), (metrics, get("/v1/metrics/history"))):
        began = time.monotonic()
        answer = ask(function, request)
        assert (answer.status, answer.json()["type"]) == (503, "/docs#storage-unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert time.monotonic() - began < 25, "serverless.yml gives up by then"
    mongod.start()
    receipts = [ask(ingest, request).json() for request in (second, second)]
    assert [(it["accepted"], it["duplicate"]) for it in receipts] == [(1, 0), (0, 1)]
    assert ask(metrics, get("/v1/metrics")).json()["page_views"]["total"] == 2


def test_two_environments_share_one_limit_exactly(mongodb_uri: str) -> None:
    limit, each = 40, 32
    settings = settings_for(mongodb_uri) | {"FOOTFALL_RATE_LIMIT": f"{limit}/year"}
    with environment("ingest", settings) as one, environment("ingest", settings) as other:
        statuses = []
        for _ in range(each):
            for function in (one, other):
                function.begin(event_of(post(event(), key=WRITER)))
            statuses += [answer_of(function.finish()).status for function in (one, other)]
    assert (statuses.count(202), statuses.count(429)) == (limit, 2 * each - limit)
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        database = client[settings["FOOTFALL_DATABASE"]]
        assert database["events"].count_documents({}) == limit


def test_two_environments_store_each_snapshot_once_and_agree(mongodb_uri: str) -> None:
    settings = settings_for(mongodb_uri)
    with contextlib.ExitStack() as running:

        def start(function: str) -> Environment:
            return running.enter_context(environment(function, settings))

        schedules = [start("rollup"), start("rollup")]
        assert ask(start("ingest"), post([event(user_id=f"u{n}") for n in range(7)])).status == 202
        ticks = set()
        for _ in range(5):
            for schedule in schedules:
                schedule.begin(SCHEDULED)
            ticks |= {schedule.finish()["as_of"] for schedule in schedules}
        readers = [start("metrics"), start("metrics")]
        histories = [ask(it, get("/v1/metrics/history")).json()["snapshots"] for it in readers]
        assert histories[0] == histories[1]
        assert len(histories[0]) == len({ten_seconds(as_of) for as_of in ticks})
        counts = [ask(it, get("/v1/metrics")).json()["active_users"]["count"] for it in readers]
        assert counts == [7, 7]


def test_the_generator_s_function_sends_its_share_to_the_service(mongodb_uri: str) -> None:
    service = settings_for(mongodb_uri) | {"FOOTFALL_RATE_LIMIT": "10000/second"}
    with running_service(**service) as url:
        settings = {"FOOTFALL_URL": url, "FOOTFALL_KEY": WRITER, "FOOTFALL_GENERATOR_RATE": "2"}
        with environment("generator", settings) as generator:
            reports = [generator.invoke(SCHEDULED) for _ in range(2)]
    sent = [(it["accepted"], it["duplicate"], it["undelivered"]) for it in reports]
    accepted = sent[0][0]
    assert accepted > 0
    assert sent == [(accepted, 0, 0), (0, accepted, 0)], "repeated by the scheduler"
