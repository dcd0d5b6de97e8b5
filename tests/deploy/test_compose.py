"""What docker-compose.yml and the Dockerfile promise, as far as it can be read off them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared import VERSION, deadlines
from shared.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[2]


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


TEXT = text_of("docker-compose.yml")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_waits_until_the_service_has_stopped() -> None:
    assert SERVICES["footfall"]["stop_grace_period"] == f"{deadlines.STOP}s"


def test_publishes_what_is_to_be_looked_at_and_on_loopback_only() -> None:
    published = {name: it["ports"] for name, it in SERVICES.items() if "ports" in it}
    assert published == {
        "footfall": ["127.0.0.1:${FOOTFALL_PORT:-8000}:8000"],
        "prometheus": ["127.0.0.1:${PROMETHEUS_PORT:-9090}:9090"],
        "grafana": ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"],
    }


def test_only_monitoring_has_to_be_asked_for() -> None:
    asked_for = {name for name, it in SERVICES.items() if it.get("profiles") == ["monitoring"]}
    assert asked_for == {"prometheus", "grafana"}


def test_every_image_is_named_by_an_exact_tag() -> None:
    images = re.findall(r"^FROM (\S+)", text_of("Dockerfile"), re.MULTILINE)
    images += [it["image"] for it in SERVICES.values() if it["image"] != "footfall"]
    for image in images:
        assert re.search(r":(\$\{\w+:-)?v?\d+\.\d+\.\d+", image), image


def test_the_image_says_what_it_is() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]+)"', text_of("Dockerfile")))
    assert labels.keys() == {"title", "description", "version", "licenses"}
    assert labels["version"] == VERSION
    assert f"## [{VERSION}]" in text_of("CHANGELOG.md")


def test_only_the_service_reaches_mongodb_and_its_password() -> None:
    holders = {name for name, it in SERVICES.items() if "storage" in it["networks"]}
    mounts = {name for name, it in SERVICES.items() if "credentials" in str(it.get("volumes"))}
    assert holders == mounts == {"mongodb", "footfall"}
    assert COMPOSE["networks"]["storage"]["internal"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_bounded_and_restarts(name: str) -> None:
    service = SERVICES[name]
    assert {"mem_limit", "cpus", "pids_limit", "restart", "logging"} <= service.keys()
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_setting_that_is_passed_on_exists_and_is_documented() -> None:
    passed = set(SERVICES["footfall"]["environment"])
    assert {name.removesuffix("_FILE") for name in passed} <= SETTINGS.keys()
    documented = re.findall(r"^#([A-Z_]+)=", text_of(".env.example"), re.MULTILINE)
    assert set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", TEXT)) == set(documented)


def test_the_image_leaves_out_what_it_does_not_need() -> None:
    ignored = text_of(".dockerignore").split()
    assert ignored[0] == "*"
    copied = re.findall(r"^COPY (\S+) ", text_of("Dockerfile"), re.MULTILINE)
    sources = {it for it in copied if not it.startswith("--from")}
    assert {f"!{it}" for it in sources} == {it for it in ignored if it.startswith("!")}
