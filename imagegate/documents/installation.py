"""The manifests that install imagegate: adapted to a namespace and an image, and in the order of their steps."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from imagegate.errors import InvalidInput

NAMESPACE = "imagegate"
"""The namespace of the manifests as they are shipped."""
CERTIFICATE = "imagegate-serving-cert"
SELECTOR = "app.kubernetes.io/name=imagegate"
_FIRST = ("Namespace", "CustomResourceDefinition")
_WEBHOOKS = (
    "APIService",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
)
_POLICIES = ("ClusterImagePolicy", "ImagePolicy")
KEPT = ("Namespace", "CustomResourceDefinition")
"""Kinds that a removal leaves, unless it is asked for: policies are lost with the definitions of their kinds."""
RECORD_KEY = ("v1", "Secret", "imagegate-record-key")
"""Workloads with rewritten images are denied without it, so it goes only with everything."""
MADE_BY_IMAGEGATE = (
    ("v1", "Secret", CERTIFICATE),
    ("v1", "Secret", "imagegate-ca"),
    ("coordination.k8s.io/v1", "Lease", "imagegate-certificates"),
    ("coordination.k8s.io/v1", "Lease", "imagegate-imports"),
)
"""Objects of the namespace that replicas make, and that a removal takes away."""


class Steps(NamedTuple):
    """Objects by the step in which they are applied."""

    definitions: tuple[Mapping[str, Any], ...]
    """The namespace and the kinds of policies."""
    workload: tuple[Mapping[str, Any], ...]
    policies: tuple[Mapping[str, Any], ...]
    webhooks: tuple[Mapping[str, Any], ...]
    """Objects that make the API server ask imagegate: applied last, when it can answer; removed first."""


def read_manifests(text: str, *, namespace: str = NAMESPACE, image: str = "") -> Steps:
    """The objects of a manifest file.

    Args:
        text: YAML, as openshift/install has it.
        namespace: to install into.
        image: of the Deployment; empty: as shipped.

    Raises:
        InvalidInput: the namespace would be one whose pods are judged by nobody.
    """
    if namespace == "kube-system":
        raise InvalidInput("imagegate cannot be installed into kube-system: choose a namespace of its own")
    objects = [_moved(each, namespace) for each in yaml.safe_load_all(text) if each is not None]
    if image:
        for each in objects:
            if each["kind"] == "Deployment":
                each["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return Steps(
        tuple(_of(objects, _FIRST)),
        tuple(each for each in objects if each["kind"] not in (*_FIRST, *_WEBHOOKS, *_POLICIES)),
        tuple(_of(objects, _POLICIES)),
        tuple(_of(objects, _WEBHOOKS)),
    )


def _of(objects: Iterable[dict[str, Any]], kinds: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The objects of these kinds, in the order of the kinds."""
    return (each for kind in kinds for each in objects if each["kind"] == kind)


def _moved(document: dict[str, Any], namespace: str) -> dict[str, Any]:
    """The object for another namespace: its own, those it refers to, and names that are made of it."""
    if namespace == NAMESPACE:
        return document
    moved: dict[str, Any] = _replaced(copy.deepcopy(document), namespace)
    if moved["kind"] == "Namespace":
        moved["metadata"]["name"] = namespace
    return moved


def _replaced(value: Any, namespace: str) -> Any:
    match value:
        case list():
            return [_replaced(each, namespace) for each in value]
        case str():
            named = value.replace(f".{NAMESPACE}.svc", f".{namespace}.svc")
            return f"{namespace}/{CERTIFICATE}" if named == f"{NAMESPACE}/{CERTIFICATE}" else named
        case {"key": "kubernetes.io/metadata.name", "values": [*names]}:
            return {**value, "values": sorted(namespace if name == NAMESPACE else name for name in names)}
        case dict():
            return {
                key: namespace if key == "namespace" and each == NAMESPACE else _replaced(each, namespace)
                for key, each in value.items()
            }
        case _:
            return value
