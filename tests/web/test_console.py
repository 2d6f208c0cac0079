"""The console of the real service."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from imagegate.web.console.texts import CHECKS
from imagegate.wiring.runtime import STORE
from tests.support.processes import wait_until
from tests.support.service import ROOT, Answer, Service, sample_config, sample_review, serving

NAMED_CHECK = re.compile(r'\bCheck\(\s*"([^"]+)"')

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


def words(text: str) -> str:
    """A page's text as people read it."""
    return " ".join(re.sub("<[^>]*>", "", text.replace("<wbr>", "")).split())


def test_decisions_of_all_workers_are_shown_with_a_way_to_their_reasons(service: Service) -> None:
    users = [f"user-{n}" for n in range(12)]
    for user in users:
        review = sample_review("step-3-other-registry")
        review["request"]["userInfo"]["username"] = user
        service.post("/mutate", review)
    wait_until(lambda: all(f">{user}</td>" in page(service, "/console/") for user in users), "every decision")
    text = page(service, "/console/?verdict=denied&namespace=default&image=different-registry")
    assert '<span class="badge denied">denied</span>' in text
    assert '<span class="badge allowed">' not in text
    link = re.search(r'href="(/console/decisions/[0-9a-f]+)"', text)
    assert link is not None
    shown = page(service, link[1])
    assert "no rule allows it" in shown
    assert f"/console/try?image={ELSEWHERE}&namespace=default" in shown


@pytest.mark.parametrize(
    "query", ["verdict=rewritten", "plugin=cise", "namespace=other", "image=quay.io", "verdict=no-such-verdict"]
)
def test_a_filter_shows_nothing_else(service: Service, query: str) -> None:
    service.post("/mutate", sample_review("step-3-other-registry"))
    rows = page(service, f"/console/?{query}").partition('<tbody id="decisions"')[2]
    assert "no rule allows it" not in rows


def test_a_decision_that_is_no_longer_kept_is_said_to_be_in_the_log(service: Service) -> None:
    answer = service.get("/console/decisions/0123456789abcdef0123")
    assert answer.status == 404
    assert "<h1>Not found</h1>" in answer.content.decode()
    assert "200 of each worker, the log all." in answer.content.decode()


def test_an_image_is_tried_with_every_rule(service: Service) -> None:
    text = words(page(service, f"/console/try?image={ELSEWHERE}&namespace=default"))
    assert f"denied {ELSEWHERE}" in text
    told = 'allow-images-from-dockerhub does not match: it is for registry "docker.io", and this image names none.'
    assert told in text
    assert "allowed docker.io/library/nginx:1" in words(page(service, "/console/try?image=docker.io/library/nginx:1"))
    rewritten = words(page(service, "/console/try?image=172.30.1.1:5000/default/image-policy-check:latest"))
    assert "It would run as openshift/image-policy-check@sha256:" in rewritten


MANIFEST = """
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web}
  spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}},
    spec: {containers: [{name: a, image: quay.io/evil/x:1}]}}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: data}}
---
{apiVersion: v1, kind: Pod, metadata: {name: fine, namespace: shop},
  spec: {containers: [{name: a, image: docker.io/x}]}}
"""


def tried(service: Service, manifest: str) -> Answer:
    body = urlencode({"manifest": manifest, "namespace": "team"}).encode()
    return service.ask("POST", "/console/try", body, {"Content-Type": "application/x-www-form-urlencoded"})


def test_a_whole_manifest_is_tried(service: Service) -> None:
    answer = tried(service, MANIFEST)
    assert answer.status == 200
    text = words(html.unescape(answer.content.decode()))
    assert "denied Deployment team/web (line 5)" in text
    assert "The Pods that it makes: denied" in text
    assert "not covered ConfigMap team/data" in text
    assert "allowed Pod shop/fine" in text


@pytest.mark.parametrize(
    "manifest, said, status",
    [
        ("a: [", "manifest:", 400),
        ("", "holds no object", 200),
        ("- 1", "apiVersion and kind", 200),
        ("{kind: Pod}", "apiVersion and kind are required", 200),
        ("[" * 500, "manifest:1", 400),
    ],
)
def test_a_manifest_that_cannot_be_tried_is_told_why(service: Service, manifest: str, said: str, status: int) -> None:
    answer = tried(service, manifest)
    assert answer.status == status
    assert said in html.unescape(answer.content.decode())


def test_a_manifest_is_too_large_for_the_console(service: Service) -> None:
    assert tried(service, "a" * 4_000_000).status == 413


def test_policies_are_shown_with_the_decisions_of_each_rule(service: Service) -> None:
    before = _denied_without_rule(service)
    service.post("/mutate", sample_review("step-3-other-registry"))
    wait_until(lambda: _denied_without_rule(service) == before + 1, "the count")
    text = words(page(service, "/console/policies"))
    assert "executionRules[2] allow-images-from-dockerhub accept pods, builds: from docker.io" in text
    assert "allowedRegistriesForImport[0] docker.io:443 accept imports from docker.io:443" in text
    assert "ImagePolicy signed-demo/signed-only repositories[0] * require requires signatures" in text
    assert "lint has no finding." in text


def test_findings_of_lint_are_shown_with_the_policies(tmp_path: Path, face: str) -> None:
    folder = sample_config(tmp_path)
    (folder / "examples/images/namespaces.yaml").unlink()
    with serving(tmp_path, "--worker", face, "--settings", folder / "imagegate.yaml") as service:
        text = words(page(service, "/console/policies"))
    assert "imagePolicy.namespaces[0].selector: matches no namespace" in text


def _denied_without_rule(service: Service) -> int:
    text = words(page(service, "/console/policies"))
    found = re.search(r"decided without a rule of its own denied (\d+)", text)
    return int(found[1]) if found else 0


def test_health_is_shown(service: Service) -> None:
    text = words(page(service, "/console/health"))
    assert re.search("policy files ?ok", text)
    assert "Every server that was asked answers." in text
    assert "reads the files" in text
    assert CHECKS["policy files"] in text


def test_every_check_has_its_meaning(service: Service) -> None:
    found = {name for file in (ROOT / "imagegate").rglob("*.py") for name in NAMED_CHECK.findall(file.read_text())}
    assert len(found) > 15
    assert found | {STORE} == CHECKS.keys()
    assert service.get("/readyz").json["checks"].keys() <= CHECKS.keys()


def test_what_is_tried_is_never_markup(service: Service) -> None:
    answer = service.get("/console/try?image=%3Cscript%3Ealert(1)%3C/script%3E&namespace=%22%3E%3Cb%3E")
    assert b"<script" not in answer.content
    assert b"<b>" not in answer.content


def test_pages_allow_no_scripts_and_no_frames(service: Service) -> None:
    policy = service.get("/console/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert service.get("/console/static/console.css").headers["content-type"].startswith("text/css")


def form(service: Service, path: str, body: str, **headers: str) -> Answer:
    return service.ask("POST", path, body.encode(), {"Content-Type": "application/x-www-form-urlencoded", **headers})


def test_an_image_is_marked_and_the_next_verdict_is_another(service: Service) -> None:
    name = "sha256:" + "a" * 64
    image = {
        "apiVersion": "image.openshift.io/v1",
        "kind": "Image",
        "metadata": {"name": name, "annotations": {"team": "<b>shop</b>"}},
        "dockerImageReference": f"docker.io/library/busybox@{name}",
    }
    assert service.post("/apis/image.openshift.io/v1/images", image).status == 201
    mark = f"/console/images/{name}/mark"
    pinned = f"/console/try?image=docker.io/library/busybox@{name}"
    assert "<b>shop" not in service.get("/console/images").content.decode()
    assert "allowed docker.io/library/busybox" in words(page(service, pinned))
    assert "Mark this image?" in page(service, mark)
    answer = form(service, mark, "denied=true")
    assert (answer.status, answer.headers["location"]) == (303, "/console/images")
    assert "images.openshift.io/deny-execution=true" in words(page(service, "/console/images"))
    wait_until(lambda: "denied docker.io/library/busybox" in words(page(service, pinned)), "the other verdict")
    assert "Take the mark away?" in page(service, mark)
    assert form(service, mark, "denied=false").status == 303
    wait_until(lambda: "allowed docker.io/library/busybox" in words(page(service, pinned)), "the first verdict")
    stored = service.get(f"/apis/image.openshift.io/v1/images/{name}").json
    assert stored["metadata"]["annotations"] == {"team": "<b>shop</b>"}


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://localhost:1"}, {"X-Forwarded-For": "192.0.2.1"}]
)
def test_no_page_elsewhere_marks_an_image(service: Service, headers: dict[str, str]) -> None:
    assert form(service, "/console/images/sha256:0/mark", "denied=true", **headers).status == 403


def test_an_image_that_is_not_there_cannot_be_marked(service: Service) -> None:
    assert service.get("/console/images/sha256:0/mark").status == 404
    assert form(service, "/console/images/sha256:0/mark", "denied=true").status == 409


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


@pytest.mark.parametrize(
    "path",
    [
        "/console/",
        "/console/try?image=docker.io/library/nginx:1",
        "/console/images",
        "/console/policies",
        "/console/health",
    ],
)
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
