"""Short bodies that would be enormous objects: they are refused before anything is made of them, in every format."""

from __future__ import annotations

import time
from typing import Any

import pytest

from imagegate.core.image_api.amounts import OBJECT_MAX_BYTES, VALUES_MAX
from imagegate.core.kube.status import ERRORS_MAX
from tests.support.image_api import Api
from tests.web.image_api.test_protobuf import field, sent

STREAMS = "namespaces/test/imagestreams"
PODS = "/api/v1/namespaces/test/pods"
HEAD = b'{"kind":"ImageStream","apiVersion":"image.openshift.io/v1","metadata":{"name":"a"'
MANY = 1_000_000
"""Elements that fit into a body of 3 MiB."""
PROTOBUF = "application/vnd.kubernetes.protobuf"
SOON_S = 5
"""Seconds of processor time; without a limit, one such body took up to 100 and 700 MiB."""

BODIES: dict[str, tuple[str, str, bytes]] = {
    "objects": (STREAMS, "application/json", HEAD + b'},"spec":{"tags":[' + b"{}," * MANY + b"{}]}}"),
    "lists": (STREAMS, "application/json", HEAD + b'},"x":[' + b"[]," * MANY + b"[]]}"),
    "strings": (STREAMS, "application/json", HEAD + b',"finalizers":[' + b'"",' * MANY + b'""]}}'),
    "repeated keys": (STREAMS, "application/json", HEAD + b"}," + b'"x":[{}],' * 300_000 + b'"x":1}'),
    "json as yaml": (STREAMS, "application/yaml", HEAD + b',"finalizers":[' + b'"",' * MANY + b'""]}}'),
    "yaml": (STREAMS, "application/yaml", b"spec:\n  tags:\n" + b"  -\n" * 700_000),
    "yaml flow": (STREAMS, "application/yaml", b"spec: {tags: [" + b"{}," * MANY + b"{}]}"),
    "protobuf": (PODS, PROTOBUF, sent("Pod", field(1, field(1, "a")) + field(2, b"\x12\x00" * 1_500_000))),
    "protobuf, nested": (
        PODS,
        PROTOBUF,
        sent("Pod", field(1, field(1, "a")) + field(2, field(2, b"\x3a\x00" * 1_000) * 1_000)),
    ),
}


@pytest.mark.parametrize("name", list(BODIES))
def test_a_body_of_too_many_values(api: Api, name: str) -> None:
    path, media_type, body = BODIES[name]
    assert len(body) <= OBJECT_MAX_BYTES
    begun = time.process_time()
    answer = api.ask("POST", path, body, Content_Type=media_type)
    assert time.process_time() - begun < SOON_S
    assert f"{VALUES_MAX} values" in answer.get_data(as_text=True)
    assert answer.status_code == (400 if media_type == "application/yaml" else 413)


@pytest.mark.parametrize("kind", ["merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml"])
def test_a_patch_of_too_many_values(api: Api, kind: str) -> None:
    api.post(STREAMS, {"metadata": {"name": "a"}})
    body = HEAD + b'},"spec":{"tags":[' + b"{}," * MANY + b"{}]}}"
    answer = api.ask("PATCH", f"{STREAMS}/a?fieldManager=me", body, Content_Type=f"application/{kind}")
    assert f"{VALUES_MAX} values" in answer.get_data(as_text=True)
    assert answer.status_code == (400 if kind == "apply-patch+yaml" else 413)


def test_an_object_of_many_values_is_taken(api: Api) -> None:
    """More than etcd has room for."""
    tags = [{"name": f"t{index}", "annotations": {"a": "b", "c": "d"}} for index in range(10_000)]
    stream = api.post(f"{STREAMS}?dryRun=All", {"metadata": {"name": "a"}, "spec": {"tags": tags}})
    assert len(stream["spec"]["tags"]) == 10_000


def test_commas_in_a_string_are_no_values(api: Api) -> None:
    tag = {"name": "t", "annotations": {"a": "{[," * 80_000}}
    api.post(f"{STREAMS}?dryRun=All", {"metadata": {"name": "a"}, "spec": {"tags": [tag]}})


@pytest.mark.parametrize(
    "method, media_type", [("POST", "application/yaml"), ("PATCH", "application/apply-patch+yaml")]
)
@pytest.mark.parametrize("long", ["key", "value"])
def test_aliases_of_a_long_string(api: Api, method: str, media_type: str, long: str) -> None:
    """500 KB of YAML were an object of 1 GB."""
    text = "x" * 400_000
    entry = f'{{? "{text}" : b}}' if long == "key" else f'{{a: "{text}"}}'
    body = "apiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {name: a}\nspec:\n  tags:\n"
    body += f"  - {{name: t, annotations: &a {entry}}}\n"
    body += "".join(f"  - {{name: t{index}, annotations: *a}}\n" for index in range(3_000))
    path = f"{STREAMS}/a?fieldManager=me" if method == "PATCH" else STREAMS
    answer = api.ask(method, path, body.encode(), Content_Type=media_type)
    assert answer.status_code == 400, answer.get_data(as_text=True)[:500]
    assert "aliases refer to more than" in answer.get_data(as_text=True)


def test_aliases_that_make_a_body_larger_than_bodies_may_be(api: Api) -> None:
    body = f'metadata: {{name: a}}\nx: [&a "{"x" * 400_000}"{", *a" * 8}]\n'
    answer = api.ask("POST", STREAMS, body.encode(), Content_Type="application/yaml")
    assert answer.status_code == 413
    assert f"{OBJECT_MAX_BYTES} bytes" in answer.get_data(as_text=True)


def test_many_managers_do_not_make_an_object_of_any_size(api: Api) -> None:
    codes = []
    for index in range(4):
        tag = {"name": f"t{index}", "annotations": {"a": "x" * 1_000_000}}
        body: dict[str, Any] = {"apiVersion": "image.openshift.io/v1", "kind": "ImageStream", "metadata": {"name": "a"}}
        body["spec"] = {"tags": [tag]}
        path = f"{STREAMS}/a?fieldManager=m{index}"
        codes.append(api.ask("PATCH", path, body, Content_Type="application/apply-patch+yaml").status_code)
    assert codes == [201, 200, 200, 413]


def test_patches_do_not_make_an_object_of_any_number_of_values(api: Api) -> None:
    api.post(STREAMS, {"metadata": {"name": "a"}})
    patch = [{"op": "add", "path": "/spec/tags", "value": [{"name": f"t{n}"} for n in range(15_000)]}]
    api.patch(f"{STREAMS}/a", patch, kind="json-patch")
    more = [{"op": "add", "path": f"/spec/tags/{n}", "value": {"name": f"u{n}"}} for n in range(9_000)]
    assert "values" in api.patch(f"{STREAMS}/a", more, 413, kind="json-patch")["message"]


def test_many_owners_are_compared_in_linear_time(api: Api) -> None:
    """Each was compared with all before it: hours for one body of 3 MiB."""
    owners = [{"uid": f"{index:x}", "apiVersion": "v1", "kind": "Pod", "name": "p"} for index in range(19_000)]
    body = {"metadata": {"name": "a", "ownerReferences": [*owners, owners[0]]}}
    begun = time.process_time()
    answer = api.ask("POST", STREAMS, body)
    assert time.process_time() - begun < SOON_S
    assert answer.status_code == 201
    assert "duplicate entries" in answer.headers["Warning"]
    assert len(answer.json["metadata"]["ownerReferences"]) == 19_000  # type: ignore[index]


@pytest.mark.parametrize("how", ["POST", "PUT", "PATCH"])
def test_many_tags_do_not_make_a_stream_of_any_size(api: Api, how: str) -> None:
    """Each request was within its limit; the stream had 17 MB after six of them."""
    answers = []
    for index in range(4):
        name = f"t{index}"
        source = {"kind": "DockerImage", "name": "quay.io/a/b"}
        spec = {"name": name, "annotations": {"a": "x" * 1_000_000}, "from": source}
        tag = {"metadata": {"name": f"a:{name}"}, "spec": spec}
        path = "namespaces/test/imagetags" if how == "POST" else f"namespaces/test/imagetags/a:{name}"
        if how != "POST":
            api.post("namespaces/test/imagetags", {**tag, "spec": {"name": name, "from": source}})
        kind = "application/merge-patch+json" if how == "PATCH" else "application/json"
        answers.append(api.ask(how, path, tag, Content_Type=kind))
    done = 201 if how == "POST" else 200
    assert [answer.status_code for answer in answers] == [done, done, done, 413]
    assert "image stream a: the object would have" in answers[-1].get_data(as_text=True)
    api.delete("namespaces/test/imagetags/a:t0")


def test_a_refusal_names_a_bounded_number_of_faults(api: Api) -> None:
    """450 KB of finalizers that are none had an answer of 46 MB."""
    answer = api.ask("POST", STREAMS, {"metadata": {"name": "a", "finalizers": [f"- {n}" for n in range(50_000)]}})
    assert answer.status_code == 422
    assert len(answer.data) < 1_000_000
    assert len(answer.json["details"]["causes"]) == ERRORS_MAX  # type: ignore[index]
