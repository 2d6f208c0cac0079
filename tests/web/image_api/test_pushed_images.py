"""Images that come with manifest and configuration: what these say is what rules see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagegate.core.registry.manifest import digest_of
from imagegate.ports.image_store import ObjectKey
from tests.support.image_api import Api
from tests.support.image_objects import DIGEST_1, DIGEST_2, pushed_image

EVIL = {"vendor": "evil"}
FORGED: dict[str, Any] = {"dockerImageMetadata": {"Id": "x", "Size": 7, "Config": {"Labels": {"vendor": "good"}}},
          "dockerImageMetadataVersion": "1.0",
          "dockerImageManifestMediaType": "application/vnd.docker.distribution.manifest.v2+json",
          "dockerImageLayers": [{"name": DIGEST_1, "size": 1, "mediaType": "x"}]}  # fmt: skip
BLOB_STORED = {"image.openshift.io/manifestBlobStored": "true"}
B = "namespaces/test"


def named(image: dict[str, Any], **annotations: str) -> dict[str, Any]:
    return {**image, "metadata": {**image["metadata"], "annotations": annotations}}


def push(api: Api, image: dict[str, Any], how: str) -> dict[str, Any]:
    """Create the Image in one of the ways there are; what is kept of it."""
    if how == "create":
        api.post("images", image)
    else:
        if api.ask("GET", f"{B}/imagestreams/app").status_code == 404:
            api.post(f"{B}/imagestreams", {"metadata": {"name": "app"}})
        api.post(f"{B}/imagestreammappings", {"metadata": {"name": "app"}, "image": image, "tag": "latest"})
    shown: dict[str, Any] = api.get(f"images/{image['metadata']['name']}")
    return shown


def stored_image(api: Api, name: str) -> dict[str, Any] | None:
    """The Image as rules read it."""
    return api.store.get(ObjectKey("image.openshift.io", "images", "", name))


@pytest.mark.parametrize("how", ["create", "mapping"])
class TestPushed:
    @pytest.mark.parametrize("claims", [{}, FORGED, {"dockerImageMetadata": {}}, {"dockerImageMetadata": None}])
    @pytest.mark.parametrize("is_stored", [False, True])
    def test_what_the_bytes_say(self, api: Api, how: str, claims: dict[str, Any], is_stored: bool) -> None:
        image = named(pushed_image(EVIL, **claims), **(BLOB_STORED if is_stored else {}))
        kept = push(api, image, how)
        config = image["dockerImageConfig"].encode()
        assert kept["dockerImageMetadata"] == {
            "kind": "DockerImage",
            "apiVersion": "image.openshift.io/1.0",
            "Id": digest_of(config),
            "Created": None,
            "Architecture": "amd64",
            "ContainerConfig": {},
            "Config": {"Labels": EVIL},
            "Size": len(config) + 10,
        }
        assert kept["dockerImageMetadataVersion"] == "1.0"
        assert kept["dockerImageManifestMediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
        assert [layer["name"] for layer in kept["dockerImageLayers"]] == [DIGEST_2]
        assert kept["metadata"]["annotations"]["image.openshift.io/dockerLayersOrder"] == "ascending"
        assert ("dockerImageManifest" in kept, "dockerImageConfig" in kept) == (not is_stored, not is_stored)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"dockerImageManifest": "{"},
            {"dockerImageManifest": "[]"},
            {"dockerImageManifest": "{}"},
            {"dockerImageManifest": pushed_image({"other": "image"})["dockerImageManifest"]},
            {"dockerImageConfig": ""},
            {"dockerImageConfig": "{}"},
            {"dockerImageConfig": json.dumps({"config": {"Labels": {"vendor": "good"}}})},
            {"dockerImageConfig": pushed_image(EVIL)["dockerImageConfig"] + " "},
            {"metadata": {"name": DIGEST_1}},
        ],
        ids=lambda each: next(iter(each)) + str(next(iter(each.values())))[:20],
    )
    @pytest.mark.parametrize("is_stored", [False, True])
    def test_texts_that_do_not_belong_together_leave_nothing(
        self, api: Api, how: str, wrong: dict[str, Any], is_stored: bool
    ) -> None:
        image = named({**pushed_image(EVIL), **FORGED, **wrong}, **(BLOB_STORED if is_stored else {}))
        kept = push(api, image, how)
        assert kept["dockerImageMetadata"]["Id"] == ""  # shown; rules take it for unreadable
        assert "dockerImageMetadata" not in (stored_image(api, image["metadata"]["name"]) or {})
        answer = api.ask("POST", "images?dryRun=All", {**image, "metadata": {"name": DIGEST_2}})
        assert "take its docker labels for unreadable" in answer.headers["Warning"]

    def test_configurations_that_no_two_readers_read_alike(self, api: Api, how: str) -> None:
        for config in (b'{"config":{"Labels":{"a":"b"}},"Config":{}}', b'{"config":{"Labels":{"a":"b"},"labels":{}}}'):
            image = pushed_image(config=config)
            assert push(api, image, how)["dockerImageMetadata"]["Id"] == ""
            assert "dockerImageMetadata" not in (stored_image(api, image["metadata"]["name"]) or {})
        lower = push(api, pushed_image(config=b'{"CONFIG":{"label\xc5\xbf":{"vendor":"evil"}}}'), how)
        assert lower["dockerImageMetadata"]["Config"]["Labels"] == EVIL


def test_lists_show_their_manifests(api: Api) -> None:
    child = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST_1, "size": 5,
             "platform": {"architecture": "arm64", "os": "linux", "variant": "v8"}}  # fmt: skip
    text = json.dumps(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [child]}
    )
    name = digest_of(text.encode())
    image = {"metadata": {"name": name}, "dockerImageReference": f"a/b@{name}", "dockerImageManifest": text, **FORGED}
    kept = api.post("images", image)
    assert kept["dockerImageManifests"] == [
        {"digest": DIGEST_1, "mediaType": child["mediaType"], "manifestSize": 5, "architecture": "arm64", "os": "linux",
         "variant": "v8"}
    ]  # fmt: skip
    assert kept["dockerImageMetadata"].keys() == {"kind", "apiVersion", "Id", "Created", "ContainerConfig"}
    assert kept["dockerImageMetadata"]["Id"] == name
    assert "dockerImageLayers" not in kept


class TestUpdates:
    def test_texts_fill_what_is_missing(self, api: Api) -> None:
        image = pushed_image(EVIL)
        path = f"images/{image['metadata']['name']}"
        texts = {key: image[key] for key in ("dockerImageManifest", "dockerImageConfig")}
        api.post("images", {key: value for key, value in image.items() if key not in texts} | FORGED)
        for wrong in ({"dockerImageManifest": "{}"}, {**texts, "dockerImageConfig": "{}"}, {"dockerImageConfig": "{}"}):
            answer = api.ask("PATCH", path, wrong, Content_Type="application/merge-patch+json")
            assert answer.json is not None
            assert "not changed" in answer.headers["Warning"]
            assert not texts.keys() & answer.json.keys()
            assert answer.json["dockerImageMetadata"].items() >= FORGED["dockerImageMetadata"].items()
        shown = api.patch(path, texts)
        assert shown["dockerImageMetadata"]["Config"]["Labels"] == EVIL
        assert shown.items() >= texts.items()
        claimed = api.patch(path, {"dockerImageMetadata": FORGED["dockerImageMetadata"]})
        assert claimed["dockerImageMetadata"]["Config"]["Labels"] == EVIL
        marked = api.patch(path, {"metadata": {"annotations": BLOB_STORED}})
        assert not texts.keys() & marked.keys()
        assert marked["dockerImageMetadata"]["Config"]["Labels"] == EVIL

    @pytest.mark.parametrize("is_readable", [True, False])
    def test_what_an_older_version_kept_does_not_outlive_its_texts(self, api: Api, is_readable: bool) -> None:
        image = {**pushed_image(EVIL), **FORGED}
        if not is_readable:
            del image["dockerImageConfig"]
        name = image["metadata"]["name"]
        api.store.create(ObjectKey("image.openshift.io", "images", "", name), image)
        shown = api.patch(f"images/{name}", {"metadata": {"annotations": BLOB_STORED}})
        assert "dockerImageManifest" not in shown
        assert shown.get("dockerImageMetadata", {}).get("Config") == ({"Labels": EVIL} if is_readable else None)


CLAIMS: dict[str, Any] = {
    "conditions": [{"type": "Trusted", "status": "True"}, {"type": "ForImage", "status": "True"}],
    "imageIdentity": "quay.io/a/b:1",
    "signedClaims": {"a": "b"},
    "created": "2018-06-01T10:00:00Z",
    "issuedBy": {"commonName": "me"},
    "issuedTo": {"publicKeyID": "1"},
    "invented": True,
}


class TestSignatures:
    @pytest.mark.parametrize("how", ["signature", "create", "put", "patch", "mapping"])
    def test_senders_say_name_type_and_content(self, api: Api, how: str) -> None:
        image = pushed_image()
        name = image["metadata"]["name"]
        said = {"metadata": {"name": f"{name}@one"}, "type": "atomic", "content": "YQ=="}
        signature = {**said, "metadata": {"name": f"{name}@one", "uid": "u", "finalizers": ["a/b"]}, **CLAIMS}
        signed = {**image, "signatures": [signature]}
        if how in ("create", "mapping"):
            push(api, signed, how)
        else:
            made = api.post("images", image)
            if how == "signature":
                assert not CLAIMS.keys() & api.post("imagesignatures", signature).keys()
            elif how == "put":
                api.put(f"images/{name}", {**made, "signatures": [signature]})
            else:
                api.patch(f"images/{name}", {"signatures": [signature]})
        (kept,) = api.get(f"images/{name}")["signatures"]
        assert kept["metadata"].pop("uid", "") != "u"
        kept["metadata"].pop("creationTimestamp", "")
        assert {key: value for key, value in kept.items() if key not in ("kind", "apiVersion")} == said

    def test_labels_and_annotations_are_refused_as_in_the_original(self, api: Api) -> None:
        image = pushed_image()
        name = image["metadata"]["name"]
        api.post("images", image)
        body: dict[str, Any] = {"metadata": {"name": f"{name}@one"}, "type": "atomic", "content": "YQ=="}
        body["metadata"] |= {"labels": {"a": "b"}, "annotations": {"a": "b"}}
        for refused in (
            api.post("imagesignatures", body, 422),
            api.patch(f"images/{name}", {"signatures": [body]}, 422),
        ):
            assert "metadata.labels: Forbidden: signature labels cannot be set" in refused["message"]
            assert "metadata.annotations: Forbidden: signature annotations cannot be set" in refused["message"]
        body["metadata"] = {"name": f"{name}@one", "annotations": {"image.openshift.io/managed-signature": "true"}}
        metadata = api.post("imagesignatures", body)["metadata"]
        assert metadata.keys() == {"name", "uid", "creationTimestamp"}
        for nameless in ({"type": "atomic", "content": "YQ=="}, {"metadata": {"name": "x"}}, {}):
            api.patch(f"images/{name}", {"signatures": [nameless]}, 422)

    def test_an_old_signature_never_stops_a_mark(self, api: Api) -> None:
        image = pushed_image()
        name = image["metadata"]["name"]
        old = {"metadata": {"name": "x", "labels": {"a": "b"}}, "type": "atomic", **CLAIMS}
        api.store.create(ObjectKey("image.openshift.io", "images", "", name), {**image, "signatures": [old]})
        shown = api.patch(
            f"images/{name}", {"metadata": {"annotations": {"images.openshift.io/deny-execution": "true"}}}
        )
        assert shown["signatures"] == [{"metadata": {"name": "x"}, "type": "atomic"}]
