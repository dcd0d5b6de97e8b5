"""`python -m tests.frontend.screenshot`: the README's pictures, of `make run` three minutes on.

Runs `make run` with an empty database and a port of its own, and waits; nothing in
the pictures is made up. Writes `docs/screenshots/dashboard-light.png` and `-dark.png`.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright, expect

from tests.conftest import ROOT, free_port, wait_until_ready
from tests.frontend.chromium import launch

AFTER = 180  # seconds, by which time the generator's shop has curves to show
SIZE = {"width": 1440, "height": 780}


async def _take(address: str, folder: Path) -> None:
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        for theme in ("light", "dark"):
            page = await browser.new_page(
                viewport={"width": SIZE["width"], "height": SIZE["height"]},
                color_scheme="dark" if theme == "dark" else "light",
                locale="en-GB",
                timezone_id="UTC",
            )
            await page.goto(address)
            await expect(page.locator("#state")).to_have_text("Up to date")
            await page.wait_for_timeout(1000)  # bars and figures have settled
            await page.screenshot(path=folder / f"dashboard-{theme}.png")
        await browser.close()


def main() -> None:
    """Run the service, wait, take both pictures, stop it."""
    folder = ROOT / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as data:
        settings = {"FOOTFALL_PORT": str(port), "FOOTFALL_DATA_DIR": data}
        environment = os.environ | settings
        with subprocess.Popen(
            ["make", "run"], cwd=ROOT, env=environment, start_new_session=True
        ) as process:
            try:
                wait_until_ready(address.rstrip("/"), process)
                print(f"waiting {AFTER} s", file=sys.stderr)
                try:
                    process.wait(AFTER)
                except subprocess.TimeoutExpired:
                    asyncio.run(_take(address, folder))
                else:
                    raise SystemExit("make run ended early")
            finally:
                os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does


if __name__ == "__main__":
    main()
