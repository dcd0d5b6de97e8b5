"""Every pipeline reads through an index, whatever collection it reads."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId, json_util

from shared.metrics import pipelines
from shared.metrics.pipelines import Pipeline
from shared.storage.database import Client, Database

pytestmark = pytest.mark.anyio

AT = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
UNTIL = AT - timedelta(seconds=5)
OWNER = ObjectId()
BEFORE = pipelines.Before([OWNER], divided_alike=False)
PART = pipelines.StatePart(
    OWNER, 1, 2, before=BEFORE, came=OWNER, anew=["h"], until=UNTIL, firm_after=AT, expires_at=AT
)
CAME = pipelines.Arrived(UNTIL, AT, pipelines.HotUsers([]))
HOT = pipelines.Arrived(UNTIL, AT, pipelines.HotUsers(["h", "k"], ["h"]))
ALL = pipelines.Since([OWNER], UNTIL)
SHARE = pipelines.Since([OWNER], UNTIL, 1, 2)
SALTED = pipelines.Since([OWNER], UNTIL, hot=["h"])


def views_of_segments(total: pipelines.Total | None) -> Pipeline:
    counted = pipelines.SegmentsUntil(UNTIL, [OWNER], total, [OWNER])
    return pipelines.views_of_segments(AT, counted, 5, 5)


def touched_sessions(*, whole: bool) -> Pipeline:
    return pipelines.touched_sessions(PART, 3, whole=whole)[:-1]


@pytest.mark.parametrize(
    ("collection", "pipeline", "index"),
    [
        ("events", pipelines.views_of_events(AT, 5, 5), "occurred_at"),
        ("events", pipelines.sessions_of_events(AT, 5), "occurred_at"),
        ("events", pipelines.sessions_of_user(AT, "u", 5), "user_id_occurred_at"),
        ("events", pipelines.late_arrivals(AT), "late_received_at"),
        ("events", pipelines.segment_of_views(UNTIL, AT, OWNER, AT)[:-1], "received_at_ttl"),
        ("rejections", pipelines.rejected_arrivals(AT), "rejected_at_ttl"),
        ("rollups", views_of_segments(None), "owner_bucket"),
        ("rollups", views_of_segments(pipelines.Total(OWNER, AT)), "owner_bucket"),
        ("rollups", pipelines.total_of_segments([OWNER], AT, OWNER, AT)[:-1], "owner_bucket"),
        ("rollups", pipelines.sessions_of_state(AT, [OWNER], SHARE, 5), "owner_bucket"),
        ("rollups", pipelines.sessions_of_state(AT, [OWNER], SALTED, 5), "owner_bucket"),
        ("rollups", pipelines.totals_of_state([OWNER]), "owner_bucket"),
        ("rollups", pipelines.first_of_state([OWNER], AT, 2, 5), "owner_bucket"),
        ("events", pipelines.sessions_beside_firm(AT, [OWNER], ALL, AT, 5), "received_at_ttl"),
        ("events", pipelines.sessions_of_slice(UNTIL, AT, [OWNER], 3, AT)[:-1], "received_at_ttl"),
        ("events", pipelines.sessions_that_came(CAME, [OWNER], 3, AT)[:-1], "received_at_ttl"),
        ("events", pipelines.sessions_that_came(HOT, [OWNER], 3, AT)[:-1], "received_at_ttl"),
        ("events", pipelines.sessions_that_came(HOT, [OWNER], 3, AT)[:-1], "user_id_occurred_at"),
        ("events", pipelines.hot_users(AT), "occurred_at"),
        ("rollups", pipelines.untouched_sessions(BEFORE, PART)[:-1], "owner_bucket"),
        ("rollups", touched_sessions(whole=True), "owner_bucket"),
        ("rollups", touched_sessions(whole=False), "owner_bucket"),
        ("snapshots", pipelines.history(AT, 60, 10), "as_of_ttl"),
    ],
)
async def test_a_pipeline_uses_its_index(
    mongodb: Client, database: Database, collection: str, pipeline: Pipeline, index: str
) -> None:
    now = {"received_at": AT, "occurred_at": AT, "user_id": "u", "event_type": "page_view"}
    await database.events.insert_many([now | {"_id": n, "page_url": "/"} for n in range(50)])
    await database.rollups.insert_one({"owner": OWNER, "bucket": AT, "rows": []})
    explained = await mongodb[database.name].command(
        "explain",
        {"aggregate": collection, "pipeline": pipeline, "cursor": {}},
        verbosity="executionStats",
    )
    plan = json.dumps(explained, default=json_util.default)
    assert "COLLSCAN" not in plan
    assert f'"indexName": "{index}"' in plan
