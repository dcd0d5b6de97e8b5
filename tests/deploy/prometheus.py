"""A real Prometheus: the one on PATH, else Debian's, fetched into .cache and not installed."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from shared.storage.processes import end_with_parent, stop
from tests.conftest import ROOT, free_port
from tests.debian import fetching

MONITORING = ROOT / "deploy" / "monitoring"
_FETCHED = ROOT / ".cache" / "prometheus"


def program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`; skip the test, saying so, where neither is."""
    with fetching():
        found = shutil.which(name) or shutil.which(name, path=str(_FETCHED / "usr" / "bin"))
        if found is None and shutil.which("apt-get") and shutil.which("dpkg-deb"):
            found = _fetched(name)
    return found or pytest.skip("there is no Prometheus on PATH and Debian's could not be fetched")


def _fetched(name: str) -> str | None:
    _FETCHED.mkdir(parents=True, exist_ok=True)
    get = subprocess.run(
        ["apt-get", "download", "prometheus"], cwd=_FETCHED, capture_output=True, check=False
    )
    if get.returncode:
        return None
    [package] = _FETCHED.glob("prometheus_*.deb")
    subprocess.run(["dpkg-deb", "-x", package, _FETCHED], check=True)
    package.unlink()
    return shutil.which(name, path=str(_FETCHED / "usr" / "bin"))


class Prometheus:
    """A running Prometheus, and its answers."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=10)

    def close(self) -> None:
        """Drop the connections."""
        self._http.close()

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of its API."""
        response = self._http.get(f"/api/v1/{path}", params=parameters)
        answer = response.raise_for_status().json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def value(self, expression: str) -> float | None:
        """Return what an expression that selects one series is now."""
        result = self.get("query", query=expression)["result"]
        return float(result[0]["value"][1]) if result else None

    def wait_for(self, expression: str, is_right: Callable[[float], bool]) -> float:
        """Wait for a minute at the most until an expression has a value that is right."""
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.HTTPError):  # it answers 503 while it starts
                value = self.value(expression)
                if value is not None and is_right(value):
                    return value
            assert time.monotonic() < deadline, f"{expression} is not so"
            time.sleep(0.2)


@contextlib.contextmanager
def scraping(folder: Path, target: str, read_key: str) -> Iterator[Prometheus]:
    """Run Prometheus with our configuration, on a service elsewhere and more often."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "4s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(MONITORING / name) for name in config["rule_files"]]
    [job] = config["scrape_configs"]
    del job["scrape_timeout"]
    job["static_configs"] = [{"targets": [target]}]
    job["authorization"]["credentials_file"] = str(folder / "read-key")
    (folder / "read-key").write_text(read_key)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    process = subprocess.Popen(
        [
            program("prometheus"),
            *(f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder}/data"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
        ],
        preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call
    )
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    try:
        yield prometheus
    finally:
        prometheus.close()
        stop(process, 10)
