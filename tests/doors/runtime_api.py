"""Lambda around a function: the Runtime API, and an environment that runs AWS's own client."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from tests.conftest import ROOT
from tests.doors.gateway import FUNCTIONS

_SECONDS = 30  # what an invocation may take, its start included


class FunctionError(Exception):
    """A handler raised, or the environment did not start."""


class _RuntimeApi(ThreadingHTTPServer):
    """Hands out invocations one by one and takes what became of each."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.invocations: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.outcomes: queue.Queue[tuple[str, bytes]] = queue.Queue()


class _Handler(BaseHTTPRequestHandler):
    """`GET …/invocation/next`, `POST …/invocation/ID/response`, `…/ID/error`, `…/init/error`."""

    server: _RuntimeApi
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: unbuffered, each call takes 40 ms more
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        request_id, event = self.server.invocations.get()
        if not request_id:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(event)))
        self.send_header("Lambda-Runtime-Aws-Request-Id", request_id)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + _SECONDS) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:here:1:function:f")
        self.send_header("Lambda-Runtime-Trace-Id", f"Root=1-{request_id}")
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.outcomes.put((self.path.rpartition("/")[2], body))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Environment:
    """One execution environment: a process that serves one invocation after the other."""

    def __init__(self, function: str, settings: dict[str, str]) -> None:
        self._api = _RuntimeApi()
        self._thread = threading.Thread(target=self._api.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        handler = FUNCTIONS[function]["handler"]
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "awslambdaric", handler],
            cwd=ROOT,
            env=os.environ
            | {
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": function,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
            }
            | settings,
        )

    def invoke(self, event: Any) -> Any:
        """Run the handler on an event; return what it returned, as it went over the wire."""
        self.begin(event)
        return self.finish()

    def begin(self, event: Any) -> None:
        """Hand an event over and do not wait."""
        self._api.invocations.put((str(uuid4()), json.dumps(event).encode()))

    def finish(self) -> Any:
        """Wait for the invocation that was begun."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                outcome, body = self._api.outcomes.get(timeout=0.2)
                if outcome == "error":
                    raise FunctionError(body.decode())
                return json.loads(body)
            if self._process.poll() is not None:
                raise FunctionError(f"the environment ended with {self._process.returncode}")
        raise FunctionError(f"no answer within {_SECONDS} s")

    def freeze(self) -> None:
        """Stop the process where it is, as Lambda does between invocations."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the process go on."""
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End the environment as Lambda does: without asking."""
        self._process.kill()
        self._process.wait()
        self._api.invocations.put(("", b""))
        self._api.shutdown()
        self._api.server_close()
        self._thread.join()


@contextlib.contextmanager
def environment(function: str, settings: dict[str, str]) -> Iterator[Environment]:
    """Run one environment of a function."""
    running = Environment(function, settings)
    try:
        yield running
    finally:
        running.close()


class Lambda:
    """One environment for each function, started with its first invocation."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings
        self._environments: dict[str, Environment] = {}

    def invoke(self, function: str, event: Any) -> Any:
        """Invoke a function."""
        if function not in self._environments:
            self._environments[function] = Environment(function, self._settings)
        return self._environments[function].invoke(event)

    def close(self) -> None:
        """End every environment."""
        for running in self._environments.values():
            running.close()
