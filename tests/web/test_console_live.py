"""The live view of decisions: server-sent events of the real service, and the page in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.web.asgi import STREAMS
from imagegate.web.server import EVENT_LOOP
from imagegate.web.streams import IN_THREADS_MAX
from tests.support.browser import browser
from tests.support.processes import wait_until
from tests.support.service import Service, sample_config, sample_review, serving
from tests.support.watches import Client, watching

LIVE = "/console/live"
IMAGE = "<img src=x onerror=document.title=1>"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, face: str) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("live"), "--worker", face, workers=2) as found:
        yield found


def review(service: Service, user: str) -> None:
    document = sample_review("step-3-other-registry")
    document["request"]["userInfo"]["username"] = user
    service.post("/mutate", document)


def rows(client: Client) -> list[dict[str, Any]]:
    """The rows in the order in which they came."""
    body = bytes(client.received).partition(b"\r\n\r\n")[2]
    found: list[dict[str, Any]] = []
    for line in body.splitlines():
        if line.startswith(b"data: "):
            found += json.loads(line.removeprefix(b"data: "))
    return found


def users(client: Client) -> set[str]:
    """The users whose decisions have come."""
    return {row["user"] for row in rows(client)}


def test_decisions_of_all_workers_come_once_to_every_view(service: Service) -> None:
    review(service, "before")
    with watching(service.running.port, 3, LIVE) as clients:
        assert {client.status for client in clients} == {200}
        assert b"text/event-stream" in clients[0].received
        clients.read_until(lambda client: "before" in users(client), "what was decided before", 15)
        names = {f"user-{number}" for number in range(12)}  # each over a connection of its own: any worker answers
        for name in names:
            review(service, name)
        clients.read_until(lambda client: names <= users(client), "every decision", 15)
        clients.read(1.5)
        for client in clients:
            shown = [row["id"] for row in rows(client) if row["user"] in names]
            assert len(shown) == len(set(shown)) >= len(names)


@pytest.mark.parametrize("headers, status", [(["Sec-Fetch-Site: cross-site"], 403), (["Origin: null"], 403)])
def test_no_page_elsewhere_may_look(service: Service, headers: list[str], status: int) -> None:
    with watching(service.running.port, 1, LIVE, headers=headers) as (client,):
        assert client.status == status


def test_the_page_shows_decisions_as_they_are_made(service: Service, tmp_path: Path) -> None:
    review(service, IMAGE)
    with browser(tmp_path) as page:
        page.open(f"http://127.0.0.1:{service.running.port}/console/")
        wait_until(lambda: page.evaluate("document.getElementById('live')?.textContent") == "live", "the live view")
        page.evaluate("window.stays = 1")
        for number in range(3):
            review(service, f"seen-{number}")
            review(service, IMAGE)
        seen = "Array.from(document.querySelectorAll('#decisions tr'), row => row.cells[5].textContent)"
        wait_until(lambda: page.evaluate(seen).count("seen-2") >= 1, "the decisions", timeout_s=15)
        wait_until(lambda: page.evaluate(seen).count(IMAGE) >= 4, "the decisions", timeout_s=15)
        assert len(page.evaluate(seen)) <= 100
        assert page.evaluate(
            "new Set(Array.from(document.querySelectorAll('#decisions tr'), r => r.dataset.id)).size"
        ) == (len(page.evaluate(seen)))
        assert page.evaluate("window.stays") == 1, "the page was not loaded again"
        assert page.evaluate("document.title") == "Decisions - imagegate", "what others choose is no markup"
        page.open(page.evaluate("document.querySelector('#decisions tr a').href"))
        assert "different-registry/openshift/image-policy-check" in page.evaluate("document.body.innerText")
        assert page.console == [], "the browser has nothing to complain about, as the policy of the page says"


def test_without_scripts_the_page_loads_again(service: Service, tmp_path: Path) -> None:
    answer = service.get("/console/")
    assert b'<noscript><meta http-equiv="refresh" content="5"></noscript>' in answer.content
    assert b"script-src 'self'; connect-src 'self'" in answer.headers["content-security-policy"].encode()
    assert "script" not in service.get("/console/try").headers["content-security-policy"]
    with browser(tmp_path, scripts=False) as page:
        page.open(f"http://127.0.0.1:{service.running.port}/console/")
        review(service, "without-scripts")
        page.shown.get_by_text("without-scripts").first.wait_for(timeout=20_000)


def test_views_count_among_watches(tmp_path: Path, face: str) -> None:
    with serving(tmp_path, "--worker", face) as service:
        most = STREAMS if face == EVENT_LOOP else IN_THREADS_MAX
        with (
            watching(service.running.port, most // 2, LIVE),
            watching(service.running.port, most - most // 2) as others,
        ):
            assert {client.status for client in others} == {200}
            with watching(service.running.port, 1, LIVE) as (refused,):
                assert refused.status == 429


def test_a_new_policy_is_told(tmp_path: Path) -> None:
    config = sample_config(tmp_path)
    with (
        serving(tmp_path, "--settings", config / "imagegate.yaml") as service,
        watching(service.running.port, 1, LIVE) as clients,
    ):
        file = config / "master-config.yaml"
        text = file.read_text()
        file.write_text(text.replace("allow-images-from-dockerhub", "allow-docker-hub"))
        clients.read_until(lambda client: b"event: policies" in client.received, "the event", 40)
