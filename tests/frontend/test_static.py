"""How the files are served: closed, compressed, kept for as long as they are right."""

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from functions.dashboard import FRONTEND, MODULES, app, bundle

pytestmark = pytest.mark.anyio

PAGES = ("/", "/docs", "/openapi.json", "/tracker.js")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://footfall") as client:
        yield client


async def assets_of(client: httpx.AsyncClient, page: str) -> list[str]:
    return re.findall(r'"(/assets/[^"]+)"', (await client.get(page)).text)


@pytest.mark.parametrize(
    "path", [*PAGES, "/assets/app.js", "/assets/style.css", "/assets/icon.svg"]
)
async def test_every_file_is_closed(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    for directive in ("base-uri", "form-action", "frame-ancestors"):
        assert f"{directive} 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    wanted = "cross-origin" if path == "/tracker.js" else "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == wanted


@pytest.mark.parametrize("path", [*PAGES, "/assets/app.js"])
@pytest.mark.parametrize("encoding", ["gzip", "identity", "gzip;q=0", "br, gzip;q=0.5"])
async def test_etag_and_encoding_agree(client: httpx.AsyncClient, path: str, encoding: str) -> None:
    answer = await client.get(path, headers={"Accept-Encoding": encoding})
    compressed = encoding in {"gzip", "br, gzip;q=0.5"}
    assert (answer.headers.get("content-encoding") == "gzip") is compressed
    assert "Accept-Encoding" in answer.headers["vary"]
    etag = answer.headers["etag"]
    assert not etag.startswith("W/")
    assert etag.endswith('-gzip"') is compressed
    for named in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await client.get(
            path, headers={"Accept-Encoding": encoding, "If-None-Match": named}
        )
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    other = await client.get(path, headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


async def test_assets_are_named_by_their_content(client: httpx.AsyncClient) -> None:
    named = await assets_of(client, "/")
    assert len({path.split("/")[2] for path in named}) == 1
    for path in named:
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    of_another_release = await client.get("/assets/0123456789abcdef0123/app.js")
    assert of_another_release.status_code == 200
    assert of_another_release.headers["cache-control"] == "no-cache"
    assert (await client.get("/")).headers["cache-control"] == "no-cache"


def test_a_bundle_has_each_module_once_and_nothing_left_to_import() -> None:
    together = bundle("app.js") + bundle("docs.js")
    assert not re.search(r"^(import|export)\b", together, re.MULTILINE)
    for module in MODULES.glob("*.js"):
        defined = f"const ${module.stem} = "
        assert defined in together, f"{module.name} is used by no page"
        assert bundle("app.js").count(defined) <= 1


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('import x from "./dom.js";\n', "no form"),
        ('import { a as b } from "./dom.js";\n', "no form"),
        ("export default 5;\n", "no form"),
        ('import { a } from "./app.js";\n', "cycle"),
    ],
)
def test_a_bundle_refuses_what_it_does_not_understand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, why: str
) -> None:
    (tmp_path / "app.js").write_text(source)
    (tmp_path / "dom.js").write_text("")
    monkeypatch.setattr("functions.dashboard.MODULES", tmp_path)
    with pytest.raises(ValueError, match=why):
        bundle("app.js")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/",
        "/assets/none.js",
        "/assets/dom.js",
        "/assets/../dashboard.py",
        "/assets/%2e%2e/index.html",
        "/x",
    ],
)
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_whole_page_is_small(client: httpx.AsyncClient) -> None:
    paths = {"/", *await assets_of(client, "/")}
    sizes = {path: await sent_bytes(client, path) for path in paths}
    assert len(sizes) <= 5  # and the page asks for four documents
    assert sum(sizes.values()) < 45 * 1024, sizes


async def test_the_tracker_is_tiny(client: httpx.AsyncClient) -> None:
    assert await sent_bytes(client, "/tracker.js") < 1536


async def sent_bytes(client: httpx.AsyncClient, path: str) -> int:
    async with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
        body = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(body)
    return len(body)


def test_no_page_holds_inline_script_or_style() -> None:
    for page in FRONTEND.glob("*.html"):
        html = page.read_text("utf-8")
        assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|https?:", html)
