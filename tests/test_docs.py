"""The README names what there is: every setting with its default, every path, every status."""

from pathlib import Path

import pytest

from shared.api import OPERATIONS
from shared.settings import SETTINGS

README = (Path(__file__).resolve().parent.parent / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_documented(name: str) -> None:
    rows = [line for line in README.splitlines() if line.startswith("| `FOOTFALL_")]
    [row] = [row for row in rows if f"`{name}`" in row]
    default = SETTINGS[name].default
    assert default in {"", "0"} or f"`{default}`" in row


@pytest.mark.parametrize(
    "status",
    sorted({f.status for o in OPERATIONS if o.takes_events for f in o.failures} - {408, 500}),
)
def test_every_status_of_ingest_is_documented(status: int) -> None:
    assert any(line.startswith("|") and str(status) in line for line in README.splitlines())


@pytest.mark.parametrize(
    "path", sorted({o.path.split("{")[0].rstrip("/") for o in OPERATIONS if o.path != "/"})
)
def test_every_path_is_documented(path: str) -> None:
    assert path in README
