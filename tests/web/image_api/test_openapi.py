"""What is published, to clients of the dry cluster and, over TLS, to an API server that merges it with its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
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


VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "image_api" / "openapi.json"
IMAGE_API = "/openapi/v3/apis/image.openshift.io/v1"


def test_schemas_of_the_group_are_the_originals(api: Api) -> None:
    """Types, formats, required fields, defaults and merge keys, as openshift-apiserver publishes them."""
    v3 = document(api, IMAGE_API, PLAIN)["components"]["schemas"]
    v2 = document(api, "/openapi/v2", PLAIN)["definitions"]
    for name, wanted in json.loads(VECTORS.read_text(encoding="utf-8")).items():
        schema = v3[f"{OWN}{name}"]
        assert set(schema.get("required", ())) == set(wanted["required"]), name
        assert {key: shape(each) for key, each in schema["properties"].items()} == wanted["properties"], name
        old = v2[f"{OWN}{name}"]
        assert old["properties"].keys() == wanted["properties"].keys()
        assert all("default" not in each for each in old["properties"].values()), name
        for key, each in old["properties"].items():
            merge_key = wanted["properties"][key].get("x-kubernetes-patch-merge-key")
            assert each.get("x-kubernetes-patch-merge-key") == merge_key, (name, key)


def shape(schema: dict[str, Any]) -> dict[str, Any]:
    items = schema.get("items")
    found = {
        "type": schema.get("type") or reference(schema),
        "format": schema.get("format"),
        "items": items and (items.get("type") or reference(items)),
        "default": schema.get("default"),
    }
    patches = ("x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy")
    return {**found, **{key: schema[key] for key in patches if key in schema}}


def reference(schema: dict[str, Any]) -> str:
    found: str = schema["allOf"][0]["$ref"] if "allOf" in schema else schema["$ref"]
    return found


def test_every_path_that_is_served_is_described(api: Api) -> None:
    for name in document(api, "/openapi/v3", PLAIN)["paths"]:
        paths = document(api, f"/openapi/v3/{name}", PLAIN)["paths"]
        found = [
            each["operationId"] for path in paths.values() for method, each in path.items() if method != "parameters"
        ]
        assert len(found) == len(set(found))
    paths = document(api, IMAGE_API, PLAIN)["paths"]
    base = "/apis/image.openshift.io/v1"
    stream = f"{base}/namespaces/{{namespace}}/imagestreams"
    for path, methods in {
        f"{base}/imagestreams": {"get"},
        stream: {"get", "post", "delete"},
        f"{stream}/{{name}}/status": {"get", "put", "patch"},
        f"{stream}/{{name}}/layers": {"get"},
        f"{stream}/{{name}}/secrets": {"get"},
        f"{base}/images": {"get", "post", "delete"},
        f"{base}/watch/namespaces/{{namespace}}/imagestreams/{{name}}": {"get"},
    }.items():
        assert paths[path].keys() - {"parameters"} == methods, path
    patch = paths[f"{stream}/{{name}}"]["patch"]["requestBody"]["content"]
    assert "application/strategic-merge-patch+json" in patch
    assert paths[stream]["get"]["x-kubernetes-action"] == "list"
