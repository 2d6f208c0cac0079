"""ClusterImagePolicy and ImagePolicy documents of both API groups (docs/spec/enforcement.md 2 and 3).

What the original's custom resource definition would refuse is an error here; what it lets pass and every review would
deny (a ``signedBy`` without a key, say) is a warning that lint shows as an error: a policy of the original must load
unchanged, and it fails closed, in the original's words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from imagegate.core.enforcement.policy import (
    CLUSTER_IMAGE_POLICY,
    IMAGE_POLICY,
    Entry,
    EntrySource,
    ImagePolicyObject,
    PolicyGroup,
    RequirementType,
    SignedIdentity,
    SimplePolicy,
    SimpleRequirement,
    TrustPolicy,
    VulnerabilityPolicy,
)
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.signing.identity import signed_identity
from imagegate.documents.yaml.fields import Fields, Remark, Report
from imagegate.documents.yaml.nodes import Node
from imagegate.documents.yaml.source import read_source
from imagegate.errors import InvalidPolicy

KINDS = (CLUSTER_IMAGE_POLICY, IMAGE_POLICY)
CLUSTER_DOMAIN = "<<CLUSTER DOMAIN>>"
DEFAULT_NAMESPACE = "default"
SAME_KIND_ELSEWHERE = frozenset({"config.openshift.io", "policy.sigstore.dev"})
"""Groups of other products that use the same names of kinds."""

_GROUPS = {group.value: group for group in PolicyGroup}
_GROUP_NAMES = frozenset(api_version.partition("/")[0] for api_version in _GROUPS)
IDENTITY_TYPES = (
    "",
    "matchExact",
    "matchRepoDigestOrExact",
    "matchRepository",
    "matchExactReference",
    "exactReference",
    "matchExactRepository",
    "exactRepository",
    "remapIdentity",
)


class Place(NamedTuple):
    """File, line and path of an entry."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(slots=True)
class LoadedPolicies:
    """The policies of some files, in the order read."""

    policies: list[ImagePolicyObject] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)
    objects: dict[tuple[PolicyGroup, str, str, str], Place] = field(default_factory=dict)
    """Group, kind, namespace and name of every policy, and where it begins."""
    entries: dict[EntrySource, Place] = field(default_factory=dict)

    def add(self, other: LoadedPolicies) -> None:
        """Add the policies of another file.

        Raises:
            InvalidPolicy: an object is in both.
        """
        for key, place in other.objects.items():
            self.check_new(key, place)
            self.objects[key] = place
        self.policies += other.policies
        self.warnings += other.warnings
        self.entries |= other.entries

    def check_new(self, key: tuple[PolicyGroup, str, str, str], place: Place) -> None:
        """Refuse a second object of the same name.

        Raises:
            InvalidPolicy: there is one.
        """
        before = self.objects.get(key)
        if before is not None:
            _, kind, namespace, name = key
            label = f"{namespace}/{name}" if namespace else name
            raise InvalidPolicy(f"{place}: {kind} {label} is written twice (first in {before})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Options for reading documents."""

    namespace: str = DEFAULT_NAMESPACE
    """Of an ImagePolicy that names none."""
    cluster_domain: str = ""
    """Replacement for ``<<CLUSTER DOMAIN>>``; if empty, entries that need it are ignored."""
    lenient: bool = False
    """Unknown fields and values outside the schema are warnings: for objects that a cluster has stored."""


def read_policies(text: str, name: str, reading: Reading | None = None) -> LoadedPolicies:
    """The policies of one file: YAML documents or one JSON value, lists flattened, other kinds ignored.

    Args:
        text: the documents.
        name: the file's name, for messages.
        reading: how to read.

    Raises:
        InvalidPolicy: everything that is wrong, one line each: ``file:line: path: what``.
    """
    return read_nodes(read_source(text, name).documents, name, reading or Reading())


def read_nodes(documents: Iterable[Node], name: str, reading: Reading) -> LoadedPolicies:
    """``read_policies`` for documents that are parsed already."""
    report = Report(name, lenient=reading.lenient)
    loaded = LoadedPolicies()
    for node, path in _objects(documents, report):
        policy = _Object(node, path, report, reading, loaded).read()
        if policy is not None:
            loaded.policies.append(policy)
    report.check()
    loaded.warnings = report.warnings
    return loaded


def read_object(node: Node, report: Report, reading: Reading) -> ImagePolicyObject | None:
    """One object; what is wrong with it is recorded in ``report``. None if it is no policy."""
    return _Object(node, "", report, reading, LoadedPolicies()).read()


def _objects(documents: Iterable[Node], report: Report) -> Iterator[tuple[Node, str]]:
    """Every object with the path of its fields, lists flattened."""
    for node in documents:
        if node.value is None or not _is_object(node, "", report):
            continue
        fields = Fields(node, "", report)
        kind, items = fields.entries.get("kind"), fields.entries.get("items")
        is_list = kind is not None and isinstance(kind.value, str) and kind.value.endswith("List")
        if not is_list:
            yield node, ""
        elif items is not None and isinstance(items.value, list):
            places = ((item, f"items[{index}]") for index, item in enumerate(items.value))
            yield from ((item, path) for item, path in places if _is_object(item, path, report))
        elif items is not None and items.value is not None:
            report.error(items.line, "items", "expected a list")


def _is_object(node: Node, path: str, report: Report) -> bool:
    if isinstance(node.value, dict):
        return True
    report.error(node.line, path, "expected an object with apiVersion and kind")
    return False


class _Object:
    """Reads one object."""

    def __init__(self, node: Node, path: str, report: Report, reading: Reading, loaded: LoadedPolicies) -> None:
        self._fields = Fields(node, path, report)
        self._report = report
        self._reading = reading
        self._loaded = loaded

    def read(self) -> ImagePolicyObject | None:
        """The policy; None for an object of another kind, or one with errors."""
        fields = self._fields
        group = self._group()
        if group is None:
            return None
        kind = fields.text("kind")
        namespace, name = self._metadata(kind)
        spec = fields.child("spec")
        fields.ignore("status")
        key = (group, kind, namespace, name)
        place = Place(self._report.file, fields.line)
        self._loaded.check_new(key, place)
        self._loaded.objects[key] = place
        entries = self.entries(spec, "repositories", key)
        spec.finish()
        fields.finish()
        return ImagePolicyObject(group=group, kind=kind, name=name, namespace=namespace, entries=entries)

    def _group(self) -> PolicyGroup | None:
        """The object's group; None if it is not a policy group; a near miss is an error."""
        fields = self._fields
        api_version, kind = fields.text("apiVersion"), fields.text("kind")
        if not api_version or not kind:
            fields.error("kind" if api_version else "apiVersion", "required")
            return None
        group = _GROUPS.get(api_version)
        if group is not None:
            if kind in KINDS:
                return group
            fields.error("kind", f"expected {' or '.join(KINDS)} in {api_version}, got {go_quote(kind)}")
        elif api_version.partition("/")[0] in _GROUP_NAMES:
            fields.error("apiVersion", f"expected {' or '.join(_GROUPS)}, got {go_quote(api_version)}")
        elif kind in KINDS and api_version.partition("/")[0] in SAME_KIND_ELSEWHERE:
            fields.warn("apiVersion", f"{kind} of {api_version} belongs to another product and is not read")
        elif kind in KINDS:
            fields.error("apiVersion", f"expected {' or '.join(_GROUPS)} for {kind}, got {go_quote(api_version)}")
        return None

    def _metadata(self, kind: str) -> tuple[str, str]:
        """Namespace (empty for cluster scope) and name. Other fields of Kubernetes' metadata are ignored."""
        metadata = self._fields.child("metadata")
        name, namespace = metadata.text("name"), metadata.text("namespace")
        if not name:
            metadata.error("name", "required")
        if kind == IMAGE_POLICY:
            return namespace or self._reading.namespace, name
        if namespace:
            metadata.warn("namespace", f"{kind} is not namespaced: it applies to the whole cluster")
        return "", name

    def entries(self, parent: Fields, field_name: str, key: tuple[PolicyGroup, str, str, str]) -> tuple[Entry, ...]:
        """The entries of a list; positions are those in the document."""
        found: list[Entry] = []
        for position, node in enumerate(parent.items(field_name) or ()):
            path = f"{parent.at(field_name)}[{position}]"
            if node.value is None:
                self._report.refuse(node.line, path, "is null, which matches nothing")
                continue
            source = EntrySource(*key, position)
            entry = self.entry(Fields(node, path, self._report), source)
            if entry is not None:
                found.append(entry)
                self._loaded.entries[source] = Place(self._report.file, node.line)
        return tuple(found)

    def entry(self, fields: Fields, source: EntrySource) -> Entry | None:
        """One entry; None for one that is left out."""
        name = self._name(fields)
        if "policies" in fields.entries and not fields.has("policies"):  # docs/spec/enforcement.md 7.1
            fields.ignore("policies")
            self._report.warn(
                fields.line_of("policies"), "", f'unknown field "policies" in repository entry {go_quote(name or "")}'
            )
        policy = fields.child("policy")
        mutate_image = policy.flag("mutateImage") if policy.has("mutateImage") else None
        policy.ignore("mutateImage")
        trust, simple = _trust(policy.child("trust")), _simple(policy.child("simple"))
        vulnerability = _vulnerability(policy)
        policy.finish()
        fields.finish()
        if name is None:
            return None
        return Entry(
            name=name,
            source=source,
            mutate_image=mutate_image,
            trust=trust,
            simple=simple,
            vulnerability=vulnerability,
        )

    def _name(self, fields: Fields) -> str | None:
        """The pattern; None if the entry is ignored."""
        name = fields.text("name")
        if not name:
            fields.warn("name", "an entry without a name matches nothing")
        if CLUSTER_DOMAIN in name:
            if not self._reading.cluster_domain:
                fields.warn("name", f"{go_quote(name)} is left out: the cluster's domain is not set")
                return None
            name = name.replace(CLUSTER_DOMAIN, self._reading.cluster_domain)
        if "*" in name and "." in name and "/" not in name:
            fields.warn(
                "name",
                f"{go_quote(name)} has no /, so its * also reaches over the one between host and path of an image",
            )
        return name


def entry_reader() -> Callable[[Fields], object]:
    """Reads one entry of ``repositories``; for the schema of an entry."""
    source = EntrySource(PolicyGroup.PORTIERIS, CLUSTER_IMAGE_POLICY, "", "", 0)
    reader = _Object(Node({}, 1), "", Report(""), Reading(), LoadedPolicies())
    return lambda fields: reader.entry(fields, source)


def _trust(fields: Fields) -> TrustPolicy:
    enabled, server = fields.flag("enabled"), fields.text("trustServer")
    if enabled and server and not server.lower().startswith(("http://", "https://")):
        fields.warn("trustServer", f"expecting https:// or http:// URL, got: {server}", denies=True)
    signers = fields.each("signerSecrets", _required_name)
    fields.finish()
    return TrustPolicy(enabled=enabled, trust_server=server, signer_secrets=signers or ())


def _required_name(fields: Fields) -> str:
    name = fields.text("name")
    if not name:
        fields.error("name", "required")
    return name


def _simple(fields: Fields) -> SimplePolicy:
    store_url, store_secret = fields.text("storeURL"), fields.text("storeSecret")
    requirements = fields.each("requirements", _requirement) or ()
    fields.finish()
    if store_url and not store_url.startswith(("http://", "https://")):
        text = f"expecting https:// or http:// URL, got: {store_url}"
        fields.warn("storeURL", text, denies=bool(requirements))
    return SimplePolicy(requirements=requirements, store_url=store_url, store_secret=store_secret)


def _requirement(fields: Fields) -> SimpleRequirement:
    kind = fields.text("type")
    types = tuple(RequirementType)
    if kind not in types:
        text = f"expected one of {', '.join(types)}, got {go_quote(kind)}" if kind else "required"
        fields.report.refuse(fields.line_of("type"), fields.at("type"), text)
    key_secret = fields.text("keySecret")
    if kind == RequirementType.SIGNED_BY and not key_secret:
        fields.warn("keySecret", "KeySecret missing in signedBy requirement", denies=True)
    return SimpleRequirement(
        type=kind,
        key_secret=key_secret,
        key_secret_namespace=fields.text("keySecretNamespace"),
        signed_identity=_signed_identity(fields.child("signedIdentity"), is_used=kind == RequirementType.SIGNED_BY),
    )


def _signed_identity(fields: Fields, *, is_used: bool) -> SignedIdentity:
    kind = fields.text("type")
    if kind not in IDENTITY_TYPES:
        known = ", ".join(IDENTITY_TYPES[1:])
        fields.report.refuse(
            fields.line_of("type"), fields.at("type"), f"expected one of {known}, got {go_quote(kind)}"
        )
    identity = SignedIdentity(
        type=kind,
        docker_reference=fields.text("dockerReference"),
        docker_repository=fields.text("dockerRepository"),
        prefix=fields.text("prefix"),
        signed_prefix=fields.text("signedPrefix"),
    )
    fields.finish()
    if kind in IDENTITY_TYPES:
        try:
            signed_identity(
                kind,
                docker_reference=identity.docker_reference,
                docker_repository=identity.docker_repository,
                prefix=identity.prefix,
                signed_prefix=identity.signed_prefix,
            )
        except InvalidPolicy as error:
            fields.report.warn(fields.line, fields.path, str(error), denies=is_used)
    return identity


def _vulnerability(policy: Fields) -> VulnerabilityPolicy:
    """``vulnerability.ICCRVA`` and the older ``va``: enabled if either is."""
    outer = policy.child("vulnerability")
    advisor = outer.child("ICCRVA")
    older = policy.child("va")
    enabled = advisor.flag("enabled")
    enabled = older.flag("enabled") or enabled
    account = advisor.text("account")
    for fields in (advisor, outer, older):
        fields.finish()
    return VulnerabilityPolicy(enabled=enabled, account=account)
