"""Signatures stored in an Image: the fields that their sender may set. None of them says that it was verified.

Source: openshift-apiserver, registry/imagesignature/strategy.go and apis/image/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imagegate.core.image_streams.metadata_validation import path_segment_errors, validate_metadata
from imagegate.core.image_streams.objects import Metadata
from imagegate.core.kube.field_errors import FieldError, forbidden, invalid, required

MANAGED_SIGNATURE = "image.openshift.io/managed-signature"
_HEAD = ("kind", "apiVersion")
_SAID = ("type", "content")
_IDENTITY = ("uid", "creationTimestamp")
_TOGETHER = ("Trusted", "ForImage")
_SUBJECT = {"Organization": "organization", "CommonName": "commonName"}
_ENTITIES = {"issuedBy": _SUBJECT, "issuedTo": {**_SUBJECT, "PublicKeyID": "publicKeyID"}}
"""Fields of a signature's issuer and subject: names in Go, in JSON."""
_CONDITION: Sequence[tuple[str, str, str | None]] = (
    ("Type", "type", ""),
    ("Status", "status", ""),
    ("LastProbeTime", "lastProbeTime", None),
    ("LastTransitionTime", "lastTransitionTime", None),
    ("Reason", "reason", ""),
    ("Message", "message", ""),
)
"""Fields of a condition as the original prints them: name in Go, in JSON, and value if absent."""


def kept_signature(given: Mapping[str, Any], old: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The signature without conditions, identity, claims, times and issuers, which only a verifier may set.

    Args:
        given: as sent.
        old: signatures that are stored: one of the same name keeps its uid and time.
    """
    name = (given.get("metadata") or {}).get("name")
    known = (each.get("metadata") or {} for each in old if name)
    stored: Mapping[str, Any] = next((each for each in known if each.get("name") == name), {})
    kept = {**({"name": name} if name else {}), **{key: stored[key] for key in _IDENTITY if stored.get(key)}}
    head = {key: given[key] for key in _HEAD if given.get(key)}
    return {**head, "metadata": kept, **{key: given[key] for key in _SAID if given.get(key)}}


def signature_errors(given: Mapping[str, Any], path: str = "") -> list[FieldError]:
    """Errors of a new signature."""
    at = f"{path}." if path else ""
    metadata = given.get("metadata") or {}
    name = metadata.get("name") or ""
    value = Metadata(name=name, namespace=metadata.get("namespace") or "", annotations={}, raw=metadata)
    errors = validate_metadata(value, path_segment_errors, namespaced=False, path=f"{at}metadata")
    if metadata.get("labels"):
        errors.append(forbidden(f"{at}metadata.labels", "signature labels cannot be set"))
    if set(metadata.get("annotations") or ()) - {MANAGED_SIGNATURE}:
        errors.append(forbidden(f"{at}metadata.annotations", "signature annotations cannot be set"))
    image, found, own = name.partition("@")
    if not (image and found and own) or "@" in own:
        errors.append(invalid(f"{at}metadata.name", name, "name must be of format <imageName>@<signatureName>"))
    errors.extend(required(f"{at}{key}") for key in _SAID if not given.get(key))
    return errors


def _condition_errors(conditions: Sequence[Mapping[str, Any]], path: str) -> list[FieldError]:
    """A signature is trusted, or is for its image, only if both are said."""
    types = {condition.get("type") for condition in conditions} & set(_TOGETHER)
    if len(types) != 1:
        return []
    (missing,) = set(_TOGETHER) - types
    shown = [
        {go_name: condition.get(name) or default for go_name, name, default in _CONDITION} for condition in conditions
    ]
    return [invalid(path, shown, f'missing "{missing}" condition type')]


def _claim_errors(given: Mapping[str, Any], path: str) -> list[FieldError]:
    """Errors of what a verifier says about a signature: only one whose trust is known has it."""
    trusted = [each for each in given.get("conditions") or () if each.get("type") == _TOGETHER[0]]
    if trusted and trusted[-1].get("status") != "Unknown":
        return []
    said = [(key, given[key]) for key in ("imageIdentity", "signedClaims") if given.get(key)]
    for key, names in _ENTITIES.items():
        if given.get(key) is not None:
            said.append((key, {go_name: given[key].get(name) or "" for go_name, name in names.items()}))
    return [invalid(f"{path}.{key}", value, "must be unset for unknown signature state") for key, value in said]


def new_signature_errors(given: Sequence[Mapping[str, Any]], old: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    """Errors of an Image's new signatures; those that it already has are not checked."""
    before = [kept_signature(each) for each in old]
    return [
        error
        for index, each in enumerate(given)
        if kept_signature(each) not in before
        for error in (
            *signature_errors(each, f"signatures[{index}]"),
            *_condition_errors(each.get("conditions") or (), f"signatures[{index}].conditions"),
            *_claim_errors(each, f"signatures[{index}]"),
        )
    ]
