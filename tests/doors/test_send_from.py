"""The recipes of docs/send-from.md do what they say, run as they stand there."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.conftest import ROOT, running_service
from tests.events import event

TEXT = (ROOT / "docs" / "send-from.md").read_text("utf-8")
BLOCKS = re.findall(r"^## (.+?)$|^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def recipes() -> Iterator[tuple[str, str, str]]:
    """Yield each recipe for a shell or Python: its heading, its language, its text."""
    heading = ""
    for title, language, text in BLOCKS:
        heading = title or heading
        if language in {"sh", "python"} and heading != "Locust":  # which is not installed here
            yield heading, language, text


RECIPES = list(recipes())


@pytest.fixture(scope="module")
def url(mongodb_uri: str) -> Iterator[str]:
    with running_service(
        FOOTFALL_MONGODB_URI=mongodb_uri,
        FOOTFALL_DATABASE=f"test_{uuid4().hex}",
        FOOTFALL_WRITE_KEYS="writer",
    ) as running:
        yield running


@pytest.mark.parametrize(("heading", "language", "text"), RECIPES)
def test_a_recipe_sends_what_is_stored(
    url: str, tmp_path: Path, heading: str, language: str, text: str
) -> None:
    lines = [event(user_id="lines", event_id=f"line-{n}") for n in range(1200)]
    (tmp_path / "events.jsonl").write_text("".join(f"{json.dumps(it)}\n" for it in lines))
    before = newest(url)
    script = text.replace("https://footfall.example", url).replace("WRITE-KEY", "writer")
    script = script.replace('mount("https://"', 'mount("http://"')
    command = ["bash", "-ec"] if language == "sh" else [sys.executable, "-W", "ignore", "-c"]
    done = subprocess.run(
        [*command, script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{heading}: {done.stdout}{done.stderr}"
    assert newest(url) - before


def newest(url: str) -> set[str]:
    events = httpx.get(f"{url}/v1/events", params={"limit": 200}).json()["events"]
    return {it["event_id"] for it in events}


def test_there_are_recipes_for_a_shell_and_for_python() -> None:
    assert {language for _, language, _ in RECIPES} == {"sh", "python"}
    assert len(RECIPES) == 5
