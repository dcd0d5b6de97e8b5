"""Finding a Chromium to run the pages in, or fetching one; never doing without."""

import os
import subprocess
import sys
from pathlib import Path

from playwright.async_api import Browser, Playwright, async_playwright

from tests.debian import fetching, install, on_path

SHELL = "chromium-headless-shell"  # without a window round each page: half the processor time
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
MISSING = (
    "no browser: put Chromium on PATH, or run `python -m playwright install chromium` "
    "(with `--with-deps` if its libraries are missing too)"
)


async def launch(playwright: Playwright) -> Browser:
    """Start Chromium: one on PATH, else Playwright's own, else Debian's, else a download.

    Raises RuntimeError with one clear line where none can be had.
    """
    with fetching():
        path = (
            on_path(NAMES)
            or _of_playwright(playwright)
            or _from_debian()
            or _downloaded(playwright)
        )
    if path is None:
        raise RuntimeError(MISSING)
    flags = [*QUIET, "--no-sandbox"] if os.geteuid() == 0 else [*QUIET]
    return await playwright.chromium.launch(executable_path=path, args=flags)


def _of_playwright(playwright: Playwright) -> str | None:
    path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _from_debian() -> str | None:
    for package in (SHELL, "chromium"):
        install(package)
        if found := on_path(NAMES):
            return found
    return None


def _downloaded(playwright: Playwright) -> str | None:
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    subprocess.run(command, check=False, capture_output=True)
    return _of_playwright(playwright)


__all__ = ["async_playwright", "launch"]
