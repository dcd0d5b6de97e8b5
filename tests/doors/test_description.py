"""The API answers as `/openapi.json` says, whatever is sent: schemathesis makes it up."""

import os
import subprocess
import sys
from pathlib import Path

import httpx

from shared.api import OPERATIONS
from tests.conftest import ROOT
from tests.events import event

EXAMPLES = 10  # for each operation, besides those for each edge of its schema
# A call of Segment's is described loosely: one that fits is refused if it makes no valid event.
LOOSE = """
[[operations]]
include-path-regex = "^/v1/segment/"
checks.positive_data_acceptance.enabled = false
"""


def test_every_operation_answers_as_described(fresh_service_url: str, tmp_path: Path) -> None:
    shown = [event(user_id=f"u{n}", session_id=f"s{n}", page_url=f"/{n}") for n in range(20)]
    sent = httpx.post(f"{fresh_service_url}/v1/events", json=[*shown, {}])
    assert sent.status_code == 202
    description = tmp_path / "openapi.json"  # read from its address, it would not call that
    description.write_bytes(httpx.get(f"{fresh_service_url}/openapi.json").content)
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(LOOSE)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(configuration), "run", str(description)),
            *("--url", fresh_service_url),
            *("--max-examples", str(EXAMPLES), "--generation-deterministic", "--no-color"),
            "--continue-on-failure",  # and all checks, which is what it does unasked
        ],
        cwd=tmp_path,
        env=os.environ
        | {"SCHEMATHESIS_HOOKS": "tests.doors.past_instants", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert f"Tested: {len(OPERATIONS)}" in done.stdout, done.stdout
