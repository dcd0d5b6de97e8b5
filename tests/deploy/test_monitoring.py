"""The alert rules and the dashboard, held against what a real Prometheus gets from the service."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from tests.conftest import ROOT, running_service
from tests.deploy.prometheus import MONITORING, program, scraping
from tests.events import event
from tests.mongod import running_mongod

RULES: list[dict[str, Any]] = yaml.safe_load((MONITORING / "alerts.yml").read_text("utf-8"))[
    "groups"
][0]["rules"]
DASHBOARD = json.loads((MONITORING / "grafana/dashboards/footfall.json").read_text("utf-8"))
EXPRESSIONS = [rule["expr"] for rule in RULES] + [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]
]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


def test_the_rules_fire_when_they_should_and_not_when_all_is_well() -> None:
    rules = MONITORING / "alerts.test.yml"
    done = subprocess.run(
        [program("promtool"), "test", "rules", rules], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", [rule["alert"] for rule in RULES])
def test_every_alert_is_tested_and_explained(alert: str) -> None:
    [rule] = [rule for rule in RULES if rule["alert"] == alert]
    assert f"### {alert}\n" in OPERATIONS
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{alert.lower()}"
    assert (MONITORING / "alerts.test.yml").read_text("utf-8").count(f"alertname: {alert}\n") >= 1


@pytest.mark.parametrize("read_key", ["", "reader"])
def test_a_real_prometheus_gets_all_that_rules_and_dashboard_name(
    mongodb_uri: str, tmp_path: Path, read_key: str
) -> None:
    keys = {"FOOTFALL_WRITE_KEYS": "writer", "FOOTFALL_READ_KEYS": read_key} if read_key else {}
    database = f"test_monitoring_{read_key or 'open'}"
    with (
        running_service(
            FOOTFALL_MONGODB_URI=mongodb_uri, FOOTFALL_DATABASE=database, **keys
        ) as url,
        scraping(tmp_path, urlsplit(url).netloc, read_key) as prometheus,
    ):
        headers = {"X-API-Key": "writer"}
        httpx.post(f"{url}/v1/events", json=event(), headers=headers).raise_for_status()
        prometheus.wait_for("footfall_ready", lambda value: value == 1)
        prometheus.wait_for('footfall_events_total{outcome="accepted"}', lambda value: value == 1)
        names = set(prometheus.get("label/__name__/values"))
        for expression in EXPRESSIONS:
            prometheus.get("query", query=expression)  # which fails where it makes no sense
            named = re.findall(r"\b(?:footfall_[a-z_]+|process_[a-z_]+|up)\b", expression)
            assert named
            assert set(named) - {"footfall_rejections_total"} <= names
        healths = {rule["health"] for rule in prometheus.get("rules")["groups"][0]["rules"]}
        assert healths <= {"ok", "unknown"}  # not evaluated yet


def test_age_grows_and_readiness_goes_while_mongodb_hangs(tmp_path: Path) -> None:
    with (
        running_mongod() as mongod,
        running_service(FOOTFALL_MONGODB_URI=mongod.uri) as url,
        scraping(tmp_path, urlsplit(url).netloc, "") as prometheus,
    ):
        httpx.get(f"{url}/v1/metrics", timeout=30).raise_for_status()
        age = "time() - max(footfall_last_tick_timestamp_seconds > 0)"
        prometheus.wait_for(age, lambda seconds: seconds < 12)
        mongod.freeze()
        prometheus.wait_for("footfall_ready", lambda value: value == 0)
        prometheus.wait_for(age, lambda seconds: seconds > 15)
        prometheus.wait_for("footfall_freshness_lag_seconds", lambda seconds: seconds > 15)
        mongod.thaw()
        prometheus.wait_for("footfall_ready", lambda value: value == 1)
        prometheus.wait_for(age, lambda seconds: seconds < 12)
