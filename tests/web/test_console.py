"""The console of the real service."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import wait_until
from tests.support.service import Service, sample_review, serving

ELSEWHERE = "different-registry/openshift/image-policy-check:latest"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, face: str) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("console"), "--worker", face, workers=2) as found:
        yield found


def page(service: Service, path: str) -> str:
    answer = service.get(path)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return html.unescape(answer.content.decode())


def test_decisions_of_all_workers_are_shown_with_a_way_to_their_reasons(service: Service) -> None:
    users = [f"user-{n}" for n in range(12)]
    for user in users:
        review = sample_review("step-3-other-registry")
        review["request"]["userInfo"]["username"] = user
        service.post("/mutate", review)
    wait_until(lambda: all(f"<td>{user}</td>" in page(service, "/console/") for user in users), "every decision")
    text = page(service, "/console/")
    assert '<td class="denied">denied</td>' in text
    assert f"/console/try?image={ELSEWHERE}&namespace=default" in text
    assert "<td>image-policy</td><td>enforce</td>" in text


def test_an_image_is_tried_with_every_rule(service: Service) -> None:
    text = page(service, f"/console/try?image={ELSEWHERE}&namespace=default")
    assert '<span class="denied">denied</span>' in text
    assert "allow-images-from-dockerhub: not-matched" in text
    allowed = page(service, "/console/try?image=docker.io/library/nginx:1")
    assert '<span class="allowed">allowed</span>' in allowed
    rewritten = page(service, "/console/try?image=172.30.1.1:5000/default/image-policy-check:latest")
    assert "It would run as <code>openshift/image-policy-check@sha256:" in rewritten


def test_what_is_tried_is_never_markup(service: Service) -> None:
    answer = service.get("/console/try?image=%3Cscript%3Ealert(1)%3C/script%3E&namespace=%22%3E%3Cb%3E")
    assert b"<script" not in answer.content
    assert b"<b>" not in answer.content


def test_pages_allow_no_scripts_and_no_frames(service: Service) -> None:
    policy = service.get("/console/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert service.get("/console/static/console.css").headers["content-type"].startswith("text/css")


def test_images_of_the_store_are_listed_with_their_marks(service: Service) -> None:
    before = page(service, "/console/images")
    assert "openshift/image-policy-check" in before  # of the sample files
    assert "images.openshift.io/deny-execution=true" not in before
    image = {
        "apiVersion": "image.openshift.io/v1",
        "kind": "Image",
        "metadata": {"name": "sha256:" + "a" * 64, "annotations": {"images.openshift.io/deny-execution": "true"}},
        "dockerImageReference": "docker.io/library/busybox@sha256:" + "a" * 64,
    }
    assert service.post("/apis/image.openshift.io/v1/images", image).status == 201
    text = page(service, "/console/images")
    assert "images.openshift.io/deny-execution=true" in text
    assert "docker.io/library/busybox" in text


@pytest.mark.parametrize(
    "host, status",
    [
        ("localhost", 200),
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:8080", 200),
        ("[::1]", 200),
        ("imagegate.example.com", 403),
        ("127.0.0.1.example.com:8080", 403),
        ("10.0.0.1", 403),
    ],
)
def test_only_this_machine_by_its_own_name(service: Service, host: str, status: int) -> None:
    assert service.ask("GET", "/console/", headers={"Host": host}).status == status


def test_an_image_is_tried_without_leaving_a_decision(service: Service, tmp_path: Path) -> None:
    before = len([line for line in service.log_lines() if line["logger"] == "imagegate.decision"])
    page(service, "/console/try?image=docker.io/library/nginx:1")
    assert len([line for line in service.log_lines() if line["logger"] == "imagegate.decision"]) == before


@pytest.mark.parametrize("path", ["/console/", "/console/try?image=docker.io/library/nginx:1", "/console/images"])
@pytest.mark.parametrize(
    "header, value, status",
    [
        ("Sec-Fetch-Site", "cross-site", 403),
        ("Sec-Fetch-Site", "same-site", 403),
        ("Sec-Fetch-Site", "same-origin", 200),
        ("Sec-Fetch-Site", "none", 200),
        ("Origin", "http://localhost:1", 403),
        ("Origin", "null", 403),
        ("X-Forwarded-For", "192.0.2.1", 403),
        ("Via", "1.1 proxy", 403),
    ],
)
def test_no_page_elsewhere_makes_the_console_look_something_up(
    service: Service, path: str, header: str, value: str, status: int
) -> None:
    assert service.ask("GET", path, headers={header: value}).status == status
