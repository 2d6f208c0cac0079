"""ClusterImagePolicy and ImagePolicy documents rewritten for the other API group (docs/spec/enforcement.md 4).

Documents are edited, not written anew: comments, the order of entries and all other objects stay.
What the other group's products do not know, or what is dropped, is listed.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, PlainScalarString

from imagegate.core.enforcement.policy import ImagePolicyObject, PolicyGroup
from imagegate.documents.image_policies import CLUSTER_DOMAIN, KINDS, LoadedPolicies, Reading, read_policies
from imagegate.documents.yaml.fields import Remark
from imagegate.documents.yaml.nodes import plain
from imagegate.documents.yaml.source import read_source
from imagegate.errors import InvalidPolicy

ACCOUNT_ANNOTATION = "imagegate/iccrva-account."
_PAIR = re.compile(r"(?P<before>(?<!\\)(?:\\\\)*)(?P<pair>\\u[dD][89abAB]..\\u[dD][c-fC-F]..)")
_WIDTH = 4096  # no folding of long lines


@dataclass(slots=True)
class Converted:
    """A file after conversion."""

    text: str
    objects: int = 0
    """Number of converted objects; the text is unchanged if it is 0."""
    losses: list[Remark] = field(default_factory=list)
    """Fields that are lost, moved, or not known to the products of the target group."""


def convert_policies(text: str, name: str, target: PolicyGroup) -> Converted:
    """Convert every policy of the other group in a file; objects of other kinds stay as they are.

    Args:
        text: YAML documents.
        name: the file's name, for messages.
        target: the group to convert to.

    Raises:
        InvalidPolicy: the documents do not load, hold the same policy in both groups, or cannot be edited without
            changing what they mean.
    """
    policies = _checked(text, name, target)
    as_json = _is_json(text)
    yaml = _editor(as_json=as_json)
    try:
        documents = list(yaml.load_all(_PAIR.sub(_paired, text) if as_json else text))
    except YAMLError as error:
        raise InvalidPolicy(f"{name}:1: cannot be edited: {error}") from error
    losses: list[Remark] = []
    written = [each for document in documents for each in _policies(document)]
    found = [pair for pair in zip(written, policies, strict=True) if pair[1].group is not target]
    for each, policy in found:
        _refuse_merges(each, name)
        _Conversion(each, policy, name, target, losses).run()
    if not found:
        return Converted(text)
    result = _dumped(yaml, documents, as_json=as_json)
    if _meaning(_loaded(result, name).policies) != _meaning(policies):
        raise InvalidPolicy(f"{name}:1: cannot be converted without changing what it means: write out its aliases")
    if _everything_else(result, name) != _everything_else(text, name):
        raise InvalidPolicy(f"{name}:1: cannot be converted without changing other parts of the file")
    return Converted(result, len(found), losses)


class _AsWritten(PlainScalarString):
    """A number, boolean or date without quotes, written back unchanged."""

    yaml_tag = ""


class _Constructor(RoundTripConstructor):
    """Reads such values as ``_AsWritten``."""


class _Representer(RoundTripRepresenter):
    """Writes them."""


def _keep(_: RoundTripConstructor, node: ScalarNode) -> _AsWritten:
    found: _AsWritten = _AsWritten(node.value, anchor=node.anchor)
    found.yaml_tag = str(node.tag)
    return found


def _write(representer: RoundTripRepresenter, value: _AsWritten) -> ScalarNode:
    anchor = value.yaml_anchor()
    return representer.represent_scalar(value.yaml_tag, str(value), anchor=anchor)


for _kind in ("int", "float", "bool", "timestamp"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_kind}", _keep)
_Representer.add_representer(_AsWritten, _write)


def _editor(*, as_json: bool) -> YAML:
    yaml = YAML()
    if not as_json:
        yaml.Constructor, yaml.Representer = _Constructor, _Representer
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _everything_else(text: str, name: str) -> list[object]:
    """All parts of a file that a conversion must not change, as Kubernetes reads them."""
    return [_rest(plain(document)) for document in read_source(text, name).documents]


def _rest(document: Any) -> object:
    if not isinstance(document, dict):
        return document
    items = document.get("items")
    if isinstance(items, list):
        return {**document, "apiVersion": "", "kind": "", "items": [_rest(item) for item in items]}
    if document.get("kind") not in KINDS or document.get("apiVersion") not in {group.value for group in PolicyGroup}:
        return document
    metadata = {**document.get("metadata", {})}
    annotations = metadata.pop("annotations", None) or {}
    others = {key: value for key, value in annotations.items() if not key.startswith(ACCOUNT_ANNOTATION)}
    return {**document, "apiVersion": "", "spec": None, "metadata": metadata, "annotations": others}


def _paired(found: re.Match[str]) -> str:
    r"""``\ud83d\ude00`` of JSON as one character, which YAML does not do."""
    character: str = json.loads(f'"{found["pair"]}"')
    return f"{found['before']}{character}"


def _refuse_merges(written: Any, name: str) -> None:
    """Refuse merge keys: a change in one place would change others."""
    if isinstance(written, CommentedMap):
        if written.merge:
            raise InvalidPolicy(f'{name}:{written.lc.line + 1}: "<<" cannot be converted: write out what it merges')
        for value in written.values():
            _refuse_merges(value, name)
    elif isinstance(written, CommentedSeq):
        for value in written:
            _refuse_merges(value, name)


def _meaning(policies: list[ImagePolicyObject]) -> list[tuple[object, ...]]:
    """The decisions of policies, without their group, and without accounts, which one group stores in annotations."""
    return [
        (
            *(policy.kind, policy.namespace, policy.name, entry.name),
            *(entry.mutate_image, entry.trust, entry.simple, entry.vulnerability.enabled),
        )
        for policy in policies
        for entry in policy.entries
    ]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _dumped(yaml: YAML, documents: list[Any], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(documents[0], indent=2, ensure_ascii=False) + "\n"
    out = io.StringIO()
    yaml.dump_all(documents, out)
    return out.getvalue()


def _checked(text: str, name: str, target: PolicyGroup) -> list[ImagePolicyObject]:
    """The policies as loaded; refuses documents that do not load, and two objects that would become one."""
    loaded = _loaded(text, name)
    for (group, kind, namespace, policy), place in loaded.objects.items():
        other = loaded.objects.get((target, kind, namespace, policy))
        if group is not target and other is not None:
            raise InvalidPolicy(f"{place}: {kind} {policy} is there in {target.value} too (line {other.line})")
    return loaded.policies


def _loaded(text: str, name: str) -> LoadedPolicies:
    return read_policies(text, name, Reading(cluster_domain=CLUSTER_DOMAIN))


def _policies(document: Any) -> Iterator[CommentedMap]:
    """The policies in a document, lists flattened."""
    if not isinstance(document, CommentedMap):
        return
    groups = {group.value for group in PolicyGroup}
    if document.get("kind") in KINDS and document.get("apiVersion") in groups:
        yield document
        return
    items = document.get("items")
    if isinstance(items, CommentedSeq):
        if document.get("apiVersion") in groups:  # ImagePolicyList
            document["apiVersion"] = "v1"
            document["kind"] = "List"
        for item in items:
            yield from _policies(item)


class _Conversion:
    """One object."""

    def __init__(
        self, written: CommentedMap, policy: ImagePolicyObject, file: str, target: PolicyGroup, losses: list[Remark]
    ) -> None:
        self._object = written
        self._vulnerability = {entry.source.position: entry.vulnerability for entry in policy.entries}
        self._file = file
        self._target = target
        self._losses = losses

    def run(self) -> None:
        """Change the object in place."""
        self._object["apiVersion"] = self._target.value
        spec = self._object.get("spec")
        entries = spec.get("repositories") if isinstance(spec, CommentedMap) else None
        for position, entry in enumerate(entries or ()):
            if isinstance(entry, CommentedMap):
                self._entry(position, entry)

    def _entry(self, position: int, entry: CommentedMap) -> None:
        path = f"spec.repositories[{position}]"
        if "policies" in entry:
            self._lose(
                entry, "policies", f"{path}.policies", "dropped: it is no field of an entry, and never had effect"
            )
            del entry["policies"]
        policy = entry.get("policy")
        if "policy" in entry and policy is None and self._target is PolicyGroup.PORTIERIS:
            empty = CommentedMap()
            empty.fa.set_flow_style()
            entry["policy"] = empty  # Portieris' own definition refuses null
        if not isinstance(policy, CommentedMap):
            return
        if self._target is PolicyGroup.PORTIERIS:
            self._to_portieris(position, policy)
        else:
            self._to_cise(position, policy, path)

    def _to_portieris(self, position: int, policy: CommentedMap) -> None:
        """``va`` becomes ``vulnerability.ICCRVA``; enabled if either was. A stored account is restored."""
        account = self._take_account(position) or self._vulnerability[position].account
        if "va" not in policy and not account:
            return
        at = list(policy).index("va") if "va" in policy else len(policy)
        if "vulnerability" in policy:
            at = min(at, list(policy).index("vulnerability"))
        for key in ("va", "vulnerability"):
            policy.pop(key, None)
        value = CommentedMap({"enabled": self._vulnerability[position].enabled})
        if account:
            value["account"] = DoubleQuotedScalarString(account)  # it may look like a number
        policy.insert(at, "vulnerability", CommentedMap({"ICCRVA": value}))

    def _to_cise(self, position: int, policy: CommentedMap, path: str) -> None:
        """``vulnerability.ICCRVA`` becomes ``va``; its account, which has no field there, becomes an annotation."""
        if "vulnerability" in policy:
            vulnerability = self._vulnerability[position]
            if vulnerability.account:
                key = f"{ACCOUNT_ANNOTATION}{position}"
                self._annotations()[key] = DoubleQuotedScalarString(vulnerability.account)
                self._lose(
                    policy, "vulnerability", f"{path}.policy.vulnerability.ICCRVA.account", f"kept as annotation {key}"
                )
            at = list(policy).index("vulnerability")
            if "va" in policy:
                at = min(at, list(policy).index("va"))
            for key in ("va", "vulnerability"):
                policy.pop(key, None)
            policy.insert(at, "va", CommentedMap({"enabled": vulnerability.enabled}))
        if "mutateImage" in policy:
            self._lose(
                policy, "mutateImage", f"{path}.policy.mutateImage", "kept, but only imagegate knows it in this group"
            )
        simple = policy.get("simple")
        if isinstance(simple, CommentedMap):
            self._lose(policy, "simple", f"{path}.policy.simple", "kept, but CISE knows no simple signing")

    def _annotations(self) -> CommentedMap:
        metadata = self._object["metadata"]
        if not isinstance(metadata.get("annotations"), CommentedMap):
            metadata["annotations"] = CommentedMap()
        annotations: CommentedMap = metadata["annotations"]
        return annotations

    def _take_account(self, position: int) -> str:
        """The account that an earlier conversion stored for an entry; removes the annotation."""
        annotations = _mapping(self._object["metadata"], "annotations")
        account = annotations.pop(f"{ACCOUNT_ANNOTATION}{position}", "")
        if not annotations:
            self._object["metadata"].pop("annotations", None)
        return str(account)

    def _lose(self, parent: CommentedMap, key: str, path: str, text: str) -> None:
        line = parent.lc.key(key)[0] + 1
        self._losses.append(Remark(self._file, line, path, text))


def _mapping(parent: CommentedMap, key: str) -> CommentedMap:
    """The mapping under a key; an empty one if there is none."""
    value = parent.get(key)
    return value if isinstance(value, CommentedMap) else CommentedMap()
