"""OpenAPI as clients read it: client-go's parsers, and ``kubectl explain``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegate.core.image_api.resources import RESOURCES, STORED_VERBS, ApiResource
from tests.support.go_clients import go_client
from tests.support.image_api import Api, served
from tests.support.kubectl import Kubectl

STORED = [each for each in RESOURCES if each.verbs == STORED_VERBS]


@pytest.fixture
def kubectl(api: Api, tmp_path: Path) -> Iterator[Kubectl]:
    with served(api.app) as url:
        found = Kubectl(tmp_path)
        found.use(url, namespace="test")
        yield found


def test_client_go_reads_every_document(api: Api) -> None:
    with served(api.app) as url:
        done = subprocess.run([go_client("openapi"), "-server", url], capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    assert seen["problems"] == []
    for resource in RESOURCES:
        kind = f"{resource.group}/{resource.version} {resource.kind}"
        place = f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"
        assert kind in seen["kinds"]["v2"]
        assert kind in seen["kinds"][place]


@pytest.mark.parametrize("resource", STORED, ids=lambda each: each.name)
def test_explanations_go_to_the_depth(kubectl: Kubectl, resource: ApiResource) -> None:
    done = kubectl("explain", resource.name, f"--api-version={resource.api_version}", "--recursive")
    assert done.stderr == ""
    assert f"KIND:       {resource.kind}\n" in done.stdout
    assert "ownerReferences" in done.stdout
    if resource.name == "cronjobs":
        assert "requiredDuringSchedulingIgnoredDuringExecution" in done.stdout
        done = kubectl("explain", "cronjobs.spec.jobTemplate.spec.template.spec.containers.livenessProbe.httpGet.port")
        assert "FIELD: port <IntOrString>" in done.stdout
        assert done.stderr == ""
