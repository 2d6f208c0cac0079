"""ImageDigestMirrorSet, ImageTagMirrorSet and ImageContentSourcePolicy (OpenShift) as mirror rules.

Source: openshift/api, config/v1 and operator/v1alpha1; runtime-utils, pkg/registries (how sets are merged).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from imagegate.core.kube.go_quote import go_quote
from imagegate.core.registry.mirrors import MirrorRule, MirrorUse
from imagegate.documents.yaml.nodes import plain
from imagegate.documents.yaml.source import read_source
from imagegate.errors import InvalidPolicy

ALLOWED = ("", "AllowContactingSource")
"""Values of ``mirrorSourcePolicy`` that permit the source; every other one forbids it."""


class MirrorKind(NamedTuple):
    """A kind of mirror objects, and where its entries are."""

    api_version: str
    kind: str
    resource: str
    entries: str
    use: MirrorUse

    @property
    def path(self) -> str:
        """Of its resource in the API."""
        return f"/apis/{self.api_version}/{self.resource}"


KINDS = (
    MirrorKind(
        "config.openshift.io/v1",
        "ImageDigestMirrorSet",
        "imagedigestmirrorsets",
        "imageDigestMirrors",
        MirrorUse.DIGEST,
    ),
    MirrorKind(
        "operator.openshift.io/v1alpha1",
        "ImageContentSourcePolicy",
        "imagecontentsourcepolicies",
        "repositoryDigestMirrors",
        MirrorUse.DIGEST,
    ),
    MirrorKind("config.openshift.io/v1", "ImageTagMirrorSet", "imagetagmirrorsets", "imageTagMirrors", MirrorUse.TAG),
)
_BY_KIND = {(each.api_version, each.kind): each for each in KINDS}


def read_mirror_sets(text: str, name: str) -> list[MirrorRule]:
    """The rules of all mirror objects in YAML documents or one JSON value, lists flattened; other kinds are ignored.

    Raises:
        InvalidPolicy: the text cannot be read, or an object is not of its kind's form.
    """
    found: list[MirrorRule] = []
    for node in read_source(text, name).documents:
        for document in _objects(plain(node)):
            kind = _BY_KIND.get((str(document.get("apiVersion")), str(document.get("kind"))))
            if kind is not None:
                try:
                    found += rules_of(document, kind)
                except InvalidPolicy as error:
                    raise InvalidPolicy(f"{name}:{node.line}: {kind.kind}: {error}") from error
    return merged(found)


def _objects(document: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, Mapping):
        items = document.get("items")
        if str(document.get("kind")).endswith("List") and isinstance(items, list):
            yield from (item for item in items if isinstance(item, Mapping))
        else:
            yield document


def rules_of(document: Mapping[str, Any], kind: MirrorKind) -> list[MirrorRule]:
    """The rules of one object.

    Raises:
        InvalidPolicy: it has not the form of its kind.
    """
    return [_rule(entry, f"spec.{kind.entries}[{index}]", kind) for index, entry in enumerate(_entries(document, kind))]


def _entries(document: Mapping[str, Any], kind: MirrorKind) -> list[Any]:
    spec = document.get("spec") or {}
    if not isinstance(spec, Mapping):
        raise InvalidPolicy("spec: expected an object")
    entries = spec.get(kind.entries) or []
    if not isinstance(entries, list):
        raise InvalidPolicy(f"spec.{kind.entries}: expected a list")
    return entries


@dataclass(frozen=True, slots=True)
class StoredMirrors:
    """One object of a cluster, as it is in force."""

    name: str
    rules: tuple[MirrorRule, ...]
    broken: str = ""
    """Parts that cannot be read, with the object's name; empty if all can."""


def read_stored_mirrors(document: Mapping[str, Any], kind: MirrorKind) -> StoredMirrors:
    """Read one object of the API. Never raises for what it holds.

    The source of an entry that cannot be read otherwise is closed: the entry may have said so.
    """
    metadata = document.get("metadata")
    name = str(metadata.get("name") or "") if isinstance(metadata, Mapping) else ""
    rules: list[MirrorRule] = []
    broken: list[str] = []
    try:
        entries = _entries(document, kind)
    except InvalidPolicy as error:
        return StoredMirrors(name, (), f"{kind.kind} {name}: {error}")
    for index, entry in enumerate(entries):
        try:
            rules.append(_rule(entry, f"spec.{kind.entries}[{index}]", kind))
        except InvalidPolicy as error:
            broken.append(str(error))
            source = entry.get("source") if isinstance(entry, Mapping) else None
            if isinstance(source, str) and source:
                rules.append(MirrorRule(source, (), kind.use, never_contact_source=True))
    return StoredMirrors(name, tuple(rules), f"{kind.kind} {name}: {'; '.join(broken)}" if broken else "")


def _rule(entry: Any, place: str, kind: MirrorKind) -> MirrorRule:
    if not isinstance(entry, Mapping):
        raise InvalidPolicy(f"{place}: expected an object")
    source, mirrors = entry.get("source"), entry.get("mirrors") or []
    if not isinstance(source, str) or not source or source[0] == "/":
        raise InvalidPolicy(f"{place}.source: expected a registry or repository")
    if not isinstance(mirrors, list) or not all(isinstance(each, str) and each for each in mirrors):
        raise InvalidPolicy(f"{place}.mirrors: expected a list of registries or repositories")
    policy = entry.get("mirrorSourcePolicy") or ""
    if not isinstance(policy, str):
        raise InvalidPolicy(f"{place}.mirrorSourcePolicy: expected a string, got {go_quote(str(policy))}")
    return MirrorRule(source, tuple(mirrors), kind.use, policy not in ALLOWED)


def merged(rules: Iterable[MirrorRule]) -> list[MirrorRule]:
    """One rule for each source and use: mirrors of all objects in their order, and the strictest source policy."""
    found: dict[tuple[str, MirrorUse], MirrorRule] = {}
    for rule in rules:
        key = (rule.source, rule.use)
        before = found.get(key, MirrorRule(rule.source, (), rule.use))
        mirrors = tuple(dict.fromkeys((*before.mirrors, *rule.mirrors)))
        never = before.never_contact_source or rule.never_contact_source
        found[key] = MirrorRule(rule.source, mirrors, rule.use, never)
    return list(found.values())
