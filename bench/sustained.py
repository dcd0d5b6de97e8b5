"""A rate held for minutes, with a viewer: what is lost, how old answers are, what it costs."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from bench.rig import footfall, table

RATE = 5000
SECONDS = int(os.environ.get("BENCH_SECONDS", "300"))


@dataclass
class Viewer:
    """What somebody saw who asked every second, twice."""

    computed: list[float] = field(default_factory=list)  # ms, the first to ask in a second
    cached: list[float] = field(default_factory=list)  # ms
    ages: list[float] = field(default_factory=list)  # s
    refused: list[str] = field(default_factory=list)  # what the service said instead

    def look(self, client: httpx.Client) -> None:
        """Ask twice: the answer is computed at the first time and shared at the second."""
        for took in (self.computed, self.cached):
            started = time.perf_counter()
            answer = client.get("/v1/metrics").json()
            took.append((time.perf_counter() - started) * 1000)
            if "as_of" not in answer:
                self.refused.append(f"after {took[-1]:,.0f} ms: {answer['detail']}")
                continue
            as_of = datetime.fromisoformat(answer["as_of"])
            self.ages.append((datetime.now(UTC) - as_of).total_seconds())


def sustained() -> None:
    """5000 events a second in batches, a viewer every second, checked by the generator's oracle."""
    viewer = Viewer()
    with tempfile.TemporaryDirectory() as folder, footfall() as service:
        ledger = str(Path(folder) / "sent.ndjson")
        before, started = service.processor_seconds(), time.perf_counter()
        generator = subprocess.Popen(
            [
                *(sys.executable, "-m", "generator", "--url", service.url, "--seed", "1"),
                *("--rate", str(RATE), "--batch", "500", "--users", "20000"),
                *("--duration", str(SECONDS), "--expect", ledger),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        with httpx.Client(base_url=service.url, timeout=30) as client:
            while generator.poll() is None:
                viewer.look(client)
                time.sleep(1)
        used, lasted = service.processor_seconds(), time.perf_counter() - started
        words = generator.communicate()[1].strip().splitlines()
        verdict = subprocess.run(
            [sys.executable, "-m", "generator", "verify", ledger, "--url", service.url],
            capture_output=True,
            text=True,
            check=False,
        )
        print("\n".join(words[-4:]), (verdict.stdout + verdict.stderr).strip(), sep="\n")
        print(*viewer.refused, f"{len(viewer.refused)} reads were refused", sep="\n")
        memory = service.resident_megabytes()
    share = {name: (used[name] - before[name]) / lasted for name in sorted(used)}
    table(
        ["computed p50", "p99", "cached p50", "p99", "oldest answer", *share, "memory"],
        [
            [
                *(f"{ms:,.0f} ms" for ms in (*_cuts(viewer.computed), *_cuts(viewer.cached))),
                f"{max(viewer.ages):.2f} s",
                *(f"{part:.0%} of a core" for part in share.values()),
                f"{memory:.0f} MiB",
            ]
        ],
    )


def _cuts(took: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(took, n=100)
    return cuts[49], cuts[98]
