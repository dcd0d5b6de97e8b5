"""How long each function takes from the start of a process to its first answer.

`measure` starts this file with Lambda's Python, once for each start that is timed. On Lambda it
takes longer by what the machine is slower, and by the loading of the package.
"""

import importlib
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MOST_SECONDS = 1.0
STARTS = 5
# A request to each function that it answers without a database, and the status of the answer.
# Scheduled functions do nothing without one: for them the import is timed.
REQUESTS = {
    "ingest": ("POST", "/v1/events", "", "not JSON", 400),
    "metrics": ("GET", "/v1/metrics/page-views", "limit=0", "", 422),
    "dashboard": ("GET", "/", "", "", 200),
    "health": ("GET", "/livez", "", "", 200),
}


def measure(python: str, folder: Path, handlers: dict[str, str]) -> None:
    """Print the median start of each function of the package in `folder`; exit if one is slow."""
    slow = []
    for name, handler in handlers.items():
        seconds = statistics.median(_start(python, folder, name, handler) for _ in range(STARTS))
        until = "first answer" if name in REQUESTS else "ready"
        print(f"{name:9} start to {until}: {seconds * 1000:4.0f} ms", flush=True)
        if seconds > MOST_SECONDS:
            slow.append(name)
    if slow:
        sys.exit(f"Slower than {MOST_SECONDS:g} s to start: {', '.join(slow)}")


def _start(python: str, folder: Path, name: str, handler: str) -> float:
    command = [python, "-I", __file__, str(folder), name, handler]
    environment = {
        "FOOTFALL_MONGODB_URI": "mongodb://127.0.0.1:1",
        "AWS_LAMBDA_FUNCTION_NAME": name,
    }
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        command, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}package: {handler} failed")
    return seconds


def _call(folder: str, name: str, handler: str) -> None:
    """Import the handler and call it once, as Lambda does."""
    sys.path.insert(0, folder)
    module, _, attribute = handler.rpartition(".")
    function = getattr(importlib.import_module(module), attribute)
    if name in REQUESTS:
        *_, expected = REQUESTS[name]
        answer = function(_event(name), None)
        if answer["statusCode"] != expected:
            sys.exit(f"{name} answered {answer}, not {expected}")


def _event(name: str) -> dict[str, Any]:
    """Spell a request as API Gateway's HTTP APIs do (payload format 2.0)."""
    method, path, query, body, _ = REQUESTS[name]
    request = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": "application/json", "host": "api.example"},
        "requestContext": {"http": request, "stage": "$default", "requestId": "cold-start"},
        "body": body,
        "isBase64Encoded": False,
    }


if __name__ == "__main__":
    _call(*sys.argv[1:])
