"""Trying images and manifests against the policies in force: nothing is stored, and no decision is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from imagegate.core.admission.request import User
from imagegate.core.admission.trace import Trace
from imagegate.documents.yaml.nodes import Node, plain
from imagegate.documents.yaml.source import read_source
from imagegate.errors import InvalidInput
from imagegate.service.review.both_passes import creation, review_manifest
from imagegate.service.review.explanation import Explanation, explanation
from imagegate.service.review.made_pods import judge_made_pods
from imagegate.wiring.runtime import Runtime

OBJECTS_MAX = 50
"""Objects of a manifest that are tried."""
MANIFEST = "manifest"
"""The name of what was pasted, in messages."""


class Tried(NamedTuple):
    """The result for one object."""

    label: str
    """``Kind namespace/name``, with its line in the manifest."""
    verdict: str
    explained: Explanation | None
    """None where the object cannot be judged; then ``problem`` says why."""
    pods: Explanation | None = None
    """The result for the Pods that it makes."""
    problem: str = ""


def try_image(service: Runtime, image: str, namespace: str) -> Tried:
    """The result for a Pod with one image."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "console-", "namespace": namespace},
        "spec": {"containers": [{"name": "tried", "image": image}]},
    }
    return _tried(service, pod, namespace, image)


def try_manifest(service: Runtime, text: str, namespace: str) -> tuple[list[Tried], int]:
    """The results for the first ``OBJECTS_MAX`` objects of a manifest, and the number of the others.

    Args:
        text: YAML or JSON; items of a List are objects of their own.
        namespace: of objects that name none.

    Raises:
        InvalidPolicy: it cannot be read; with its line.
    """
    nodes = [each for node in read_source(text, MANIFEST).documents if node.value is not None for each in _items(node)]
    return [_of_node(service, node, namespace) for node in nodes[:OBJECTS_MAX]], max(0, len(nodes) - OBJECTS_MAX)


def _items(node: Node) -> Iterator[Node]:
    match node.value:
        case {"kind": Node(value=str() as kind), "items": Node(value=list() as items)} if kind.endswith("List"):
            for item in items:
                yield from _items(item)
        case _:
            yield node


def _of_node(service: Runtime, node: Node, namespace: str) -> Tried:
    document = plain(node)
    if not isinstance(document, dict):
        return Tried(
            f"line {node.line}", "not an object", None, problem="An object with apiVersion and kind is needed."
        )
    metadata = document.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    name = named.get("name") or named.get("generateName") or ""
    label = f"{document.get('kind', 'object')} {named.get('namespace') or namespace}/{name} (line {node.line})"
    return _tried(service, document, namespace, label)


def _tried(service: Runtime, document: Mapping[str, Any], namespace: str, label: str) -> Tried:
    try:
        request = creation(document, uid="console", namespace=namespace, user=User(), dry_run=True)
        trace, of_pods = Trace(), Trace()
        service.trace_watches(trace)
        both = review_manifest(service.reviewer, request, trace=trace)
        made = judge_made_pods(service.reviewer, request, trace=of_pods)
    except InvalidInput as error:
        return Tried(label, "invalid", None, problem=f"An API server would not accept it: {error}")
    explained = explanation(both, trace.steps)
    pods = None if made is None else explanation(made.result, of_pods.steps)
    verdict = explained.verdict
    if verdict in ("allowed", "rewritten") and pods is not None and pods.verdict in ("denied", "unknown"):
        verdict = pods.verdict
    if verdict == "allowed" and not both.covered and (made is None or not made.result.covered):
        verdict = "not covered"
    return Tried(label, verdict, explained, pods)
