"""ClusterImagePolicy and ImagePolicy objects that a cluster has stored.

An object of an API is read by itself. Objects of a custom resource definition without a schema may hold anything, so
what cannot be read becomes part of the policy: it denies where the object would have decided, and nowhere else.

- The requirements of an entry cannot be read: images for which the entry is the best match are denied.
- The name of an entry, or the list of entries, cannot be read: any image may be meant. Every image is denied where the
  object is in force: in the object's namespace or, for a ClusterImagePolicy, in namespaces without an ImagePolicy.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from imagegate.core.enforcement.policy import IMAGE_POLICY, ImagePolicyObject, PolicyGroup
from imagegate.documents.image_policies import Reading, read_object
from imagegate.documents.yaml.fields import Remark, Report
from imagegate.documents.yaml.nodes import node_of
from imagegate.documents.yaml.rules import DEPTH_MAX, TOO_DEEP

CAUSES_SHOWN = 3
WARNINGS_MAX = 5
"""Of one object; the length of each is bounded, too: whoever may write the object chooses both."""
SENTENCE_MAX_LENGTH = 300
_OF_ENTRY = re.compile(r"spec\.repositories\[([0-9]+)\]\.(?!name(?:$|[.\[]))")
"""An error in an entry, but not in its name, which decides what images it is about."""


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """One object, as it is in force."""

    policy: ImagePolicyObject = field(compare=False)
    sha256: bytes
    """Over everything that decides."""
    broken: str = ""
    """Parts that cannot be read, with the object's name; empty if all can."""
    warnings: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Group, kind, namespace and name."""
        policy = self.policy
        return policy.group.value, policy.kind, policy.namespace, policy.name


def read_stored_policy(
    found: Mapping[str, Any], group: PolicyGroup, kind: str, *, cluster_domain: str = ""
) -> StoredPolicy:
    """Read one object of the API. Never raises for what the object holds.

    Args:
        found: with a name and, for an ImagePolicy, a namespace in its metadata.
        group: of the API path it came from; likewise ``kind``.
        cluster_domain: replacement for ``<<CLUSTER DOMAIN>>``.
    """
    metadata = found["metadata"]
    name, namespace = metadata["name"], metadata.get("namespace", "") if kind == IMAGE_POLICY else ""
    label = f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
    said = f"{label} ({group.value})"
    slim = {
        "apiVersion": group.value,
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "spec": found.get("spec"),
    }
    none = ImagePolicyObject(group=group, kind=kind, name=name, namespace=namespace)
    node = node_of(slim, depth_max=DEPTH_MAX)
    if node is None:  # too deep for every writer of JSON, too
        why = f"{said} cannot be read: {TOO_DEEP}"
        version = f"{said} {metadata.get('resourceVersion')}"
        return StoredPolicy(replace(none, broken=why), hashlib.sha256(version.encode()).digest(), why)
    digest = hashlib.sha256(orjson.dumps(slim, option=orjson.OPT_SORT_KEYS)).digest()
    report = Report(said, lenient=True)
    policy = read_object(node, report, Reading(namespace=namespace, cluster_domain=cluster_domain)) or none
    warnings = tuple(_cut(str(warning)) for warning in report.warnings[:WARNINGS_MAX])
    if not report.errors:
        return StoredPolicy(policy, digest, warnings=warnings)
    return StoredPolicy(_with_errors(policy, report.errors, said), digest, _cannot(said, report.errors), warnings)


def _with_errors(policy: ImagePolicyObject, errors: Iterable[Remark], said: str) -> ImagePolicyObject:
    """The policy with its errors where they deny."""
    by_entry: dict[int, list[Remark]] = {}
    for error in errors:
        found = _OF_ENTRY.match(error.path)
        if found is None:
            return replace(policy, broken=_cannot(said, errors))
        by_entry.setdefault(int(found[1]), []).append(error)
    entries = tuple(
        replace(entry, broken=_cannot(said, by_entry[entry.source.position]))
        if entry.source.position in by_entry
        else entry
        for entry in policy.entries
    )
    return replace(policy, entries=entries)


def _cannot(said: str, errors: Iterable[Remark]) -> str:
    causes = [_cut(f"{error.path}: {error.text}" if error.path else error.text) for error in errors]
    more = f"; and {len(causes) - CAUSES_SHOWN} more" if len(causes) > CAUSES_SHOWN else ""
    return f"{said} cannot be read: {'; '.join(causes[:CAUSES_SHOWN])}{more}"


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= SENTENCE_MAX_LENGTH else f"{sentence[:SENTENCE_MAX_LENGTH]}..."
