"""serverless.yml says the same as the code: routes, CORS and settings; and holds no secret."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.routing import Route

from shared.api import OPERATIONS
from shared.http.application import application
from shared.settings import SETTINGS

TEXT = (Path(__file__).resolve().parents[2] / "serverless.yml").read_text("utf-8")
SPECIFICATION: dict[str, Any] = yaml.safe_load(TEXT)
FUNCTIONS: dict[str, dict[str, Any]] = SPECIFICATION["functions"]
GENERATOR_ONLY = {"FOOTFALL_URL", "FOOTFALL_KEY"}


def routes_of(name: str) -> set[str]:
    """List the paths that the gateway sends to a function; `{user_id+}` there is `{user_id}` here.

    The function judges the method itself. The default route, `*`, has no path.
    """
    keys = [it["httpApi"].replace("+}", "}") for it in FUNCTIONS[name]["events"] if "httpApi" in it]
    assert all(key == "*" or key.startswith("ANY ") for key in keys)
    return {key.removeprefix("ANY ") for key in keys} - {"*"}


WEB_FUNCTIONS = sorted(name for name in FUNCTIONS if routes_of(name))


def is_sent(path: str, route: str) -> bool:
    """Return whether the gateway sends a path to a route; `{path}` stands for the whole rest."""
    fixed, rest, _ = route.partition("{")
    return path.startswith(fixed) if rest else path == route


@pytest.mark.parametrize("name", WEB_FUNCTIONS)
def test_the_gateway_sends_each_function_the_routes_it_serves(name: str) -> None:
    module = importlib.import_module(FUNCTIONS[name]["handler"].rpartition(".")[0])
    served = {it.path_format for it in module.routes if isinstance(it, Route)}
    for path in served:
        assert any(is_sent(path, route) for route in routes_of(name)), path
        others = [other for other in WEB_FUNCTIONS if other != name]
        assert not any(is_sent(path, route) for other in others for route in routes_of(other))
    for route in routes_of(name):
        assert any(is_sent(path, route) for path in served), route


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_handler_exists(name: str) -> None:
    module, _, attribute = FUNCTIONS[name]["handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), attribute))


def test_every_operation_of_the_api_has_a_route() -> None:
    routed = set().union(*map(routes_of, WEB_FUNCTIONS))
    for operation in OPERATIONS:
        assert any(is_sent(operation.path, route) for route in routed), operation.path


def test_the_gateway_and_the_application_allow_the_same_origins_to_do_the_same() -> None:
    gateway = SPECIFICATION["provider"]["httpApi"]["cors"]
    layers = [it.kwargs for it in application([], dict, cors_origins=["*"]).user_middleware]
    own = next(it for it in layers if "allow_origins" in it)
    assert gateway["allowedMethods"] == own["allow_methods"]
    assert gateway["allowedHeaders"] == own["allow_headers"]
    assert gateway["exposedResponseHeaders"] == own["expose_headers"]
    assert gateway["maxAge"] == own["max_age"]


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_gives_up_before_the_gateway_does(name: str) -> None:
    timeout = FUNCTIONS[name].get("timeout", SPECIFICATION["provider"]["timeout"])
    assert timeout < 29


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_settings_exist_and_secrets_are_only_referred_to(name: str) -> None:
    for setting, value in FUNCTIONS[name].get("environment", {}).items():
        if name != "generator" or setting not in GENERATOR_ONLY:
            assert setting in SETTINGS
        if setting == "FOOTFALL_KEY" or (setting in SETTINGS and SETTINGS[setting].secret):
            assert value.startswith("{{resolve:secretsmanager:footfall/${sls:stage}:")


def test_what_runs_on_a_schedule_reports_its_failures() -> None:
    for name, function in FUNCTIONS.items():
        if any("schedule" in event for event in function["events"]):
            assert function["onError"] == {"Fn::GetAtt": ["ScheduleFailures", "Arn"]}, name
