"""Bodies of any shape: every one is answered with an object or with a Status below 500."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagegate.core.image_api.schema import TYPES
from tests.support.image_api import Api, make_api
from tests.support.image_objects import DIGEST_1, event, image, spec_tag
from tests.web.image_api.conftest import with_project
from tests.web.image_api.test_oc import put_stream

WORDS = st.sampled_from(
    [
        "",
        "a",
        "app",
        "app:v1",
        "a@b",
        DIGEST_1,
        "quay.io/a/b",
        "A",
        "busybox",
        "DockerImage",
        "ImageStreamTag",
        "v1",
        ".",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-3, 10**20) | WORDS | st.text(max_size=5) | st.floats(-1, 1)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=8
)


def of_type(type_: str, depth: int = 0) -> st.SearchStrategy[Any]:
    """Mostly values of a type of the table, sometimes anything."""
    if depth > 5:
        return SCALARS
    made: st.SearchStrategy[Any]
    if type_[0] == "[":
        made = st.lists(of_type(type_[1:-1], depth + 1), max_size=2)
    elif type_[0] == "{":
        made = st.dictionaries(WORDS, of_type(type_[1:-1], depth + 1), max_size=2)
    elif type_ in TYPES:
        fields = {name: of_type(field.type, depth + 1) for name, field in TYPES[type_].items() if name != "apiVersion"}
        made = st.fixed_dictionaries({}, optional={key: value for key, value in fields.items() if key != "kind"})
    else:
        scalars: dict[str, st.SearchStrategy[Any]] = {
            "boolean": st.booleans(),
            "int64": st.integers(-1, 3),
            "int32": st.integers(-1, 3),
            "string": WORDS,
            "time": WORDS,
        }
        made = scalars.get(type_, st.dictionaries(WORDS, SCALARS, max_size=2))
    return st.one_of(made, made, made, made, made, made, made, SCALARS, ANYTHING)


WORKLOADS = ("/api/v1/namespaces/test/pods", "/apis/apps/v1/namespaces/test/deployments")
KINDS = {
    "ImageStream": "namespaces/test/imagestreams",
    "ImageStreamTag": "namespaces/test/imagestreamtags",
    "ImageTag": "namespaces/test/imagetags",
    "Image": "images",
    "ImageStreamImport": "namespaces/test/imagestreamimports",
    "ImageStreamMapping": "namespaces/test/imagestreammappings",
    "ImageSignature": "imagesignatures",
}


@pytest.fixture(scope="module")
def fuzzed() -> Api:
    folder = Path(tempfile.mkdtemp(prefix="imagegate-fuzz-"))
    made = with_project(make_api(folder / "images.db", rules=[("quay.io", False), ("docker.io", True)]))
    made.post("images", image(DIGEST_1))
    put_stream(made, "test", "app", {"v1": [event(DIGEST_1, f"quay.io/a/b@{DIGEST_1}")]})
    made.put("namespaces/test/imagestreamtags/app:v1", {"tag": spec_tag("v1", "quay.io/a/b")}, 201)
    return made


def sane(api: Api, method: str, path: str, body: Any, **headers: str) -> None:
    answer = api.ask(method, path, body, **headers)
    text = answer.get_data(as_text=True)
    assert answer.json is not None, text
    if "no registry client" not in text:
        assert answer.status_code < 500, f"{method} {path} {body!r}: {text}"
    if answer.status_code >= 400:
        assert answer.json["kind"] == "Status"
        assert answer.json["message"]


@pytest.mark.parametrize("kind", list(KINDS))
def test_created_objects(fuzzed: Api, kind: str) -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(of_type(kind))
    def create(body: Any) -> None:
        sane(fuzzed, "POST", KINDS[kind] + "?dryRun=All", body)

    create()


@pytest.mark.parametrize(
    "path, kind",
    [
        ("namespaces/test/imagestreams/app", "ImageStream"),
        ("namespaces/test/imagestreams/app/status", "ImageStream"),
        ("namespaces/test/imagestreamtags/app:v1", "ImageStreamTag"),
        ("namespaces/test/imagetags/app:v1", "ImageTag"),
        (f"images/{DIGEST_1}", "Image"),
    ],
)
def test_changed_objects(fuzzed: Api, path: str, kind: str) -> None:
    stored = fuzzed.get(path)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(of_type(kind), st.sampled_from(["PUT", "merge-patch", "strategic-merge-patch"]))
    def change(body: Any, how: str) -> None:
        if how != "PUT":
            sane(fuzzed, "PATCH", f"{path}?dryRun=All", body, Content_Type=f"application/{how}+json")
            return
        if isinstance(body, dict) and isinstance(body.get("metadata", {}), dict):
            versioned = {key: stored["metadata"][key] for key in ("name", "resourceVersion")}
            body = {**body, "metadata": {**body.get("metadata", {}), **versioned}}
        sane(fuzzed, "PUT", f"{path}?dryRun=All", body)

    change()


def test_workloads_of_any_shape(fuzzed: Api) -> None:
    pod = st.fixed_dictionaries(
        {}, optional={"metadata": of_type("ObjectMeta"), "spec": ANYTHING, "status": ANYTHING, "kind": WORDS}
    )

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        pod | ANYTHING, st.sampled_from(["/api/v1/namespaces/test/pods", "/apis/apps/v1/namespaces/test/deployments"])
    )
    def create(body: Any, path: str) -> None:
        sane(fuzzed, "POST", path + "?dryRun=All", body)

    create()


@given(st.lists(st.sampled_from(["a", "=", "!", "in", " ", "(", ")", ",", "notin", "b", ">", "é", "/"]), max_size=8))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_selectors_of_any_shape(fuzzed: Api, parts: list[str]) -> None:
    text = "".join(parts)
    answer = fuzzed.client.get(
        "/apis/image.openshift.io/v1/imagestreams", query_string={"labelSelector": text, "fieldSelector": text}
    )
    assert answer.status_code in (200, 400)
