"""Firefox without a driver of its own: Marionette, the protocol built into it, by a socket."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from tests.debian import fetching, install, on_path

NAMES = ("firefox", "firefox-esr")
MISSING = "no Firefox: put one on PATH (Debian's package is firefox-esr)"
PREFERENCES = {
    "marionette.port": 0,  # a free one, which Firefox writes into its profile
    "intl.locale.requested": "en-GB",
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.disabledForTesting": True,
}


def find() -> str:
    """Return a Firefox: one on PATH, else Debian's by apt as root; RuntimeError if none."""
    with fetching():
        found = on_path(NAMES)
        if found is None:
            install("firefox-esr")
            found = on_path(NAMES)
    if found is None:
        raise RuntimeError(MISSING)
    return found


class Firefox:
    """One window. Commands are those of WebDriver; a failed one raises RuntimeError."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._received = b""
        self._sent = 0
        self._receive()  # it says who it is
        self.command("WebDriver:NewSession", capabilities={"alwaysMatch": {}})

    @classmethod
    @contextmanager
    def running(cls, profile: Path) -> Iterator[Self]:
        """Run a headless Firefox with a profile of its own."""
        lines = (f"user_pref({json.dumps(n)}, {json.dumps(v)});" for n, v in PREFERENCES.items())
        (profile / "user.js").write_text("\n".join(lines))
        flags = ["--headless", "--marionette", "--remote-allow-system-access", "--no-remote"]
        with subprocess.Popen(
            [find(), *flags, "--profile", str(profile)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(profile)},
        ) as process:
            try:
                running = cls(_port(profile, process))
                with running._socket:
                    yield running
            finally:
                process.terminate()

    def command(self, name: str, **parameters: object) -> Any:
        """Carry out one command and return its result."""
        self._sent += 1
        message = json.dumps([0, self._sent, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._receive()
        if error:
            raise RuntimeError(f"{name}: {error['message']}")
        return result

    def open(self, address: str, *, width: int = 1440, height: int = 780) -> None:
        """Go to a page in a window of that size."""
        self.command("WebDriver:SetWindowRect", width=width, height=height)
        self.command("WebDriver:Navigate", url=address)

    def run(self, script: str) -> Any:
        """Run the body of a function in the page and return what it returns."""
        return self.command("WebDriver:ExecuteScript", script=script, args=[])["value"]

    def until(self, expression: str, seconds: float = 10) -> None:
        """Wait until an expression is true in the page."""
        deadline = time.monotonic() + seconds
        while not self.run(f"return Boolean({expression})"):
            assert time.monotonic() < deadline, f"never: {expression}"
            time.sleep(0.05)

    def errors_of(self, origin: str) -> list[str]:
        """Return what the console says of pages of `origin`: exceptions, policies, warnings."""
        self.command("Marionette:SetContext", value="chrome")
        messages: list[str] = self.run(
            f"""return Services.console.getMessageArray()
              .filter((it) => it instanceof Ci.nsIScriptError)
              .filter((it) => it.sourceName.startsWith({json.dumps(origin)}))
              .map((it) => it.category + ": " + it.errorMessage)"""
        )
        self.command("Marionette:SetContext", value="content")
        return messages

    def _receive(self) -> Any:
        while b":" not in self._received:
            self._read()
        length, _, self._received = self._received.partition(b":")
        while len(self._received) < int(length):
            self._read()
        message = self._received[: int(length)]
        self._received = self._received[int(length) :]
        return json.loads(message)

    def _read(self) -> None:
        chunk = self._socket.recv(65536)
        if not chunk:
            raise RuntimeError("Firefox has gone")
        self._received += chunk


def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    """Wait for Firefox to write down where it listens."""
    file = profile / "MarionetteActivePort"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and (text := file.read_text()):
            return int(text)
        time.sleep(0.05)
    raise RuntimeError("Firefox did not start")
