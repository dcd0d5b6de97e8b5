"""`python3 docs/demo-shop/serve.py [--port 8080] [--footfall http://127.0.0.1:8000] [--key KEY]`.

A shop of one page that counts its visits with Footfall's tracker. Every path is that page, so
reloading `/cart` works as it does in a real shop. Needs nothing but Python.
"""

import argparse
import html
import http.server
from pathlib import Path

PAGE = Path(__file__).with_name("index.html")


def page_for(footfall: str, key: str) -> str:
    """Return the shop's page with the tag for one service."""
    page = PAGE.read_text("utf-8")
    page = page.replace("http://127.0.0.1:8000", html.escape(footfall.rstrip("/")))
    return page.replace('data-key=""', f'data-key="{html.escape(key)}"')


class Shop(http.server.ThreadingHTTPServer):
    """The shop on one port; port 0 is a free one."""

    def __init__(self, port: int, page: str) -> None:
        super().__init__(("127.0.0.1", port), _Visit)
        self.page = page

    @property
    def origin(self) -> str:
        """Return what Footfall has to allow in FOOTFALL_CORS_ORIGINS."""
        return f"http://127.0.0.1:{self.server_port}"


class _Visit(http.server.BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        """Answer with the shop's page."""
        page = self.server.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Say nothing of single requests."""


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A shop to try the tracker on")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--footfall", default="http://127.0.0.1:8000", help="the service's address")
    parser.add_argument("--key", default="", help="a write key, where the service has any")
    given = parser.parse_args()
    try:
        shop = Shop(given.port, page_for(given.footfall, given.key))
    except OSError as error:
        parser.error(f"port {given.port}: {error.strerror}; choose another with --port")
    print(f"The demo shop is at {shop.origin}/")
    print(f"Footfall must have been started with FOOTFALL_CORS_ORIGINS={shop.origin}")
    try:
        shop.serve_forever()
    except KeyboardInterrupt:
        shop.server_close()


if __name__ == "__main__":
    main()
