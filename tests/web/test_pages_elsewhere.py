"""A real browser: what pages of other origins can make it send to the service, and that the console works in it."""

from __future__ import annotations

import contextlib
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import program
from tests.support.service import Service, serving

DIGEST = "sha256:" + "a" * 64
IMAGES = "/apis/image.openshift.io/v1/images"
PAGE = """<!doctype html><title>start</title><pre id=o></pre><script>
const base = "BASE", images = base + "IMAGES", out = [];
const image = n => JSON.stringify({apiVersion: "image.openshift.io/v1", kind: "Image", dockerImageReference: "a/b",
  metadata: {name: "sha256:" + String(n).repeat(64), annotations: {from: location.origin}}});
const send = async (name, url, options) => {
  try { out.push(name + ": " + (await fetch(url, options)).type); } catch (e) { out.push(name + ": " + e); }
};
const kubectl = {"User-Agent": "kubectl/v1.20.2"};
(async () => {
  await send("blob", images, {mode: "no-cors", method: "POST", body: new Blob([image(1)])});
  await send("text", images, {mode: "no-cors", method: "POST", body: image(2)});
  await send("json", images, {method: "POST", body: image(3), headers: {"Content-Type": "application/json"}});
  await send("agent", images, {method: "POST", body: new Blob([image(4)]), headers: kubectl});
  await send("agent", images, {mode: "no-cors", method: "POST", body: new Blob([image(5)]), headers: kubectl});
  await send("patch", images + "/DIGEST", {method: "PATCH", body: '{"metadata":{"annotations":{"from":"page"}}}',
    headers: {"Content-Type": "application/merge-patch+json"}});
  await send("delete", images + "/DIGEST", {method: "DELETE"});
  navigator.sendBeacon(images, new Blob([image(6)]));
  const form = document.createElement("form");
  form.method = "POST"; form.enctype = "text/plain"; form.action = images; form.target = "f";
  const input = document.createElement("input");
  input.name = image(7).slice(0, -1) + ',"x":"'; input.value = '"}'; form.append(input);
  const frame = document.createElement("iframe"); frame.name = "f"; document.body.append(frame, form); form.submit();
  await send("watch", images + "?watch=1", {mode: "no-cors"});
  await send("try", base + "/console/try?image=lookup.example/a:1", {mode: "no-cors"});
  const picture = new Image(); picture.src = base + "/console/try?image=lookup.example/b:1";
  await new Promise(done => setTimeout(done, 500));
  document.getElementById("o").textContent = out.join("\\n"); document.title = "done";
})();</script>
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, face: str) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("pages"), "--worker", face) as found:
        image = {"metadata": {"name": DIGEST}, "dockerImageReference": "a/b"}
        assert found.post(IMAGES, image).status == 201
        yield found


def browse(url: str, folder: Path, *, scripts_s: int = 0) -> str:
    """What a page has become; with ``scripts_s`` after that many seconds of its own time."""
    options = ["headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "dump-dom"]
    options += [f"user-data-dir={folder}", "host-resolver-rules=MAP *.example 127.0.0.1"]
    if scripts_s:
        options.append(f"virtual-time-budget={scripts_s * 1_000}")
    command = [program("chromium"), *(f"--{option}" for option in options), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout


@contextlib.contextmanager
def page_server(page: str) -> Iterator[int]:
    """A server of its own for the page; gives its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("own", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "evil.example"])
def test_a_page_of_another_origin_changes_nothing_and_looks_nothing_up(
    service: Service, tmp_path: Path, host: str, own: str
) -> None:
    base = f"http://{own}:{service.running.port}"
    page = PAGE.replace("BASE", base).replace("IMAGES", IMAGES).replace("DIGEST", DIGEST)
    with page_server(page) as port:
        shown = browse(f"http://{host}:{port}/", tmp_path, scripts_s=8)
    assert "<title>done</title>" in shown
    assert "blob: opaque" in shown, "the browser sent nothing, so nothing was tried"
    kept = json.loads(service.get(IMAGES).content)["items"]
    strange = [image for image in kept if "from" in (image["metadata"].get("annotations") or {})]
    assert strange == []
    assert DIGEST in [image["metadata"]["name"] for image in kept]


def test_by_a_name_that_leads_here_nothing_is_answered(service: Service, tmp_path: Path) -> None:
    """DNS rebinding: the page is of the same origin as what it asks, by a name that is not this machine's."""
    shown = browse(f"http://rebound.example:{service.running.port}/console/", tmp_path)
    assert "the console answers on the loopback only" in shown
    shown = browse(f"http://rebound.example:{service.running.port}{IMAGES}", tmp_path / "two")
    assert "answers only this machine" in shown


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_console_works(service: Service, tmp_path: Path, host: str) -> None:
    base = f"http://{host}:{service.running.port}"
    decisions = browse(f"{base}/console/", tmp_path / "one")
    assert "console.css" in decisions
    tried = browse(f"{base}/console/try?image=different-registry/a/b:1&namespace=default", tmp_path / "two")
    assert '<span class="badge denied">denied</span>' in tried
