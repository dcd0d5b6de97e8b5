"""The API's description is one that linters, makers of clients and people can use."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from functions.dashboard import FRONTEND
from shared import VERSION
from shared.api import OPERATIONS, TAGS
from shared.http.openapi import document
from shared.http.problems import FAILURES, Problem, problem_response
from shared.metrics.registry import METRICS

Json = dict[str, Any]

DESCRIPTION: Json = document(OPERATIONS, TAGS)
COMPONENTS = {"components": DESCRIPTION["components"]}
DESCRIBED: dict[str, Json] = {
    operation["operationId"]: operation
    for methods in DESCRIPTION["paths"].values()
    for operation in methods.values()
}
SCHEMAS: dict[str, Json] = DESCRIPTION["components"]["schemas"]
NAMED = {
    *("send_events", "list_events", "list_rejections", "get_metrics", "get_user_sessions"),
    *("get_per_minute", "get_history", "send_segment_batch"),
}


def contents(operation: Json) -> Iterator[tuple[str, Json]]:
    """Yield each media type object of an operation's body and answers, but not of its problems."""
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for body in bodies:
        for media_type, content in body.get("content", {}).items():
            if media_type != "application/problem+json":
                yield media_type, content


def examples_of(content: Json) -> list[Any]:
    named = [it["value"] for it in content.get("examples", {}).values()]
    return named + ([content["example"]] if "example" in content else [])


def test_operations_have_names_that_make_good_client_code() -> None:
    assert len(DESCRIBED) == len(OPERATIONS)
    assert all(re.fullmatch(r"(get|list|send)(_[a-z]+)+", name) for name in DESCRIBED)
    assert set(DESCRIBED) >= NAMED | {f"get_{metric.name}" for metric in METRICS}


def test_there_is_one_version_a_licence_and_somebody_to_ask() -> None:
    info = DESCRIPTION["info"]
    assert info["version"] == VERSION
    assert info["license"] == {"name": "MIT", "identifier": "MIT"}
    assert info["contact"]["name"]
    assert info["description"]


def test_every_tag_is_used_and_has_a_meaning() -> None:
    described = {it["name"]: it["description"] for it in DESCRIPTION["tags"]}
    assert all(described.values())
    assert {tag for it in DESCRIBED.values() for tag in it["tags"]} == set(described)


@pytest.mark.parametrize("name", DESCRIBED)
def test_an_operation_says_who_may_call_it(name: str) -> None:
    operation = DESCRIBED[name]
    [scope] = [it.scope for it in OPERATIONS if it.name == name]
    schemes = DESCRIPTION["components"]["securitySchemes"]
    wanted: list[Json] = [{scheme: []} for scheme in schemes]
    assert operation["security"] == ([*wanted, {}] if scope else [])
    assert operation["summary"]
    assert operation["description"]
    assert any(status.startswith("4") for status in operation["responses"])


@pytest.mark.parametrize("name", DESCRIBED)
def test_every_example_is_one(name: str) -> None:
    operation = DESCRIBED[name]
    for media_type, content in contents(operation):
        if media_type not in {"text/html", "text/javascript"}:
            assert examples_of(content), media_type
        for example in examples_of(content):
            validate(content["schema"], example)
    for parameter in operation.get("parameters", []):
        assert parameter["description"]
        validate(parameter["schema"], parameter["example"])


def validate(schema: Json, value: object) -> None:
    jsonschema_rs.validator_for(schema | COMPONENTS, validate_formats=True).validate(value)


def test_every_field_has_a_meaning() -> None:
    missing = [
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, described in schema.get("properties", {}).items()
        if not described.get("description")
    ]
    assert not missing


def test_every_instant_is_a_date_time() -> None:
    instants = [
        (name, field, option.get("format"))
        for name, schema in SCHEMAS.items()
        for field, described in schema.get("properties", {}).items()
        if field in {"as_of", "timestamp", "minute"} or field.endswith("_at")
        for option in described.get("anyOf", [described])
        if option.get("type") != "null"
    ]
    assert len(instants) > 10
    assert {kind for *_, kind in instants} == {"date-time"}


def test_nothing_is_described_that_makers_of_clients_drop() -> None:
    assert "patternProperties" not in str(DESCRIPTION)


def test_every_problem_says_what_to_do_at_the_address_of_its_type() -> None:
    problems = {it["tag"]: it for it in DESCRIPTION["x-problems"]}
    assert problems.keys() == {it.tag for it in FAILURES}
    for failure in FAILURES:
        said = problems[failure.tag]
        assert (said["status"], said["title"]) == (failure.status, failure.title)
        assert said["what_to_do"].endswith(".")
        assert f'"/docs#{failure.tag}"' in bytes(
            problem_response(Problem(failure, "so")).body
        ).decode().replace(" ", "")
    # The page has an anchor for each (tests/frontend); none of its own may have the same name.
    fixed = set(re.findall(r'\bid="([^"]+)"', (FRONTEND / "docs.html").read_text("utf-8")))
    assert not fixed & problems.keys()
