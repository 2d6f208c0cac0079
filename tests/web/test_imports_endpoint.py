"""``/validate/imports`` through the running application, and what kubectl prints of its answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from werkzeug.test import Client

from imagegate.web.admission import AdmissionEndpoints
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.runtime import build
from tests.support.import_gate_setup import docker_tag, review_of, stream, stream_import, stream_tag
from tests.support.kubectl import Kubectl
from tests.support.webhook_api import WEBHOOK, WebhookApi

DOCS = Path(__file__).resolve().parents[2] / "docs" / "import-gate.md"
CONFIG = """
imagePolicyConfig:
  allowedRegistriesForImport:
  - domainName: registry.access.redhat.com
  - domainName: "*.mydomain.com"
    insecure: true
  - domainName: local.registry.corp:5000
"""
LISTED = '"local.registry.corp:5000", "*.mydomain.com:80", "registry.access.redhat.com:443"'
NEAREST = (
    "nearest rule: allowedRegistriesForImport[2] local.registry.corp:5000 would allow it, "
    'but port 443 does not match "5000"'
)
BAR = stream("bar", docker_tag("latest", "local.registry.corp/bar", reference=True))


def nothing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    raise AssertionError(environ["PATH_INFO"])


@pytest.fixture
def imagegate(tmp_path: Path) -> AdmissionEndpoints:
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return AdmissionEndpoints(build(StartupOptions(config=tmp_path / "config.yaml", environ={})).reviewer, nothing)


def answer(imagegate: AdmissionEndpoints, review: dict[str, Any]) -> dict[str, Any]:
    response = Client(imagegate).post("/validate/imports", json=review)
    assert response.status_code == 200
    document = response.get_json()
    assert document["response"]["uid"] == review["request"]["uid"]
    found: dict[str, Any] = document["response"]
    return found


@pytest.mark.parametrize(
    "resource,allowed,denied",
    [
        ("imagestreams", stream("a", docker_tag("t", "registry.access.redhat.com/x")), BAR),
        (
            "imagestreamtags",
            stream_tag("app:v1", "reg.mydomain.com/app:v1", insecure=True),
            stream_tag("bar:latest", "local.registry.corp/bar"),
        ),
        (
            "imagestreamimports",
            stream_import("foo", "reg1.mydomain.com:80/foo"),
            stream_import("foo", "reg1.mydomain.com/foo"),
        ),
    ],
)
def test_reviews_as_an_api_server_sends_them(
    imagegate: AdmissionEndpoints, resource: str, allowed: dict[str, Any], denied: dict[str, Any]
) -> None:
    assert answer(imagegate, review_of(resource, allowed))["allowed"] is True
    refused = answer(imagegate, review_of(resource, denied))
    assert refused["allowed"] is False
    assert refused["status"]["code"] == 422
    assert refused["status"]["details"]["causes"]


def test_an_update_and_a_status_update(imagegate: AdmissionEndpoints) -> None:
    old = {**BAR, "metadata": {**BAR["metadata"], "resourceVersion": "7"}}
    assert answer(imagegate, review_of("imagestreams", old, old))["allowed"] is True
    new = {**old, "spec": {"tags": [docker_tag("latest", "quay.io/x")]}}
    assert answer(imagegate, review_of("imagestreams", new, old))["allowed"] is False
    status = {**old, "status": {"tags": [{"tag": "a", "items": [{"dockerImageReference": "quay.io/x"}]}]}}
    assert answer(imagegate, review_of("imagestreams", status, old, sub_resource="status"))["allowed"] is False


def kubectl_create(imagegate: AdmissionEndpoints, home: Path, document: dict[str, Any]) -> tuple[int, str, str]:
    path = home / "object.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    kubectl = Kubectl(home)
    with WebhookApi(imagegate) as api:
        kubectl.use(api.url, namespace="test")
        done = kubectl("create", "--validate=false", "-f", path, check=False)
    return done.returncode, done.stdout, done.stderr


def test_kubectl_prints_what_the_manual_prints(imagegate: AdmissionEndpoints, tmp_path: Path) -> None:
    code, _, said = kubectl_create(imagegate, tmp_path, BAR)
    assert code == 1
    assert said == (
        'The ImageStream "bar" is invalid: \n'
        "* spec.tags[latest].from.name: Forbidden: "
        f'registry "local.registry.corp" not allowed by whitelist: {LISTED}; {NEAREST}\n'
        "* status.tags[latest].items[0].dockerImageReference: Forbidden: "
        f'registry "local.registry.corp" not allowed by whitelist: {LISTED}; {NEAREST}\n'
    )
    assert WEBHOOK not in said
    assert _as_documented(said)


def test_kubectl_prints_one_cause_on_the_line(imagegate: AdmissionEndpoints, tmp_path: Path) -> None:
    code, _, said = kubectl_create(imagegate, tmp_path, stream_tag("bar:latest", "local.registry.corp/bar"))
    assert code == 1
    assert said == (
        'The ImageStreamTag "bar:latest" is invalid: tag.from.name: Forbidden: '
        f'registry "local.registry.corp" not allowed by whitelist: {LISTED}; {NEAREST}\n'
    )
    assert _as_documented(said)


def test_kubectl_creates_what_is_allowed(imagegate: AdmissionEndpoints, tmp_path: Path) -> None:
    code, said, _ = kubectl_create(imagegate, tmp_path, stream_tag("app:v1", "reg.mydomain.com/app:v1", insecure=True))
    assert (code, said) == (0, "imagestreamtag.image.openshift.io/app:v1 created\n")


def _as_documented(said: str) -> bool:
    """Whether the page for operators shows this output, blanks at line ends aside."""
    shown = re.sub(r" +$", "", said.strip(), flags=re.MULTILINE)
    return shown in re.sub(r" +$", "", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_page_shows_the_answer_as_it_is(imagegate: AdmissionEndpoints) -> None:
    review = review_of("imagestreamtags", stream_tag("bar:latest", "local.registry.corp/bar"))
    shown = re.search(r"```json\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert shown is not None
    assert json.loads(shown[1]) == answer(imagegate, review)["status"]
