"""What is published, to clients of the dry cluster and, over TLS, to an API server that merges it with its own."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support.image_api import Api

OWN = "com.github.openshift.api.image.v1."
TLS, PLAIN = "https://localhost:8443", "http://localhost:8080"


def document(api: Api, path: str, base_url: str, code: int = 200) -> Any:
    answer = api.client.get(path, base_url=base_url)
    assert answer.status_code == code
    return answer.json


def test_over_tls_only_the_own_group_is_published(api: Api) -> None:
    v2 = document(api, "/openapi/v2", TLS)
    assert all(name.startswith(OWN) for name in v2["definitions"])
    assert all(path.startswith("/apis/image.openshift.io/v1/") for path in v2["paths"])
    assert document(api, "/openapi/v3", TLS)["paths"].keys() == {"apis/image.openshift.io/v1"}
    v3 = document(api, "/openapi/v3/apis/image.openshift.io/v1", TLS)
    assert all(name.startswith(OWN) for name in v3["components"]["schemas"])
    for found in (v2, v3):
        text = json.dumps(found)
        assert "io.k8s." not in text
        groups = re.findall(r'"x-kubernetes-group-version-kind": \[?{"group": "([^"]*)"', text)
        assert set(groups) == {"image.openshift.io"}
    for path in ("api/v1", "apis/apps/v1", "apis/batch/v1", "apis/build.openshift.io/v1"):
        document(api, f"/openapi/v3/{path}", TLS, 404)


@pytest.mark.parametrize("base_url", [TLS, PLAIN])
def test_every_reference_leads_somewhere(api: Api, base_url: str) -> None:
    v2 = document(api, "/openapi/v2", base_url)
    found = {"#/definitions/": (v2, v2["definitions"])}
    for name in document(api, "/openapi/v3", base_url)["paths"]:
        v3 = document(api, f"/openapi/v3/{name}", base_url)
        found[f"#/components/schemas/ {name}"] = (v3, v3["components"]["schemas"])
    for prefix, (whole, defined) in found.items():
        references = set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(whole)))
        assert references or "image" not in prefix
        assert {reference.removeprefix(prefix.split()[0]) for reference in references} <= defined.keys()


def test_on_plain_http_the_dry_cluster_describes_all_it_serves(api: Api) -> None:
    assert {"api/v1", "apis/apps/v1", "apis/image.openshift.io/v1"} <= document(api, "/openapi/v3", PLAIN)[
        "paths"
    ].keys()
    assert "io.k8s.api.apps.v1.Deployment" in document(api, "/openapi/v2", PLAIN)["definitions"]
    assert "io.k8s.api.apps.v1.Deployment" in document(api, "/openapi/v3/apis/apps/v1", PLAIN)["components"]["schemas"]
