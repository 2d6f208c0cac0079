"""Probable mistakes in ClusterImagePolicy and ImagePolicy objects that load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from imagegate.core.enforcement.entry_index import NameIndex
from imagegate.core.enforcement.image import parse_image
from imagegate.core.enforcement.policy import (
    CLUSTER_IMAGE_POLICY,
    DEFAULT_GROUPS,
    IMAGE_POLICY,
    Entry,
    ImagePolicyObject,
    PolicyGroup,
    RequirementType,
)
from imagegate.core.enforcement.selection import merged_order
from imagegate.core.enforcement.trust_servers import trust_server
from imagegate.core.kube.go_quote import go_quote
from imagegate.documents.image_policies import LoadedPolicies, Place
from imagegate.documents.lint.findings import Finding, Severity
from imagegate.documents.lint.remarks import findings_of_remarks
from imagegate.errors import InvalidReference

_ANY = "\0"
"""Stands for a ``*`` where a pattern is compared with another; no pattern has it."""
_SAMPLES = ("a", "", "a/a", "a:a", "0" * 64, "a.a/a")
"""Replacement for ``*`` in samples of images that a pattern could match."""

Note = Callable[[Severity, str, str], Finding]


def lint_cise(loaded: LoadedPolicies, groups: Sequence[PolicyGroup] = DEFAULT_GROUPS) -> list[Finding]:
    """The doubtful places in the policies of all files together, in the order of files and lines.

    Policies without a place in ``loaded`` are only compared with: nothing is said about them.
    """
    policies = merged_order(loaded.policies, groups)
    findings = [
        *findings_of_remarks(loaded.warnings),
        *_lint_scopes(policies, loaded),
        *_lint_objects(policies, loaded),
        *(
            finding
            for policy in policies
            for entry in policy.entries
            if entry.source in loaded.entries
            for finding in _lint_entry(entry, loaded)
        ),
    ]
    order = {place.file: number for number, place in enumerate(loaded.objects.values())}
    return sorted(findings, key=lambda finding: (order.get(finding.file, -1), finding.file, finding.line))


def _lint_scopes(policies: Iterable[ImagePolicyObject], loaded: LoadedPolicies) -> Iterator[Finding]:
    """Entries that never decide, because another effective entry always does."""
    scopes: dict[str, list[Entry]] = {}
    for policy in policies:
        scopes.setdefault(policy.namespace, []).extend(policy.entries)
    for entries in scopes.values():
        index = NameIndex([entry.name for entry in entries])
        for position, entry in enumerate(entries):
            if entry.source not in loaded.entries:
                continue
            winners = _winners(index, entry.name)
            if winners and position not in winners:
                other = entries[min(winners)]
                by = f"{other.source} {go_quote(other.name)}{_where(other, loaded)}"
                yield _at(entry, loaded)(
                    Severity.WARNING, f"{go_quote(entry.name)} never decides: {by} does wherever it matches", "shadowed"
                )


def _where(entry: Entry, loaded: LoadedPolicies) -> str:
    """`` (FILE:LINE)``; empty for an entry of the cluster."""
    place = loaded.entries.get(entry.source)
    return "" if place is None else f" ({place})"


def _winners(index: NameIndex, name: str) -> set[int]:
    """The positions of the entries that decide whatever ``name`` covers.

    A pattern whose every ``*`` is replaced by one character that nothing else matches is covered only by
    patterns that cover everything it covers.
    """
    text = name.replace("*", _ANY)
    texts = [text, f"{text}:{_ANY}"] if "*" in name and not name.endswith("*") else [text]
    return {found for found in map(index.best, texts) if found is not None}


def _lint_objects(policies: Sequence[ImagePolicyObject], loaded: LoadedPolicies) -> Iterator[Finding]:
    """Objects that deny everything, and namespaces without any policy."""
    for policy in policies:
        if not policy.entries:
            where = f"in namespace {policy.namespace}" if policy.kind == IMAGE_POLICY else "in the cluster"
            alone = sum(1 for other in policies if other.namespace == policy.namespace and other.entries) == 0
            if alone:
                yield _note(_place_of(policy, loaded), "spec.repositories")(
                    Severity.WARNING, f"is empty: every image {where} is denied", "denies-everything"
                )
    if policies and not any(policy.kind == CLUSTER_IMAGE_POLICY for policy in policies):
        named = ", ".join(sorted({policy.namespace for policy in policies}))
        yield _note(_place_of(policies[0], loaded), "")(
            Severity.INFO,
            f"there is no ClusterImagePolicy here: without one, every image outside of {named} is denied",
            "no-cluster-policy",
        )


def _lint_entry(entry: Entry, loaded: LoadedPolicies) -> Iterator[Finding]:
    note = _at(entry, loaded)
    yield from _lint_name(entry.name, note)
    yield from _lint_requirements(entry, note)
    yield from _lint_registry(entry, note)


def _lint_name(name: str, note: Note) -> Iterator[Finding]:
    """Names that match nothing, or more than they seem to."""
    if not name:
        return  # the reader says so
    quoted = go_quote(name)
    if not _can_match(name):
        yield note(Severity.WARNING, f"{quoted} matches no image string that can be pulled", "matches-nothing")
        return
    host, slash, path = name.partition("/")
    if not slash:
        if "*" not in name and ("." in name or name == "localhost"):
            meant = go_quote(f"{name}/*")
            yield note(
                Severity.WARNING,
                f"{quoted} is only an image of that name; the whole registry is {meant}",
                "registry-only",
            )
        return
    if host not in ("*", "") and host.endswith("*"):
        other = go_quote(f"{host.removesuffix('*')}.example.com")
        yield note(
            Severity.WARNING, f"{quoted} also matches hosts that only begin so, {other} for one", "unanchored-host"
        )
    elif host.startswith("*") and host != "*" and not host.startswith(("*.", "*:")):
        other = "evil" + host.lstrip("*")
        yield note(
            Severity.WARNING,
            f"{quoted} also matches hosts that only end so, {go_quote(other)} for one",
            "unanchored-host",
        )
    if path.endswith("*") and path != "*" and path[-2] not in "/:@*-._":
        other = f"{path.removesuffix('*')}evil/x"
        yield note(
            Severity.INFO,
            f"{quoted} also matches names that only begin so, {go_quote(other)} for one",
            "unanchored-path",
        )


def _can_match(name: str) -> bool:
    """True if an image string that parses is likely to match; False only if none of the samples parses."""
    for sample in _SAMPLES if "*" in name else ("",):
        try:
            parse_image(name.replace("*", sample))
        except InvalidReference:
            continue
        return True
    return False


def _lint_requirements(entry: Entry, note: Note) -> Iterator[Finding]:
    if entry.mutate_image and not (entry.trust.enabled or entry.simple.enabled):
        yield note(Severity.INFO, "mutateImage has no effect without trust or simple: nothing is verified", "no-effect")
    types = [requirement.type for requirement in entry.simple.requirements]
    if RequirementType.REJECT in types:
        yield note(Severity.INFO, "a requirement of type reject denies every image of this entry", "always-denies")
    elif RequirementType.SIGNED_BY in types and not entry.simple.store_url and not _is_ibm(entry.name):
        yield note(
            Severity.INFO,
            "without storeURL, signatures are found only in registries that keep them themselves (IBM's, OpenShift's)",
            "no-store",
        )
    own = entry.source.namespace
    for requirement in entry.simple.requirements:
        other = requirement.key_secret_namespace
        if entry.source.kind != IMAGE_POLICY and requirement.type == RequirementType.SIGNED_BY and not other:
            yield note(
                Severity.INFO,
                "the key is read from the workload's own namespace, so whoever may write Secrets there chooses it; "
                "keySecretNamespace names another",
                "tenant-keys",
            )
        if entry.source.kind == IMAGE_POLICY and other not in ("", own):
            yield note(
                Severity.WARNING,
                f"keys of namespace {go_quote(other)} may be used only if cise.simple.keyNamespaces names it",
                "foreign-keys",
            )


def _is_ibm(name: str) -> bool:
    """True if every host that a name covers belongs to IBM Cloud Container Registry."""
    host = name.partition("/")[0].replace("*", "a")
    try:
        return "/" in name and parse_image(f"{host}/a").is_ibm_registry
    except InvalidReference:
        return False


def _lint_registry(entry: Entry, note: Note) -> Iterator[Finding]:
    """Trust and vulnerability reports of registries that cannot have them: everything there is denied."""
    host = entry.name.partition("/")[0] if "/" in entry.name else ""
    if "*" in host or not host:
        if entry.vulnerability.enabled:
            yield note(
                Severity.INFO,
                "va denies every image of registries other than IBM Cloud Container Registry, unless reports are set in"
                " scanner",
                "va-registry",
            )
        return
    try:
        image = parse_image(f"{host}/a")
    except InvalidReference:
        return
    if entry.vulnerability.enabled and not image.is_ibm_registry:
        yield note(
            Severity.WARNING,
            f"va needs IBM Cloud Container Registry or reports (scanner in the settings): without them every image of"
            f" {host} is denied",
            "va-registry",
        )
    if entry.trust.enabled and trust_server(entry, image) is None:
        yield note(
            Severity.WARNING,
            f"trust: no trust server is known for {host}, so every image of it is denied: set trustServer",
            "trust-registry",
        )


def _at(entry: Entry, loaded: LoadedPolicies) -> Note:
    place = loaded.entries.get(entry.source, Place("", 0))
    return _note(place, f"spec.repositories[{entry.source.position}]")


def _place_of(policy: ImagePolicyObject, loaded: LoadedPolicies) -> Place:
    return loaded.objects.get((policy.group, policy.kind, policy.namespace, policy.name), Place("", 0))


def _note(place: Place, path: str) -> Note:
    def made(severity: Severity, text: str, code: str) -> Finding:
        return Finding(severity, place.file, place.line, path, text, code)

    return made
