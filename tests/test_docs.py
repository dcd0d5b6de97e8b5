"""README and docs say what there is: settings, paths, metrics, collections; examples run."""

import json
import re
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import mermaidx
import pytest

from shared.api import OPERATIONS
from shared.metrics import registry
from shared.metrics.engine import counts
from shared.metrics.registry import METRICS
from shared.settings import SETTINGS
from shared.storage.database import Database

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
ADDRESS = "http://127.0.0.1:8000"
# In place of curl, which a machine may not have: what it would be called with, NUL after each.
SPELL = "curl() { printf '%s\\0' curl \"$@\"; }\n"


def rows(text: str = README) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_readme_is_read_in_ten_minutes() -> None:
    assert len(README.splitlines()) < 200


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_documented(name: str) -> None:
    [row] = [row for row in rows() if row.startswith("| `FOOTFALL_") and f"`{name}`" in row]
    default = SETTINGS[name].default
    assert default in {"", "0"} or f"`{default}`" in row


@pytest.mark.parametrize(
    "status",
    sorted({f.status for o in OPERATIONS if o.takes_events for f in o.failures} - {408, 500}),
)
def test_every_status_of_ingest_is_documented(status: int) -> None:
    assert any(str(status) in row for row in rows())


@pytest.mark.parametrize(
    "path", sorted({o.path.split("{")[0].rstrip("/") for o in OPERATIONS if o.path != "/"})
)
def test_every_path_is_documented(path: str) -> None:
    assert path in README


def test_the_table_of_metrics_is_the_registry() -> None:
    wanted = [f"| `{metric.name}` | `{metric.path}` | {metric.summary} |" for metric in METRICS]
    assert [row for row in rows() if "`/v1/metrics/" in row] == wanted


@pytest.mark.anyio
async def test_every_collection_is_documented_with_its_ttl(database: Database) -> None:
    model = README.partition("### Data model")[2].partition("### ")[0]
    named = {name for name in vars(database) if not name.startswith("_")} - {"name"}
    for name in sorted(named | set(registry.indexes())):
        rolled_up = re.sub("_[0-9a-f]{8}$", "_…", name)
        [row] = [row for row in rows(model) if f"`{rolled_up}`" in row.split(" | ")[0]]
        indexes = await database.collection(name).index_information()
        for seconds in (index.get("expireAfterSeconds", 0) for index in indexes.values()):
            assert not seconds or spelled(seconds) in row, name
    [row] = [row for row in rows(model) if "`steps_…`" in row]
    assert spelled(int(counts.KEPT.total_seconds())) in row


def spelled(seconds: int) -> str:
    """Return a retention as README gives it."""
    minutes = timedelta(seconds=seconds) // timedelta(minutes=1)
    return f"{minutes} min" if minutes % 60 else f"{minutes // 60} h"


def calls(text: str) -> list[list[str]]:
    """Return the arguments of each `curl` that a shell would run for `text`."""
    spelt = subprocess.check_output(["sh", "-ec", SPELL + text], text=True, timeout=10)
    _, *found = re.split(r"(?:^|(?<=\0))curl\0", spelt)
    return [call.removesuffix("\0").split("\0") for call in found]


def send(arguments: list[str], service_url: str) -> httpx.Response:
    """Send what curl would, to the service of the test."""
    method, headers, body = "GET", {}, None
    given = iter(arguments)
    for argument in given:
        match argument:
            case "-H":
                name, _, value = next(given).partition(": ")
                headers[name] = value
            case "-d":
                method, body = "POST", next(given)
            case "-i":
                pass
            case address:
                assert address.startswith(ADDRESS), address
                url = service_url + address.removeprefix(ADDRESS)
    return httpx.request(method, url, headers=headers, content=body, timeout=30)


def shape(value: Any) -> Any:
    """Return what a JSON value is made of: names and types."""
    if isinstance(value, dict):
        return {name: shape(it) for name, it in value.items()}
    return [shape(it) for it in value[:1]] if isinstance(value, list) else type(value)


def test_the_examples_run_and_answer_as_shown(service_url: str) -> None:
    examples = [call for block in blocks("sh") if "curl" in block for call in calls(block)]
    answers = [send(arguments, service_url) for arguments in examples]
    assert len(answers) >= 8
    assert [answer.status_code for answer in answers if answer.is_error] == []
    late, now, *_ = (answer.json() for answer in answers)
    [receipt] = re.findall(r"`(\{\"received_at\".*?\})`", README)
    assert {**late, "received_at": ""} == {**json.loads(receipt), "received_at": ""}
    assert (now["accepted"] + now["duplicate"], now["late"], now["rejected"]) == (1, 0, 0)

    [[command, sample]] = re.findall(r"`(curl [^`]*)`[^`]*```json\n(.*?)\n```", README, re.DOTALL)
    [arguments] = calls(command)
    deadline = time.monotonic() + 2  # so old may an answer be that does not have the event yet
    while shape(send(arguments, service_url).json()) != shape(json.loads(sample)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("number", [0, 1])
def test_the_diagrams_parse(number: int) -> None:
    assert mermaidx.render(blocks("mermaid")[number]).svg().startswith("<svg")


def test_what_is_no_diagram_does_not_parse() -> None:
    with pytest.raises(RuntimeError, match="Parse error"):
        mermaidx.render(blocks("mermaid")[0].replace("-->", "->")).svg()


def test_the_worked_example_is_the_code() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    shown = re.findall(
        r"^\*\*\d\. .*?`([\w/]+\.py)`.*?^```python\n(.*?)^```$",
        contributing,
        re.MULTILINE | re.DOTALL,
    )
    assert len(shown) == 4
    for file, excerpt in shown:
        code = (ROOT / file).read_text("utf-8")
        assert [part for part in excerpt.split("…\n") if part not in code] == [], file


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        titles = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE) if anchor else []
        anchors = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
        assert not anchor or anchor in anchors, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    folders = "bench|docs|frontend|functions|generator|scripts|shared|tests"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", text):
        assert (ROOT / name).exists(), name
