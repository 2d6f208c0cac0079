"""The types of image.openshift.io/v1 as data: fields, their types and descriptions.

One table serves three readers: checks of objects from files and requests, the OpenAPI documents that
``kubectl explain`` and client-side validation read, and strict field validation. Unknown fields are
not errors: objects grow.

A type is ``string``, ``boolean``, ``integer``, ``object`` (anything with keys), ``time``, ``any``, the name of
another entry, or one of these in ``[...]`` (a list) or ``{...}`` (a map from strings).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias


class Field(NamedTuple):
    """One field of a type."""

    type: str
    description: str
    required: bool = False


Fields: TypeAlias = Mapping[str, Field]

_META = Field("ObjectMeta", "Standard object metadata.")
_KIND = {
    "kind": Field("string", "The REST resource this object represents."),
    "apiVersion": Field("string", "The versioned schema of this representation of an object."),
}

TYPES: Mapping[str, Fields] = {
    "ObjectMeta": {
        "name": Field("string", "Name, unique within a namespace."),
        "generateName": Field("string", "Prefix of a name that the server completes."),
        "namespace": Field("string", "Namespace the object is in."),
        "uid": Field("string", "Identity of this object over time, set by the server."),
        "resourceVersion": Field("string", "Opaque version of the stored object; for conflicts and watches."),
        "generation": Field("integer", "Counts changes of the desired state; set by the server."),
        "creationTimestamp": Field("time", "Time of creation; set by the server."),
        "deletionTimestamp": Field("time", "Time from which the object is being deleted; set by the server."),
        "labels": Field("{string}", "Keys and values to select objects by."),
        "annotations": Field("{string}", "Keys and values that tools store in the object."),
        "ownerReferences": Field("[object]", "Objects this object depends on."),
        "selfLink": Field("string", "Not used any more."),
        "deletionGracePeriodSeconds": Field("integer", "Seconds until the object is deleted."),
        "finalizers": Field("[string]", "Must be empty before the object is deleted."),
        "managedFields": Field("[object]", "The manager of each field."),
    },
    "ObjectReference": {
        "kind": Field("string", "Kind of the object referred to."),
        "namespace": Field("string", "Namespace of the object referred to; empty: that of this object."),
        "name": Field("string", "Name of the object referred to."),
        "uid": Field("string", "UID of the object referred to."),
        "apiVersion": Field("string", "API version of the object referred to."),
        "resourceVersion": Field("string", "Resource version of the object referred to."),
        "fieldPath": Field("string", "A part of the object referred to."),
    },
    "LocalObjectReference": {"name": Field("string", "Name of the object referred to.")},
    "ImageStream": {
        **_KIND,
        "metadata": _META,
        "spec": Field("ImageStreamSpec", "The desired tags of the stream."),
        "status": Field("ImageStreamStatus", "The images that were tagged into the stream; written by the server."),
    },
    "ImageStreamSpec": {
        "lookupPolicy": Field("ImageLookupPolicy", "Use of the stream's tags as image names in pods of the namespace."),
        "dockerImageRepository": Field("string", "Repository all of whose tags are imported; without tag and digest."),
        "tags": Field("[TagReference]", "Tags and the source of each."),
    },
    "ImageLookupPolicy": {
        "local": Field("boolean", "Single-segment image names in pods of the namespace mean this stream.", True),
    },
    "TagReference": {
        "name": Field("string", "Name of the tag.", True),
        "annotations": Field("{string}", "Shown at the ImageStreamTag, over those of its image."),
        "from": Field("ObjectReference", "Source: a DockerImage, an ImageStreamTag or an ImageStreamImage."),
        "reference": Field("boolean", "The tag only points to its source; nothing is imported."),
        "generation": Field("integer", "Generation of the last change of the tag; a client may set 0 to import again."),
        "importPolicy": Field("TagImportPolicy", "Policy for importing images."),
        "referencePolicy": Field("TagReferencePolicy", "Policy for the pull spec that users of the tag get."),
    },
    "TagImportPolicy": {
        "insecure": Field("boolean", "Import over plain HTTP or without verifying certificates."),
        "scheduled": Field("boolean", "Import again from time to time."),
        "importMode": Field("string", "Legacy (one manifest of a list) or PreserveOriginal (the list itself)."),
    },
    "TagReferencePolicy": {
        "type": Field("string", "Source: the origin; Local: the integrated registry.", True),
    },
    "ImageStreamStatus": {
        "dockerImageRepository": Field("string", "Repository of the stream's images; computed.", True),
        "publicDockerImageRepository": Field(
            "string", "Repository of the stream's images for clients outside the cluster; computed."
        ),
        "tags": Field("[NamedTagEventList]", "History of each tag."),
    },
    "NamedTagEventList": {
        "tag": Field("string", "Name of the tag.", True),
        "items": Field("[TagEvent]", "Images of the tag, newest first."),
        "conditions": Field("[TagEventCondition]", "The failure of the last import, if it failed."),
    },
    "TagEvent": {
        "created": Field("time", "Time when the tag got this image.", True),
        "dockerImageReference": Field("string", "Pull spec of the image.", True),
        "image": Field("string", "Name of the Image, its digest.", True),
        "generation": Field("integer", "Generation of the spec tag that this results from.", True),
    },
    "TagEventCondition": {
        "type": Field("string", "ImportSuccess.", True),
        "status": Field("string", "True, False or Unknown.", True),
        "lastTransitionTime": Field("time", "Time of the last change of the status."),
        "reason": Field("string", "The reason in one word."),
        "message": Field("string", "The reason in a sentence."),
        "generation": Field("integer", "Generation of the spec tag that this results from.", True),
    },
    "Image": {
        **_KIND,
        "metadata": _META,
        "dockerImageReference": Field("string", "Pull spec of the image."),
        "dockerImageMetadata": Field("object", "The image's configuration, labels and size."),
        "dockerImageMetadataVersion": Field("string", "Version of dockerImageMetadata."),
        "dockerImageManifest": Field("string", "The manifest; not stored for imported images."),
        "dockerImageLayers": Field("[ImageLayer]", "Layers, the oldest first."),
        "signatures": Field("[ImageSignature]", "Signatures of the image."),
        "dockerImageSignatures": Field("[string]", "Signatures of a schema 1 manifest."),
        "dockerImageManifestMediaType": Field("string", "Media type of the manifest."),
        "dockerImageConfig": Field("string", "The configuration; not stored for imported images."),
        "dockerImageManifests": Field("[ImageManifest]", "Of a manifest list: the manifests in it."),
    },
    "ImageLayer": {
        "name": Field("string", "Digest of the layer.", True),
        "size": Field("integer", "Size in bytes.", True),
        "mediaType": Field("string", "Media type of the layer.", True),
    },
    "ImageManifest": {
        "digest": Field("string", "Digest of the manifest; name of its Image.", True),
        "mediaType": Field("string", "Media type of the manifest.", True),
        "manifestSize": Field("integer", "Size in bytes.", True),
        "architecture": Field("string", "CPU architecture.", True),
        "os": Field("string", "Operating system.", True),
        "variant": Field("string", "Variant of the architecture."),
    },
    "ImageSignature": {
        **_KIND,
        "metadata": _META,
        "type": Field("string", "Type of the signature: atomic.", True),
        "content": Field("string", "The signature, base64.", True),
        "conditions": Field("[object]", "Results of verifying the signature."),
        "imageIdentity": Field("string", "The image that was signed."),
        "signedClaims": Field("{string}", "The signed claims."),
        "created": Field("time", "Time of signing."),
        "issuedBy": Field("object", "Issuer of the certificate."),
        "issuedTo": Field("object", "Owner of the key."),
    },
    "ImageStreamTag": {
        **_KIND,
        "metadata": _META,
        "tag": Field("TagReference", "The stream's spec tag, if there is one."),
        "generation": Field("integer", "Generation of the newest image of the tag."),
        "lookupPolicy": Field("ImageLookupPolicy", "The stream's lookup policy."),
        "conditions": Field("[TagEventCondition]", "The failure of the last import, if it failed."),
        "image": Field("Image", "The tag's image."),
    },
    "ImageTag": {
        **_KIND,
        "metadata": _META,
        "spec": Field("TagReference", "The stream's spec tag; null removes it."),
        "status": Field("NamedTagEventList", "The tag's history."),
        "image": Field("Image", "The tag's image."),
    },
    "ImageStreamImage": {
        **_KIND,
        "metadata": _META,
        "image": Field("Image", "The image."),
    },
    "ImageStreamLayers": {
        **_KIND,
        "metadata": _META,
        "blobs": Field("object", "Blobs by digest, with size and media type."),
        "images": Field("object", "Images by digest, with layers, config and manifests."),
    },
    "ImageStreamImport": {
        **_KIND,
        "metadata": _META,
        "spec": Field("ImageStreamImportSpec", "The images to import.", True),
        "status": Field("ImageStreamImportStatus", "The results of the import."),
    },
    "ImageStreamImportSpec": {
        "import": Field("boolean", "Write the result to the stream; false: only fetch.", True),
        "repository": Field("RepositoryImportSpec", "A repository all of whose tags are imported."),
        "images": Field("[ImageImportSpec]", "Single images."),
    },
    "RepositoryImportSpec": {
        "from": Field("ObjectReference", "The repository; kind DockerImage.", True),
        "importPolicy": Field("TagImportPolicy", "Policy for importing images."),
        "referencePolicy": Field("TagReferencePolicy", "Policy of new tags."),
        "includeManifest": Field("boolean", "Return manifests too."),
    },
    "ImageImportSpec": {
        "from": Field("ObjectReference", "The image; kind DockerImage.", True),
        "to": Field("LocalObjectReference", "The tag it is stored as; default the source's tag."),
        "importPolicy": Field("TagImportPolicy", "Policy for importing the image."),
        "referencePolicy": Field("TagReferencePolicy", "Policy of a new tag."),
        "includeManifest": Field("boolean", "Return the manifest too."),
    },
    "ImageStreamImportStatus": {
        "import": Field("ImageStream", "The stream after the import."),
        "repository": Field("object", "The result of the repository import."),
        "images": Field("[object]", "The result for each image."),
    },
    "ImageStreamMapping": {
        **_KIND,
        "metadata": _META,
        "image": Field("Image", "The image that was pushed.", True),
        "tag": Field("string", "The tag it was pushed as.", True),
    },
    "Namespace": {**_KIND, "metadata": _META, "spec": Field("object", ""), "status": Field("object", "")},
}


class TypeProblem(NamedTuple):
    """A value of the wrong JSON type."""

    path: str
    expected: str
    value: Any

    def __str__(self) -> str:
        expected = _ARTICLES.get(self.expected, self.expected)
        return f"{self.path or 'document'}: expected {expected}, got {_named_type(self.value)}"


_ARTICLES = {
    "object": "an object",
    "list": "a list",
    "string": "a string",
    "boolean": "a boolean",
    "integer": "an integer",
}
_SCALARS: Mapping[str, tuple[type, ...]] = {"string": (str,), "time": (str,), "integer": (int,), "boolean": (bool,)}


def _named_type(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else repr(value)[:80]


def type_problems(type_: str, value: object, path: str = "") -> Iterator[TypeProblem]:
    """Every place in ``value`` whose JSON type differs from the table's. A null counts as absent."""
    if value is None or type_ == "any":
        return
    if type_[0] == "[":
        yield from _list_problems(type_[1:-1], value, path)
    elif type_[0] == "{":
        yield from _map_problems(type_[1:-1], value, path)
    elif type_ in _SCALARS:
        is_wrong = not isinstance(value, _SCALARS[type_]) or (type_ == "integer" and isinstance(value, bool))
        if is_wrong:
            yield TypeProblem(path, "string" if type_ == "time" else type_, value)
    elif not isinstance(value, dict):
        yield TypeProblem(path, "object", value)
    elif type_ != "object":
        for name, field in TYPES[type_].items():
            if name in value:
                yield from type_problems(field.type, value[name], f"{path}.{name}" if path else name)


def _list_problems(item: str, value: object, path: str) -> Iterator[TypeProblem]:
    if not isinstance(value, list):
        yield TypeProblem(path, "list", value)
        return
    for index, entry in enumerate(value):
        if entry is None:
            yield TypeProblem(f"{path}[{index}]", "object" if item[0].isupper() else item, entry)
        yield from type_problems(item, entry, f"{path}[{index}]")


def _map_problems(item: str, value: object, path: str) -> Iterator[TypeProblem]:
    if not isinstance(value, dict):
        yield TypeProblem(path, "object", value)
        return
    for key, entry in value.items():
        if entry is None:
            continue
        yield from type_problems(item, entry, f"{path}[{key}]")


def unknown_fields(type_: str, value: object, path: str = "") -> Iterator[str]:
    """The path of every field that the type does not have; for strict field validation."""
    if type_[0] in "[{":
        entries = _entries(type_, value, path)
        for entry, at in entries:
            yield from unknown_fields(type_[1:-1], entry, at)
    elif type_ in TYPES and isinstance(value, dict):
        fields = TYPES[type_]
        for name, entry in value.items():
            at = f"{path}.{name}" if path else name
            if name not in fields:
                yield at
            else:
                yield from unknown_fields(fields[name].type, entry, at)


def _entries(type_: str, value: object, path: str) -> Iterator[tuple[object, str]]:
    if type_[0] == "[" and isinstance(value, list):
        yield from ((entry, f"{path}[{index}]") for index, entry in enumerate(value))
    elif type_[0] == "{" and isinstance(value, dict):
        yield from ((entry, f"{path}[{key}]") for key, entry in value.items())
